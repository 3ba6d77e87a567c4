package serve

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// A connection that was opened beforehand is as good for its first request, a minute
// later, as an idle one is for the next.
func TestNewConnectionsAreAsPatientAsIdleOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		defer client.Close()
		go func() {
			_ = Until(t.Context(), &oneConn{conn: server}, http.NotFoundHandler(), nil, H2C(1))
		}()
		read := bufio.NewReader(client)
		for range 2 {
			time.Sleep(idle - time.Nanosecond)
			if _, err := io.WriteString(client, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			answer, err := http.ReadResponse(read, nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, answer.Body); err != nil || answer.StatusCode != http.StatusNotFound {
				t.Fatalf("the answer is %s, %v", answer.Status, err)
			}
		}
	})
}

// oneConn is a listener to which one client comes.
type oneConn struct {
	net.Listener
	conn net.Conn
}

func (l *oneConn) Accept() (net.Conn, error) {
	if conn := l.conn; conn != nil {
		l.conn = nil
		return conn, nil
	}
	return nil, net.ErrClosed
}

func (l *oneConn) Close() error { return nil }
