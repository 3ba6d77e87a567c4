package demo

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/canaryctl/canaryctl/internal/probe"
)

// Tally counts requests and those of them that failed.
type Tally struct{ Requests, Errors int }

// Counts are tallies by version. Requests that no version answered for stand
// under nobody.
type Counts map[string]Tally

const nobody = "nobody"

// Since is what happened after an earlier count.
func (c Counts) Since(earlier Counts) Counts {
	diff := Counts{}
	for v, t := range c {
		diff[v] = Tally{t.Requests - earlier[v].Requests, t.Errors - earlier[v].Errors}
	}
	return diff
}

// Sum is over all versions, and over nobody.
func (c Counts) Sum() (sum Tally) {
	for _, t := range c {
		sum.Requests += t.Requests
		sum.Errors += t.Errors
	}
	return sum
}

// load is steady traffic through the router, from start to stop.
type load struct {
	router string
	rate   int
	frame  func(time.Time, Counts) // called for every half second, with what it saw

	cancel context.CancelFunc
	done   chan struct{}

	mu     sync.Mutex
	counts Counts
	err    error
}

func newLoad(router string, rate int) *load {
	return &load{router: router, rate: rate, counts: Counts{}}
}

func (l *load) start(ctx context.Context) {
	ctx, l.cancel = context.WithCancel(ctx)
	l.done = make(chan struct{})
	c := probe.Default()
	c.URL, c.Host, c.Rate, c.Duration = l.router+"/version", app, float64(l.rate), 0
	c.ProgressEvery, c.Progress = 500*time.Millisecond, l.progress
	go func() {
		defer close(l.done)
		result, err := probe.Run(ctx, c)
		l.progress(result)
		l.mu.Lock()
		defer l.mu.Unlock()
		l.err = err
	}()
}

// stop ends the traffic and waits for it; it may be called when none runs.
func (l *load) stop() {
	if l.cancel != nil {
		l.cancel()
		<-l.done
	}
}

func (l *load) progress(r probe.Result) {
	if len(r.Phases) == 0 {
		return
	}
	now := countsOf(r)
	l.mu.Lock()
	before := l.counts
	l.counts = now
	l.mu.Unlock()
	if l.frame != nil {
		l.frame(time.Now(), now.Since(before))
	}
}

// Counts is what was seen up to the last half second.
func (l *load) Counts() Counts {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.counts
}

func countsOf(r probe.Result) Counts {
	c := Counts{}
	for _, p := range r.Phases {
		for _, v := range p.Versions {
			t := c[v.Name]
			c[v.Name] = Tally{t.Requests + v.Requests, t.Errors + v.Errors}
		}
		lost := p.Failed()
		if p.Unknown != nil {
			lost += p.Unknown.Requests
		}
		if t := c[nobody]; lost > 0 {
			c[nobody] = Tally{t.Requests + lost, t.Errors + lost}
		}
	}
	return c
}

// startTraffic waits for v1 to answer through the router, then lets the steady
// traffic flow for the rest of the demo.
func (s *stage) startTraffic(ctx context.Context) error {
	ready := probe.Default()
	ready.URL, ready.Host, ready.Count = s.traffic.router+"/version", app, 1
	for countsNobody := true; countsNobody; {
		r, err := probe.Run(ctx, ready)
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		countsNobody = countsOf(r)["v1"].Requests == 0
	}
	s.traffic.frame = func(now time.Time, seen Counts) {
		s.film.add(now, seen)
		select { // whoever waits for a frame gets this one; nobody need wait
		case <-s.frames:
		default:
		}
		s.frames <- struct{}{}
	}
	s.traffic.start(ctx)
	return nil
}

// watch lets traffic flow for a while, and returns what was seen meanwhile.
func (s *stage) watch(ctx context.Context, canary string, long time.Duration) (Counts, error) {
	// The weights just changed: begin with the next half second, so that a
	// request which was under way before counts for no step.
	select {
	case <-s.frames: // ended before the change
	default:
	}
	if err := s.nextFrame(ctx); err != nil {
		return nil, err
	}
	start, begin := s.traffic.Counts(), time.Now()
	defer s.liveEnd()
	for {
		if err := s.nextFrame(ctx); err != nil {
			return nil, err
		}
		seen := s.traffic.Counts().Since(start)
		s.live(fmt.Sprintf("%s  %s  %d requests", s.bar(seen[canary].Requests, seen.Sum().Requests), canary, seen.Sum().Requests))
		if time.Since(begin) >= long {
			return seen, nil
		}
	}
}

// nextFrame waits for the next report of the load.
func (s *stage) nextFrame(ctx context.Context) error {
	select {
	case <-s.frames:
		return nil
	case <-s.traffic.done:
		return fmt.Errorf("demo: the traffic ended: %w", s.traffic.err)
	case <-ctx.Done():
		return ctx.Err()
	}
}
