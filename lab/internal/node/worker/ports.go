package worker

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
)

// Loopback ports for containers come from below the ranges that systems take
// the ports of outgoing connections from (32768 on Linux, 49152 on macOS): there
// a connection of the router's could take the port between our check and the
// container's own listen.
const (
	firstPort = 20000
	lastPort  = 32000
)

var errNoPort = errors.New("no free loopback port")

// Ports gives loopback ports to containers. It is safe for concurrent use.
type Ports struct {
	random *rand.Rand

	mu    sync.Mutex
	taken map[uint16]bool
}

// NewPorts starts the search for ports wherever random says, so that two labs
// beside each other seldom try the same.
func NewPorts(random *rand.Rand) *Ports {
	return &Ports{random: random, taken: make(map[uint16]bool)}
}

// Take returns a port that nobody listens on.
func (p *Ports) Take(ctx context.Context) (uint16, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	const span = lastPort - firstPort
	start := p.random.IntN(span)
	for i := range span {
		port := uint16(firstPort + (start+i)%span)
		if !p.taken[port] && free(ctx, port) {
			p.taken[port] = true
			return port, nil
		}
	}
	return 0, fmt.Errorf("%w between %d and %d", errNoPort, firstPort, lastPort)
}

// Give returns a port.
func (p *Ports) Give(port uint16) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.taken, port)
}

func free(ctx context.Context, port uint16) bool {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", loopback(port))
	if err != nil {
		return false
	}
	_ = l.Close()
	return true
}

func loopback(port uint16) string { return fmt.Sprintf("127.0.0.1:%d", port) }
