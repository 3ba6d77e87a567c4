package router

import (
	"context"
	"maps"
	"net"
	"slices"
	"sync"
)

// connections are those that are open to Pods. The router dials Pods through
// them alone, so that it can cut what is left of a Pod that is going.
type connections struct {
	dial func(ctx context.Context, network, address string) (net.Conn, error)

	mu   sync.Mutex
	open map[string]map[*podConn]struct{} // by the Pod's nominal ip
	cuts map[string]bool                  // the Pods whose sidecar has ended
}

func newConnections(dial func(context.Context, string, string) (net.Conn, error)) *connections {
	return &connections{dial: dial, open: map[string]map[*podConn]struct{}{}, cuts: map[string]bool{}}
}

// DialContext connects to a Pod by its nominal "ip:port". Its errors are of type
// *connectError.
func (c *connections) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := c.dial(ctx, network, address)
	if err != nil {
		return nil, &connectError{address, err}
	}
	p := &podConn{Conn: conn, of: c, pod: hostname(address)}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cuts[p.pod] {
		_ = conn.Close()
		return nil, &connectError{address, errCut}
	}
	if c.open[p.pod] == nil {
		c.open[p.pod] = map[*podConn]struct{}{}
	}
	c.open[p.pod][p] = struct{}{}
	return p, nil
}

// cut ends what is open to a Pod, and lets nothing more in.
func (c *connections) cut(pod string) {
	c.mu.Lock()
	c.cuts[pod] = true
	open := c.open[pod]
	delete(c.open, pod)
	c.mu.Unlock()
	for p := range open {
		_ = p.Conn.Close()
	}
}

// cutAll ends what is open to any Pod.
func (c *connections) cutAll() {
	c.mu.Lock()
	pods := slices.Collect(maps.Keys(c.open))
	c.mu.Unlock()
	for _, pod := range pods {
		c.cut(pod)
	}
}

// restore forgets a cut: the Pod is gone, and its address may be another's.
func (c *connections) restore(pod string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.cuts, pod)
}

// isCut says whether the Pod at a nominal "ip:port" has been cut off.
func (c *connections) isCut(address string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cuts[hostname(address)]
}

// podConn is one connection to a Pod.
type podConn struct {
	net.Conn
	of  *connections
	pod string
}

// Close closes the connection.
func (p *podConn) Close() error {
	p.of.mu.Lock()
	if open := p.of.open[p.pod]; open != nil {
		if delete(open, p); len(open) == 0 {
			delete(p.of.open, p.pod)
		}
	}
	p.of.mu.Unlock()
	return p.Conn.Close()
}

// CloseWrite says that nothing more will be written.
func (p *podConn) CloseWrite() error { return closeWrite(p.Conn) }
