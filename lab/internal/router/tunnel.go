package router

import (
	"errors"
	"io"
	"sync/atomic"
)

// tunnel is an upgraded connection to a Pod. As with Envoy it is over when one
// side ends it, and never in peace: to the proxies it is a connection that is lost,
// to the Pod or to the client, whoever was the first.
type tunnel struct {
	io.ReadWriteCloser
	first atomic.Int32
}

const (
	byPod int32 = 1 + iota
	byClient
)

var errTunnelOver = errors.New("the upgraded connection is over")

func (t *tunnel) endedByPod() bool { return t != nil && t.first.Load() == byPod }

// Read reads what the Pod says.
func (t *tunnel) Read(p []byte) (int, error) {
	n, err := t.ReadWriteCloser.Read(p)
	if err != nil {
		t.first.CompareAndSwap(0, byPod)
	}
	if errors.Is(err, io.EOF) {
		err = errTunnelOver // an io.EOF would have ReverseProxy wait for the client
	}
	return n, err
}

// CloseWrite is called when the client has hung up.
func (t *tunnel) CloseWrite() error {
	t.first.CompareAndSwap(0, byClient)
	return errTunnelOver
}

// Close is called when either side has ended, or the lab.
func (t *tunnel) Close() error {
	t.first.CompareAndSwap(0, byClient)
	return t.ReadWriteCloser.Close()
}
