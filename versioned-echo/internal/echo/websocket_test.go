package echo

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func dialSocket(t *testing.T, url string) *websocket.Conn {
	t.Helper()
	c, response, err := websocket.Dial(t.Context(), strings.Replace(url, "http", "ws", 1)+"/ws", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseNow() })
	if got := response.Header.Get("X-App-Version"); got != "v1" {
		t.Errorf("handshake names version %q", got)
	}
	return c
}

func read(t *testing.T, c *websocket.Conn) string {
	t.Helper()
	_, message, err := c.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return string(message)
}

func (s *Server) sockets101() float64 {
	return testutil.ToFloat64(s.meter.requests.WithLabelValues("/ws", "GET", "101"))
}

func TestWebSocketEchoes(t *testing.T) {
	s, _, url := serveGRPC(t, nil)
	c := dialSocket(t, url)
	if got := read(t, c); got != `{"pod":"echo-abc","version":"v1"}` {
		t.Errorf("greeting %s", got)
	}
	if err := c.Write(context.Background(), websocket.MessageText, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if got := read(t, c); got != "hello" {
		t.Errorf("echo %q", got)
	}
	if open := testutil.ToFloat64(s.meter.inFlight); open != 1 || s.sockets101() != 0 {
		t.Errorf("%v open, %v counted: want it open, and not counted before its end", open, s.sockets101())
	}
	if err := c.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Error(err)
	}
	eventually(t, "it has ended", func() bool { return s.sockets101() == 1 && testutil.ToFloat64(s.meter.inFlight) == 0 })
}

func TestBrokenWebSocket(t *testing.T) {
	_, _, url := serveGRPC(t, func(f *Faults) { f.BreakShare = 1 })
	c := dialSocket(t, url)
	read(t, c)
	var closed websocket.CloseError
	if _, _, err := c.Read(t.Context()); err == nil || errors.As(err, &closed) {
		t.Errorf("%v: want a connection that breaks, without a farewell", err)
	}
}

// A service that ends says so to those who are connected, so that they can
// connect elsewhere.
func TestWebSocketIsToldOfTheEnd(t *testing.T) {
	s := newServer(func(c *Config) { c.DrainDelay = 0 })
	url, stop := serve(t, s)
	c := dialSocket(t, url)
	read(t, c)
	ended := make(chan error, 1)
	go func() {
		_, _, err := c.Read(context.Background())
		ended <- err
	}()
	if err := stop(); err != nil {
		t.Errorf("Serve: %v", err)
	}
	if err := <-ended; websocket.CloseStatus(err) != websocket.StatusGoingAway {
		t.Errorf("%v, want going away", err)
	}
}
