package release_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/event"
	"github.com/canaryctl/canaryctl/internal/metrics"
	"github.com/canaryctl/canaryctl/internal/release"
)

// refusing is a source that nobody answers, from another port every time.
type refusing struct{ port int }

func (s *refusing) Name() string { return "the test" }

func (s *refusing) Next(context.Context) ([]metrics.Interval, error) {
	s.port++
	return nil, fmt.Errorf("%w: read tcp 127.0.0.1:%d: connection reset", metrics.ErrUnavailable, s.port)
}

// TestTwoTroublesAtOnce has two last, each tried again and again. A person hears once
// of each.
func TestTwoTroublesAtOnce(t *testing.T) { synctest.Test(t, testTwoTroublesAtOnce) }

func testTwoTroublesAtOnce(t *testing.T) {
	p := plan()
	w := newWorld(p)
	w.ready[onTest] = 0
	r := w.start(t, p, func(c *release.Config) {
		c.Source = func(time.Time) (release.Stream, error) { return &refusing{}, nil }
		c.Prepare = func(context.Context) error { return errors.New("the API server restarts") }
	})
	r.until("a minute goes by", r.passed(time.Minute))
	if told := r.heard(event.Warning); len(told) != 2 {
		t.Errorf("it told:\n%s", r.story())
	}
}

// TestGateThatAnswersTheSame is asked anew after the canary's Pods were away for a
// moment.
func TestGateThatAnswersTheSame(t *testing.T) { synctest.Test(t, testGateThatAnswersTheSame) }

func testGateThatAnswersTheSame(t *testing.T) {
	p := plan()
	p.Steps[1].Gate = "board"
	w := newWorld(p)
	asked := 0
	r := w.start(t, p, func(c *release.Config) {
		c.Ask = func(context.Context, string, string, event.Event) (canary.Gate, string, error) {
			asked++
			return canary.GateClosed, "nobody is there", nil
		}
		c.GateEvery = func(string) time.Duration { return time.Hour }
	})
	r.until("an answer", func() bool { return len(r.heard(event.Gate)) == 1 })
	w.become(onTest, 0)
	r.until("some time goes by", r.passed(time.Second))
	w.become(onTest, 2)
	r.until("it is asked again", func() bool { return asked == 2 })
	r.until("some time goes by", r.passed(time.Second))
	if told := r.heard(event.Gate); len(told) != 1 {
		t.Errorf("it told:\n%s", r.story())
	}
}
