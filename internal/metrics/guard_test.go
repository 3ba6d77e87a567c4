package metrics

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

var errRefused = errors.New("refused")

func guarded(c func(*GuardConfig)) *Guard {
	config := GuardConfig{Attempts: 3, Deadline: time.Second, Backoff: 100 * time.Millisecond, Failures: 2, Open: time.Minute,
		Now: time.Now, Random: func() float64 { return .5 }}
	if c != nil {
		c(&config)
	}
	return NewGuard(config)
}

// failing fails that many times, and counts.
func failing(times int, err error) (ask func(context.Context) error, asked *int) {
	asked = new(int)
	return func(context.Context) error {
		if *asked++; *asked <= times {
			return err
		}
		return nil
	}, asked
}

func TestGuardTriesAgainWhatMayPass(t *testing.T) {
	busy := fmt.Errorf("%w: busy", ErrUnavailable)
	for name, test := range map[string]struct {
		times int
		err   error
		asked int
		want  error
		took  time.Duration // half of each backoff, by the random number
	}{
		"well":          {0, nil, 1, nil, 0},
		"once":          {1, busy, 2, nil, 50 * time.Millisecond},
		"twice":         {2, busy, 3, nil, 150 * time.Millisecond},
		"for long":      {9, busy, 3, ErrUnavailable, 150 * time.Millisecond},
		"not to repeat": {9, errRefused, 1, errRefused, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ask, asked := failing(test.times, test.err)
				start := time.Now()
				err := guarded(nil).Do(t.Context(), ask)
				if !errors.Is(err, test.want) || *asked != test.asked || time.Since(start) != test.took {
					t.Errorf("%v after %d attempts in %s, want %v, %d, %s", err, *asked, time.Since(start), test.want, test.asked, test.took)
				}
			})
		})
	}
}

func TestGuardLeavesAFailingServerAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := guarded(nil)
		ask, asked := failing(6, fmt.Errorf("%w: busy", ErrUnavailable)) // both calls, three attempts each
		for range 2 {
			_ = g.Do(t.Context(), ask)
		}
		if err := g.Do(t.Context(), ask); !errors.Is(err, ErrUnavailable) || *asked != 6 {
			t.Errorf("an open circuit: %v, asked %d times, want 6", err, *asked)
		}
		time.Sleep(time.Minute)
		if err := g.Do(t.Context(), ask); err != nil || *asked != 7 {
			t.Errorf("after a minute: %v, asked %d times, want 7", err, *asked)
		}
	})
}

func TestGuardGivesUpASilentServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silent := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		if err := guarded(nil).Do(t.Context(), silent); !errors.Is(err, ErrUnavailable) {
			t.Errorf("silent: %v", err)
		}
		// A caller that gives up first says nothing about the server.
		g := guarded(func(c *GuardConfig) { c.Failures = 1 })
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := g.Do(ctx, silent); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("hasty: %v", err)
		}
		if err := g.Do(t.Context(), func(context.Context) error { return nil }); err != nil {
			t.Errorf("the circuit is open after haste: %v", err)
		}
	})
}
