package release_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/utils/clock"

	"github.com/canaryctl/canaryctl/internal/analysis"
	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/event"
	"github.com/canaryctl/canaryctl/internal/release"
)

// run is an engine on a world, and what it told.
type run struct {
	*world
	t      *testing.T
	engine *release.Engine
	result release.Result
	err    error
	done   chan struct{}
	kill   context.CancelFunc

	told struct {
		sync.Mutex
		events []event.Event
	}
}

// inBubble is a part of a test in which time goes on when everybody waits.
func inBubble(test func(*testing.T)) func(*testing.T) {
	return func(t *testing.T) { synctest.Test(t, test) }
}

// start begins an engine on the world as it is.
func (w *world) start(t *testing.T, plan canary.Plan, with ...func(*release.Config)) *run {
	t.Helper()
	r := &run{world: w, t: t, done: make(chan struct{})}
	c := release.Config{
		Plan: plan, Analysis: analysis.Default(), Route: w.now(), Router: w, Workloads: pods{w},
		Source: func(time.Time) (release.Stream, error) {
			return &counts{world: w, last: time.Now(), carry: map[string]float64{}}, nil
		},
		Every:   time.Second,
		Prepare: func(context.Context) error { return nil },
		Roll:    func(context.Context) error { return errors.New("not in this test") },
		Tell: func(e event.Event) {
			r.told.Lock()
			defer r.told.Unlock()
			r.told.events = append(r.told.events, e)
		},
		Clock: clock.RealClock{},
	}
	for _, change := range with {
		change(&c)
	}
	var err error
	if r.engine, err = release.New(c); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r.kill = cancel
	go func() {
		defer close(r.done)
		r.result, r.err = r.engine.Run(ctx)
	}()
	t.Cleanup(func() { cancel(); <-r.done })
	return r
}

// until lets time pass, a beat at a time, until something is so.
func (r *run) until(what string, is func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(time.Hour); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		synctest.Wait()
		if is() {
			return
		}
	}
	r.t.Fatalf("never: %s; it stands at %+v, and told:\n%s", what, r.now().Position.Release, r.story())
}

// ended lets time pass until the engine is done.
func (r *run) ended() (release.Result, error) {
	r.t.Helper()
	r.until("the engine ends", func() bool {
		select {
		case <-r.done:
			return true
		default:
			return false
		}
	})
	return r.result, r.err
}

func (r *run) story() string {
	r.told.Lock()
	defer r.told.Unlock()
	var text string
	for _, e := range r.told.events {
		if e.Kind != event.Evidence {
			text += fmt.Sprintf("%s %s %s%% %s\n", e.Time.Format("04:05.0"), e.Kind, e.At.Weight, e.Message)
		}
	}
	return text
}

// heard are the events of a kind.
func (r *run) heard(kind event.Kind) []event.Event {
	r.told.Lock()
	defer r.told.Unlock()
	var found []event.Event
	for _, e := range r.told.events {
		if e.Kind == kind {
			found = append(found, e)
		}
	}
	return found
}

// atWeight reports whether the canary gets so much.
func (r *run) atWeight(percent canary.Percent) func() bool {
	return func() bool { return r.now().Weights.Canary == percent }
}
