package routertest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

// patience is how long a test waits for what must come at once.
const patience = 20 * time.Second

func (s Suite) watch(t *testing.T) {
	f := s.New(t)
	r := f.admitted(t)
	w := Watch(t, f.Router, r)
	w.Await(t, "the route as it is", func(s traffic.Sight) bool { return s.Err == nil && s.Route.Canary == "v2" })
	r = f.split(t, r, 90, 10)
	at := w.Await(t, "our own write", func(s traffic.Sight) bool { return s.Route.Weights.Canary == 10 })
	if at.Route.Version != r.Version {
		t.Errorf("it was seen at version %q, and written at %q", at.Route.Version, r.Version)
	}
	f.Overrule(30, 70)
	at = w.Await(t, "somebody else's write", func(s traffic.Sight) bool { return s.Route.Weights.Canary == 70 })
	if at.Route.Author == "" {
		t.Error("it does not say who wrote it")
	}
	if _, err := f.Router.Split(t.Context(), at.Route, traffic.Change{Weights: canary.AllStable(), Fence: true}, traffic.Write{}); err != nil {
		t.Errorf("a change decided on what was seen: %v", err)
	}
	w.Await(t, "the end of it", func(s traffic.Sight) bool { return s.Route.Weights == canary.AllStable() })
	if err := w.Stop(); !errors.Is(err, context.Canceled) {
		t.Errorf("it ended with %v, want the context's error", err)
	}
}

// Watcher is a watch under test.
type Watcher struct {
	sights chan traffic.Sight
	stop   func() error
}

// Watch begins to watch a route until Stop or the end of the test.
func Watch(t *testing.T, router traffic.Router, r traffic.Route) *Watcher {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	w := &Watcher{sights: make(chan traffic.Sight, 1000)}
	ended := make(chan error, 1)
	go func() { ended <- router.Watch(ctx, r, func(s traffic.Sight) { w.sights <- s }) }()
	w.stop = sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
	t.Cleanup(func() { _ = w.stop() })
	return w
}

// Stop ends the watch and returns its error.
func (w *Watcher) Stop() error { return w.stop() }

// Await returns the first sight from here on that fits.
func (w *Watcher) Await(t *testing.T, what string, fits func(traffic.Sight) bool) traffic.Sight {
	t.Helper()
	late := time.After(patience)
	for {
		select {
		case s := <-w.sights:
			if fits(s) {
				return s
			}
		case <-late:
			t.Fatalf("%s was not seen within %s", what, patience)
		}
	}
}

// Unseen returns what was told and not awaited.
func (w *Watcher) Unseen() []traffic.Sight {
	var all []traffic.Sight
	for {
		select {
		case s := <-w.sights:
			all = append(all, s)
		default:
			return all
		}
	}
}
