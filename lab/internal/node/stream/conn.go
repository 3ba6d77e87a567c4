package stream

import (
	"context"
	"errors"
	"net"
	"os"
)

// connKey finds the connection of a request in its context.
type connKey struct{}

// watchedListener makes connections that tell when their client has gone. The
// HTTP server tells that only of connections that it has kept; without it, an
// attachment to a silent container would outlive its client by hours.
type watchedListener struct{ net.Listener }

func (l watchedListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	gone, leave := context.WithCancel(context.Background())
	return &watchedConn{Conn: conn, gone: gone, leave: leave}, nil
}

// watchedConn is a connection whose gone ends when its client has left.
type watchedConn struct {
	net.Conn
	gone  context.Context
	leave context.CancelFunc
}

// Read notices the end of the connection. A deadline is not one: the HTTP server
// uses it to get hold of a connection that it is about to hand over.
func (c *watchedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		c.leave()
	}
	return n, err
}

func (c *watchedConn) Close() error {
	c.leave()
	return c.Conn.Close()
}

// watch gives the requests of a connection a context that ends with it.
func watch(ctx context.Context, conn net.Conn) context.Context {
	watched, ok := conn.(*watchedConn)
	if !ok {
		return ctx
	}
	ctx, cancel := context.WithCancel(context.WithValue(ctx, connKey{}, conn))
	context.AfterFunc(watched.gone, cancel)
	return ctx
}
