package podnet

import (
	"context"
	"io"
	"net"
	"sync"
)

// Splice copies between two connections, each way until its end, and hands on a
// half-close, so that a client which has said all it has to say still hears the
// answer. It closes both when both ways have ended or when ctx ends.
func Splice(ctx context.Context, a, b net.Conn) {
	closeBoth := func() { _ = a.Close(); _ = b.Close() }
	defer closeBoth()
	defer context.AfterFunc(ctx, closeBoth)()

	var ways sync.WaitGroup
	for _, way := range []struct{ to, from net.Conn }{{a, b}, {b, a}} {
		ways.Go(func() {
			if _, err := io.Copy(way.to, way.from); err != nil {
				closeBoth() // a broken way leaves nothing to hear on the other
				return
			}
			_ = closeWrite(way.to)
		})
	}
	ways.Wait()
}

// closeWrite half-closes what can be half-closed, and closes what cannot: its
// reader would wait for ever otherwise.
func closeWrite(c net.Conn) error {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return c.Close()
}
