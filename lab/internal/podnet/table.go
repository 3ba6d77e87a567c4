// Package podnet is the lab's stand-in for a Pod network. The API refuses Pods
// on loopback addresses, so every Pod gets a nominal address out of Prefix, and
// a Table says behind which loopback address each (Pod address, port) is really
// answered. Whatever in the lab dials a Pod dials through the Table; nothing
// but loopback is ever dialled, and nothing needs root.
package podnet

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
)

// Prefix is the range of the nominal Pod addresses.
const Prefix = "10.244.0.0/16"

var (
	// ErrExhausted says that every address of Prefix is in use.
	ErrExhausted = errors.New("no free Pod address")
	// ErrUnknown marks a nominal address that nothing answers behind.
	ErrUnknown = errors.New("nothing listens there")
)

// Table maps nominal addresses to loopback ones. It is safe for concurrent use.
// Make one with NewTable.
type Table struct {
	prefix netip.Prefix

	mu      sync.RWMutex
	last    netip.Addr
	taken   map[netip.Addr]bool
	targets map[netip.AddrPort]string
}

// NewTable returns an empty table.
func NewTable() *Table {
	prefix := netip.MustParsePrefix(Prefix)
	return &Table{
		prefix: prefix,
		// The network's own address and its first host (a node's bridge, in a real
		// cluster) are never given to a Pod.
		last:    prefix.Addr().Next(),
		taken:   make(map[netip.Addr]bool),
		targets: make(map[netip.AddrPort]string),
	}
}

// Allocate returns an address that no Pod has. Addresses go round the whole
// range before one is used again, so that a client that still holds the address
// of a dead Pod does not meet another one behind it.
func (t *Table) Allocate() (netip.Addr, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	next := t.last.Next()
	for {
		if !t.usable(next) {
			next = t.prefix.Addr().Next().Next()
		}
		if !t.taken[next] {
			t.last, t.taken[next] = next, true
			return next, nil
		}
		if next == t.last {
			return netip.Addr{}, fmt.Errorf("allocate from %s: %w; delete some Pods", Prefix, ErrExhausted)
		}
		next = next.Next()
	}
}

// usable keeps the broadcast address out.
func (t *Table) usable(a netip.Addr) bool {
	return t.prefix.Contains(a) && t.prefix.Contains(a.Next())
}

// Release gives an address back, with everything mapped on it.
func (t *Table) Release(ip netip.Addr) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.taken, ip)
	for at := range t.targets {
		if at.Addr() == ip {
			delete(t.targets, at)
		}
	}
}

// Map says that (ip, port) is answered at target, a loopback "host:port". The
// address need not come from Allocate: the node has one of its own.
func (t *Table) Map(ip netip.Addr, port uint16, target string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.targets[netip.AddrPortFrom(ip, port)] = target
}

// Unmap takes one mapping away.
func (t *Table) Unmap(ip netip.Addr, port uint16) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.targets, netip.AddrPortFrom(ip, port))
}

// Lookup returns the loopback address behind (ip, port).
func (t *Table) Lookup(ip netip.Addr, port uint16) (string, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	target, ok := t.targets[netip.AddrPortFrom(ip, port)]
	return target, ok
}
