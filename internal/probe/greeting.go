package probe

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
)

// greeting is what the server at the other end of the newest connection said
// first. One that speaks HTTP/1.1 only answers the preface of HTTP/2 with an
// error and closes; which of the many errors that makes of a call (reset, broken
// pipe, closed, none established) is a race, what it said first is not.
type greeting struct {
	http1  atomic.Bool
	dialer net.Dialer
}

// noHTTP2 says that the server answered in HTTP/1.1.
func (g *greeting) noHTTP2() bool { return g.http1.Load() }

// listen makes transport hear how the servers it connects to begin. With TLS it
// hears nothing it understands; there, the handshake has settled the protocol.
func (g *greeting) listen(transport *http.Transport) {
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := g.dialer.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &greetedConn{Conn: conn, greeting: g}, nil
	}
}

// greetedConn reads the first bytes of a connection apart from the rest.
type greetedConn struct {
	net.Conn
	greeting *greeting
	once     sync.Once
	first    []byte
	err      error
}

const http1Answer = "HTTP/1."

func (c *greetedConn) greet() {
	c.once.Do(func() {
		c.first = make([]byte, len(http1Answer))
		var n int
		n, c.err = io.ReadFull(c.Conn, c.first)
		c.first = c.first[:n]
		if n > 0 {
			c.greeting.http1.Store(strings.HasPrefix(string(c.first), http1Answer))
		}
	})
}

// Read implements net.Conn.
func (c *greetedConn) Read(p []byte) (int, error) {
	c.greet()
	if len(c.first) > 0 {
		n := copy(p, c.first)
		c.first = c.first[n:]
		return n, nil
	}
	if c.err != nil {
		return 0, c.err
	}
	return c.Conn.Read(p)
}

// Write implements net.Conn. When the server has hung up, what it said before
// can still be read, and is, before the caller closes the connection.
func (c *greetedConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		c.greet()
	}
	return n, err
}
