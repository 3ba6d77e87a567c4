package podnet

import (
	"context"
	"fmt"
	"net"
	"net/netip"
)

// DialContext dials the process behind the nominal address addr, an "ip:port".
// An address that the table does not know, or one mapped to something other
// than loopback, is an error that wraps ErrUnknown.
func (t *Table) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	at, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil, fmt.Errorf("dial %s: a Pod is dialled by address and port: %w", addr, err)
	}
	target, ok := t.Lookup(at.Addr().Unmap(), at.Port())
	if !ok {
		return nil, fmt.Errorf("dial %s: %w", addr, ErrUnknown)
	}
	to, err := netip.ParseAddrPort(target)
	if err != nil || !to.Addr().IsLoopback() {
		return nil, fmt.Errorf("dial %s: refusing %q, which is not a loopback address: %w", addr, target, ErrUnknown)
	}
	conn, err := new(net.Dialer).DialContext(ctx, network, target)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", addr, err)
	}
	return conn, nil
}
