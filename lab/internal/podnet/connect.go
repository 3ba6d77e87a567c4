package podnet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// Limits of the CONNECT proxy: how long a client may take to say what it wants,
// and how long a dial may take.
const (
	headerTimeout = 10 * time.Second
	dialTimeout   = 10 * time.Second
)

// ServeConnect answers HTTP CONNECT on l with tunnels through the table, until
// ctx ends; then it closes l and every tunnel and waits for them. It speaks
// what the API server's egress selector speaks (HTTPConnect over a unix
// socket), which has the API server reach Pods and node as anybody else does.
func (t *Table) ServeConnect(ctx context.Context, l net.Listener) error {
	p := &connectProxy{dial: t.DialContext}
	server := &http.Server{
		// Not the request's own context: it ends as soon as the client half-closes,
		// and a tunnel has to outlive that.
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.serve(ctx, w, r) }),
		ReadHeaderTimeout: headerTimeout,
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	err := server.Serve(l)
	if stop() {
		_ = server.Close()
	}
	p.tunnels.Wait()
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serve CONNECT on %s: %w", l.Addr(), err)
}

// connectProxy answers the requests of one ServeConnect. It counts its tunnels, which
// the HTTP server forgets once they are hijacked.
type connectProxy struct {
	dial    func(ctx context.Context, network, addr string) (net.Conn, error)
	tunnels sync.WaitGroup
}

func (p *connectProxy) serve(ctx context.Context, w http.ResponseWriter, r *http.Request) {
	p.tunnels.Add(1)
	defer p.tunnels.Done()
	if r.Method != http.MethodConnect {
		http.Error(w, "this proxy only answers CONNECT", http.StatusMethodNotAllowed)
		return
	}
	dialCtx, cancel := context.WithTimeout(ctx, dialTimeout)
	pod, err := p.dial(dialCtx, "tcp", r.Host)
	cancel()
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer func() { _ = pod.Close() }()
	client, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer func() { _ = client.Close() }()
	if _, err := io.WriteString(client, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		return
	}
	Splice(ctx, bufferedConn{Conn: client, r: buffered.Reader}, pod)
}

// bufferedConn reads first what the HTTP server read ahead of the tunnel.
type bufferedConn struct {
	net.Conn
	r io.Reader
}

func (c bufferedConn) Read(b []byte) (int, error) { return c.r.Read(b) }

func (c bufferedConn) CloseWrite() error { return closeWrite(c.Conn) }
