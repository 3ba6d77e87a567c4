package router

import (
	"slices"
	"sync/atomic"
)

// cluster is the endpoints behind one port of a Service, or the subset of them
// that a DestinationRule names.
type cluster struct {
	name      string // as Envoy's: outbound|80|v1|web.default.svc.cluster.local
	missing   string // why there is no such cluster; empty when there is
	protocol  protocol
	balance   balance
	endpoints []*endpoint
	turn      atomic.Uint64
	// nowhere is what metrics say of requests for which no Pod was chosen.
	nowhere *target
	load    *load
	// maxRequests may be in flight; one more overflows. 0: any number.
	maxRequests int64
}

// load is what a cluster has to do. It lives on from snapshot to snapshot.
type load struct {
	active atomic.Int64 // requests in flight
	called atomic.Bool  // by gRPC, ever
}

// admit counts one request more, if there is room for it.
func (l *load) admit(limit int64) bool {
	if n := l.active.Add(1); limit > 0 && n > limit {
		l.active.Add(-1)
		return false
	}
	return true
}

// endpoint is one ready Pod. It lives on from snapshot to snapshot, so that the
// count of its requests in flight does.
type endpoint struct {
	address string // nominal ip:port
	target  *target
	// unanswered is what the client's side says of a request that the Pod has not
	// answered.
	unanswered *target
	inFlight   atomic.Int64
	// withdrawn is set once a snapshot is without the endpoint: its Pod drains.
	withdrawn atomic.Bool
}

// balance is how a cluster chooses among its endpoints.
type balance int

const (
	leastRequest balance = iota // Istio's default: the less busy of two at random
	roundRobin
	random
)

// pick chooses an endpoint, one that was not tried yet if there is one. It
// returns nil where no endpoint is ready.
func (c *cluster) pick(bits uint64, tried []*endpoint) *endpoint {
	candidates := c.endpoints
	if len(tried) > 0 {
		fresh := slices.DeleteFunc(slices.Clone(candidates), func(e *endpoint) bool { return slices.Contains(tried, e) })
		if len(fresh) > 0 {
			candidates = fresh
		}
	}
	n := uint64(len(candidates))
	switch {
	case n == 0:
		return nil
	case n == 1:
		return candidates[0]
	case c.balance == roundRobin:
		return candidates[c.turn.Add(1)%n]
	case c.balance == random:
		return candidates[scale(bits, n)]
	}
	a, b := candidates[scale(bits, n)], candidates[scale(bits<<32, n)]
	if b.inFlight.Load() < a.inFlight.Load() {
		return b
	}
	return a
}
