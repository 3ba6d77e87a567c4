package metrics

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// GuardConfig says how patient a Guard is.
type GuardConfig struct {
	Attempts int           // of one call
	Deadline time.Duration // of one attempt
	Backoff  time.Duration // before the second attempt at most; doubles
	Failures int           // calls in a row that open the circuit
	Open     time.Duration // how long it stays open
	// Now and Random are the clock and a source of numbers from 0 to 1.
	Now    func() time.Time
	Random func() float64
}

// DefaultGuard gives up before the next look is due.
func DefaultGuard() GuardConfig {
	return GuardConfig{
		Attempts: 3, Deadline: 5 * time.Second, Backoff: 200 * time.Millisecond,
		Failures: 3, Open: 10 * time.Second, Now: time.Now, Random: rand.Float64,
	}
}

// Guard stands between canaryctl and a server that is slow or fails: each
// attempt has a deadline, failures that may pass are tried again after a random
// wait (or all who watch would come back at the same moment), and a server that
// keeps failing is left alone for a while.
type Guard struct {
	config GuardConfig

	mu       sync.Mutex
	failures int
	until    time.Time
	last     error
}

// NewGuard returns a closed circuit. The zero config is DefaultGuard.
func NewGuard(c GuardConfig) *Guard {
	if c.Attempts == 0 {
		c = DefaultGuard()
	}
	return &Guard{config: c}
}

// Do runs what asks the server. An error that wraps ErrUnavailable is tried
// again; any other is an answer, and returned. The server has failed also when it
// does not answer within the deadline of an attempt.
func (g *Guard) Do(ctx context.Context, ask func(context.Context) error) error {
	if err := g.closed(); err != nil {
		return err
	}
	var err error
	for attempt := range g.config.Attempts {
		if attempt > 0 && !g.wait(ctx, attempt) {
			break
		}
		if err = g.once(ctx, ask); !errors.Is(err, ErrUnavailable) || ctx.Err() != nil {
			break
		}
	}
	if ctx.Err() == nil { // the caller's own haste says nothing about the server
		g.note(err)
	}
	return err
}

func (g *Guard) once(ctx context.Context, ask func(context.Context) error) error {
	attempt, cancel := context.WithTimeout(ctx, g.config.Deadline)
	defer cancel()
	err := ask(attempt)
	if err != nil && ctx.Err() == nil && attempt.Err() != nil {
		return fmt.Errorf("%w: no answer within %s", ErrUnavailable, g.config.Deadline)
	}
	return err
}

// wait is "full jitter": anything up to the backoff.
func (g *Guard) wait(ctx context.Context, attempt int) bool {
	most := g.config.Backoff << (attempt - 1)
	timer := time.NewTimer(time.Duration(g.config.Random() * float64(most)))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// closed returns why nothing may be asked now. After the time is over one call
// goes through, and its failure opens the circuit again.
func (g *Guard) closed() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if left := g.until.Sub(g.config.Now()); left > 0 {
		return fmt.Errorf("%w, and not asked again for %s", g.last, left.Round(time.Second))
	}
	return nil
}

func (g *Guard) note(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !errors.Is(err, ErrUnavailable) {
		g.failures = 0
		return
	}
	if g.failures++; g.failures >= g.config.Failures {
		g.until, g.last = g.config.Now().Add(g.config.Open), err
	}
}
