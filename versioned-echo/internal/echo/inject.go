package echo

import (
	"context"
	"sync"
	"time"
)

// injector holds the faults in force, and decides whom they meet.
type injector struct {
	random func() float64 // uniform in [0, 1)
	crash  chan struct{}  // gets one value when the process is to die

	mu     sync.Mutex
	faults Faults
	since  time.Time
	fuse   *time.Timer // the pending crash
}

func newInjector(random func() float64) *injector {
	return &injector{random: random, crash: make(chan struct{}, 1), faults: NoFaults()}
}

// set replaces the faults and restarts their clocks.
func (i *injector) set(f Faults) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.defuse()
	i.faults, i.since = f, time.Now()
	if f.CrashAfter > 0 {
		i.fuse = time.AfterFunc(time.Duration(f.CrashAfter), func() {
			select {
			case i.crash <- struct{}{}:
			default: // already on its way
			}
		})
	}
}

func (i *injector) stop() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.defuse()
}

func (i *injector) defuse() {
	if i.fuse != nil {
		i.fuse.Stop()
	}
}

func (i *injector) get() Faults {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.faults
}

// harm is what one request suffers: a wait, and then a failure, or neither.
type harm struct {
	Faults  // those in force when it was drawn
	wait    time.Duration
	failure failure
}

// failure is how a request ends that is not answered as it should be.
type failure int

const (
	none    failure = iota
	refused         // answered with an error: ErrorStatus or GRPCStatus
	hanging         // not answered while the client waits
	broken          // half answered
	reset           // cut off before an answer
)

// draw decides one request's fate. Wait and failure are independent, so a share
// of failures is a share of slow and fast requests alike. errors is the share
// of the request's protocol that is refused.
func (i *injector) draw(errors func(Faults) float64) harm {
	i.mu.Lock()
	h := harm{Faults: i.faults}
	age := time.Since(i.since)
	i.mu.Unlock()
	if h.Latency > 0 && i.random() < h.LatencyShare {
		h.wait = time.Duration(h.Latency)
	}
	shares := [...]float64{refused: errors(h.Faults), hanging: h.HangShare, broken: h.BreakShare, reset: h.ResetShare}
	if age < time.Duration(h.ErrorAfter) || shares == [len(shares)]float64{} {
		return h
	}
	u := i.random()
	for kind, share := range shares {
		if u < share {
			h.failure = failure(kind)
			break
		}
		u -= share
	}
	return h
}

func httpErrors(f Faults) float64 { return f.ErrorShare }
func grpcErrors(f Faults) float64 { return f.GRPCShare }

type harmKey struct{}

// suffering hands a harm on to what cannot be wrapped from outside.
func suffering(ctx context.Context, h harm) context.Context {
	return context.WithValue(ctx, harmKey{}, h)
}

// harmOf is the harm in ctx, none if it has none.
func harmOf(ctx context.Context) harm {
	h, _ := ctx.Value(harmKey{}).(harm)
	return h
}
