package router

import (
	"errors"
	"io"
	"sync/atomic"
	"syscall"
)

// tunnel is an upgraded connection to a Pod. As with Envoy it is over when one
// side ends it; which, makes a difference: a client that hangs up is counted as
// one.
type tunnel struct {
	io.ReadWriteCloser
	first atomic.Int32
}

const (
	byPod   int32 = 1 + iota
	byReset       // of the Pod's
	byClient
)

var errTunnelOver = errors.New("the upgraded connection is over")

func (t *tunnel) endedBy(whom int32) bool { return t != nil && t.first.Load() == whom }

// Read reads what the Pod says.
func (t *tunnel) Read(p []byte) (int, error) {
	n, err := t.ReadWriteCloser.Read(p)
	switch {
	case errors.Is(err, io.EOF):
		t.first.CompareAndSwap(0, byPod)
		err = errTunnelOver // an io.EOF would have ReverseProxy wait for the client
	case errors.Is(err, syscall.ECONNRESET):
		t.first.CompareAndSwap(0, byReset)
	}
	return n, err
}

// CloseWrite is called when the client has hung up.
func (t *tunnel) CloseWrite() error {
	t.first.CompareAndSwap(0, byClient)
	return errTunnelOver
}
