package release_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/event"
	"github.com/canaryctl/canaryctl/internal/release"
)

// Once the traffic is back from a canary on which requests hung, its Pods end: until
// then clients with one connection stand still.
func TestHangingCanaryIsStopped(t *testing.T) {
	forbidden := apierrors.NewForbidden(schemaOf("deployments"), "shop-v2", errors.New("no"))
	for _, test := range []struct {
		name    string
		fails   bool // it answers, with errors, and does not hang
		leave   bool
		errs    []error // of the attempts to stop it
		stopped bool
		told    string
	}{
		{name: "stopped", errs: []error{nil}, stopped: true, told: "the Pods of v2 are stopped, because requests hung on them"},
		{name: "tried again", errs: []error{errors.New("no route to host"), nil}, stopped: true, told: "are stopped"},
		{name: "not allowed", errs: []error{forbidden}, told: "requests hang on the Pods of v2, and these could not be stopped"},
		{name: "left, as somebody said", leave: true},
		{name: "one that fails is left for inspection", fails: true},
	} {
		t.Run(test.name, inBubble(func(t *testing.T) {
			p := plan()
			p.Steps[0].Min = seconds(60)
			w := newWorld(p)
			attempts := 0
			r := w.start(t, p, func(c *release.Config) {
				c.Stop = func(context.Context) error {
					if w.now().Weights != canary.AllStable() {
						t.Error("its Pods are stopped while it has traffic")
					}
					attempts++
					return test.errs[attempts-1]
				}
				if test.leave {
					c.Stop = nil
				}
			})
			r.until("the canary has traffic", func() bool { return r.now().Weights.Canary > 0 })
			w.mu.Lock()
			w.hangs = !test.fails
			if test.fails {
				w.bad[onTest] = 0.5
			}
			w.mu.Unlock()
			result, err := r.ended()
			if err != nil || result.Release.Phase != canary.RolledBack || result.Hung == test.fails || result.Stopped != test.stopped {
				t.Errorf("%+v, %v: want it rolled back, and stopped: %t; told:\n%s", result, err, test.stopped, r.story())
			}
			if attempts != len(test.errs) {
				t.Errorf("%d attempts to stop it, want %d", attempts, len(test.errs))
			}
			if said := r.heard(event.Stopped); (len(said) == 1) != test.stopped {
				t.Errorf("told %v", said)
			}
			if !strings.Contains(r.story(), test.told) {
				t.Errorf("told:\n%s\nwant %q", r.story(), test.told)
			}
		}))
	}
}

// Who is killed between the two leaves a release that is over, and Pods that run.
func TestKilledBeforeTheStop(t *testing.T) {
	inBubble(func(t *testing.T) {
		w := newWorld(plan())
		w.hangs = true
		started := make(chan *run, 1)
		r := w.start(t, plan(), func(c *release.Config) {
			c.Stop = func(ctx context.Context) error { (<-started).kill(); return ctx.Err() }
		})
		started <- r
		result, err := r.ended()
		if err != nil || result.Stopped || result.Release.Phase != canary.RolledBack || w.now().Weights != canary.AllStable() {
			t.Errorf("%+v, %v", result, err)
		}
	})(t)
}
