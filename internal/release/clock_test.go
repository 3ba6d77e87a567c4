package release_test

import (
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/utils/clock"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/release"
)

// jumpy is a clock that somebody sets. What waits on it is not disturbed: timers
// run on a clock that nobody can set.
type jumpy struct {
	clock.RealClock
	shift atomic.Int64
}

func (c *jumpy) Now() time.Time { return c.RealClock.Now().Add(time.Duration(c.shift.Load())) }

func (c *jumpy) Since(t time.Time) time.Duration { return c.Now().Sub(t) }

func (c *jumpy) jump(by time.Duration) { c.shift.Add(int64(by)) }

// TestClockThatJumps sets the engine's clock in the middle of a step. A good canary
// is promoted with all its exposure, a bad one is rolled back.
func TestClockThatJumps(t *testing.T) {
	for _, by := range []time.Duration{-time.Hour, -5 * time.Second, 5 * time.Second, time.Hour} {
		for _, bad := range []float64{0, 0.2} {
			t.Run(by.String(), inBubble(func(t *testing.T) {
				p := plan()
				w := newWorld(p)
				w.bad[onTest] = bad
				own := &jumpy{}
				r := w.start(t, p, func(c *release.Config) { c.Clock = own })
				r.until("the first step", func() bool { return w.now().Weights.Canary > 0 || w.now().Position.Release.Phase.Over() })
				own.jump(by)
				result, err := r.ended()
				if err != nil {
					t.Fatal(err)
				}
				want := canary.Promoted
				if bad > 0 {
					want = canary.RolledBack
				}
				if got := result.Release; got.Phase != want {
					t.Errorf("ended as %s, want %s: %s", got.Phase, want, got.Why)
				}
				history := canary.ParseHistory(w.now().Notes[canary.HistoryAnnotation])
				if len(history) != 1 || want == canary.Promoted && history[0].Requests < p.Exposure {
					t.Errorf("history: %+v", history)
				}
				for _, weights := range w.seen {
					if weights.Validate() != nil {
						t.Errorf("the weights were %s", weights)
					}
				}
			}))
		}
	}
}
