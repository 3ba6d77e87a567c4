package echo

import (
	"net/http"
	"sync"
	"time"
)

// statusClientGone is nginx's code for a client that did not wait; it keeps
// such requests apart from answers in the metrics.
const statusClientGone = 499

// injector holds the faults in force and applies them.
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

// harm is what one request suffers.
type harm struct {
	wait   time.Duration
	status int // 0 is none
}

// draw decides one request's fate. Wait and error are independent, so a share
// of errors is a share of slow and fast requests alike.
func (i *injector) draw() harm {
	i.mu.Lock()
	f, age := i.faults, time.Since(i.since)
	i.mu.Unlock()
	var h harm
	if f.Latency > 0 && i.random() < f.LatencyShare {
		h.wait = time.Duration(f.Latency)
	}
	if f.ErrorShare > 0 && age >= time.Duration(f.ErrorAfter) && i.random() < f.ErrorShare {
		h.status = f.ErrorStatus
	}
	return h
}

// wrap applies the faults to a route that users see. fail writes the answer of
// a request that is to fail.
func (i *injector) wrap(next http.Handler, fail func(w http.ResponseWriter, status int)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := i.draw()
		if h.wait > 0 && !sleep(r.Context(), h.wait) {
			w.WriteHeader(statusClientGone)
			return
		}
		if h.status != 0 {
			fail(w, h.status)
			return
		}
		next.ServeHTTP(w, r)
	})
}
