package release_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/metrics"
	"github.com/canaryctl/canaryctl/internal/release"
)

// once is a lease that is renewed when the test says so.
type once struct {
	renew chan struct{}
	saved chan release.Saved
}

func (o once) Keep(ctx context.Context, saved func() release.Saved) error {
	<-o.renew
	o.saved <- saved()
	<-ctx.Done()
	return ctx.Err()
}

// TestTakenOverBeforeAnythingWasCounted: an engine that left evidence of nothing,
// since its source was silent, leaves the whole release to be counted.
func TestTakenOverBeforeAnythingWasCounted(t *testing.T) {
	synctest.Test(t, testTakenOverBeforeAnythingWasCounted)
}

func testTakenOverBeforeAnythingWasCounted(t *testing.T) {
	p := plan()
	w := newWorld(p)
	w.silent = metrics.ErrUnavailable
	began := time.Now()
	lease := once{make(chan struct{}), make(chan release.Saved)}
	first := w.start(t, p, func(c *release.Config) { c.Lease = lease })
	first.until("the first step", first.atWeight(10))
	close(lease.renew)
	saved := <-lease.saved
	first.kill()
	<-first.done
	w.mu.Lock()
	w.silent = nil
	w.mu.Unlock()

	var from time.Time
	second := w.start(t, p, func(c *release.Config) {
		c.Saved = saved.Evidence
		open := c.Source
		c.Source = func(since time.Time) (release.Stream, error) {
			from = since
			return open(since)
		}
	})
	result, err := second.ended()
	if err != nil || result.Release.Phase != canary.Promoted {
		t.Fatalf("%v, %+v\n%s", err, result.Release, second.story())
	}
	if !from.Equal(began) {
		t.Errorf("it counts from %s, and the release began at %s", from, began)
	}
}
