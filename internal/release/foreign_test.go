package release_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/event"
	"github.com/canaryctl/canaryctl/internal/release"
	"github.com/canaryctl/canaryctl/internal/traffic"
	"github.com/canaryctl/canaryctl/internal/workload"
)

// somebody writes the route.
func (w *world) somebody(author string, c traffic.Change) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.route.Author = author
	w.change(c)
}

// replace writes the whole route, without what it remembered.
func (w *world) replace(author string, weights canary.Weights) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.route.Author, w.route.Position, w.route.Notes = author, nil, nil
	w.change(changeTo(weights, nil))
}

// canaryBy is the canary's Deployment with a template, by whoever wrote it last.
func (w *world) canaryBy(author, template string) {
	w.set(onTest, workload.Deployed{Name: "shop-v2", Template: template, Author: author, Desired: 2, Ready: 2}, 2)
}

// TestForeignIsToldOnce has others change what a release is about, and much happen
// besides. Each change is told once, with who did it: whoever writes the same object
// later, the engine among them, is not who did it.
func TestForeignIsToldOnce(t *testing.T) {
	weights := func(onTrial canary.Percent) traffic.Change {
		return changeTo(canary.ToCanary(onTrial), nil)
	}
	for name, test := range map[string]struct {
		others []func(*world) // one after the other
		by     []string       // who is named, in order
	}{
		"weights": {
			[]func(*world){func(w *world) { w.somebody(`"kubectl-edit"`, weights(40)) }},
			[]string{"kubectl-edit"},
		},
		"weights, and then others": {
			[]func(*world){
				func(w *world) { w.somebody(`"kubectl-edit"`, weights(40)) },
				func(w *world) { w.somebody(`"argocd-controller"`, weights(0)) },
			},
			[]string{"kubectl-edit", "argocd-controller"},
		},
		"the whole route, weights and all": {
			[]func(*world){func(w *world) { w.replace(`"kubectl-replace"`, canary.AllStable()) }},
			[]string{"kubectl-replace"},
		},
		"the whole route, twice": {
			[]func(*world){
				func(w *world) { w.replace(`"kubectl-replace"`, canary.AllStable()) },
				func(w *world) { w.replace(`"flux"`, canary.AllStable()) },
			},
			[]string{"kubectl-replace", "flux"},
		},
		"a template, and an autoscaler writes after": {
			[]func(*world){
				func(w *world) { w.canaryBy(`"kubectl-set"`, "other") },
				func(w *world) { w.canaryBy(`"autoscaler"`, "other") },
			},
			[]string{"kubectl-set"},
		},
		"a template, and yet another": {
			[]func(*world){
				func(w *world) { w.canaryBy(`"kubectl-set"`, "other") },
				func(w *world) { w.canaryBy(`"kubectl-set"`, "third") },
			},
			[]string{"kubectl-set", "kubectl-set"},
		},
		"a template, and weights that are put back": {
			[]func(*world){
				func(w *world) { w.canaryBy(`"kubectl-set"`, "other") },
				func(w *world) { w.somebody(`"kubectl-edit"`, weights(40)) },
				func(w *world) { w.somebody(`"kubectl-edit"`, weights(10)) },
			},
			[]string{"kubectl-set", "kubectl-edit"},
		},
		"a deletion that takes its time": {
			[]func(*world){
				func(w *world) {
					w.set(onTest, workload.Deployed{Name: "shop-v2", Template: "two", Deleting: true, Desired: 2, Ready: 2}, 2)
				},
				func(w *world) { w.set(onTest, workload.Deployed{Gone: true}, 1) },
			},
			[]string{"the Deployment of v2 is being deleted"},
		},
	} {
		t.Run(name, inBubble(func(t *testing.T) {
			p := plan()
			p.Steps[0].Min = seconds(60)
			w := newWorld(p)
			r := w.start(t, p)
			r.until("the first step", r.atWeight(10))
			r.until("it judges", func() bool { return len(r.heard(event.Evidence)) > 1 })
			for _, other := range test.others {
				other(w)
				r.until("some time goes by", r.passed(3*time.Second))
			}
			if paused := r.heard(event.Paused); len(paused) != 1 {
				t.Errorf("paused %d times", len(paused))
			}
			told := r.heard(event.Foreign)
			if len(told) != len(test.by) {
				t.Fatalf("told %d times, want %d:\n%s", len(told), len(test.by), r.story())
			}
			for i, by := range test.by {
				if !strings.Contains(told[i].Message, by) {
					t.Errorf("it does not name %s: %s", by, told[i].Message)
				}
			}
		}))
	}
}

// TestForeignIsToldByOneEngine has another engine find a release paused because
// somebody set its weights: that was told, and by then the engine before is the last
// who wrote the route.
func TestForeignIsToldByOneEngine(t *testing.T) { synctest.Test(t, testForeignIsToldByOneEngine) }

func testForeignIsToldByOneEngine(t *testing.T) {
	p := plan()
	p.Steps[0].Min = seconds(60)
	w := newWorld(p)
	first := w.start(t, p)
	first.until("the first step", first.atWeight(10))
	w.somebody(`"kubectl-edit"`, changeTo(canary.AllStable(), nil))
	first.until("a pause", func() bool { return w.now().Position.Release.Phase == canary.Paused })
	first.kill()
	<-first.done

	second := w.start(t, p)
	second.until("some time goes by", second.passed(3*time.Second))
	if told := second.heard(event.Foreign); len(told) != 0 {
		t.Errorf("it told again:\n%s", second.story())
	}
	w.somebody(`"flux"`, changeTo(canary.Weights{Stable: 70, Canary: 30}, nil))
	second.until("the next is told", func() bool { return len(second.heard(event.Foreign)) > 0 })
	if told := second.heard(event.Foreign)[0]; !strings.Contains(told.Message, "flux") {
		t.Errorf("it names another: %s", told.Message)
	}
}

// TestBegunOnce kills an engine before the first step. The next goes on, and begins
// nothing.
func TestBegunOnce(t *testing.T) { synctest.Test(t, testBegunOnce) }

func testBegunOnce(t *testing.T) {
	p := plan()
	w := newWorld(p)
	w.ready[onTest] = 0
	first := w.start(t, p)
	first.until("it waits", func() bool { return len(first.heard(event.Waiting)) > 0 })
	first.kill()
	<-first.done
	second := w.start(t, p, func(c *release.Config) { c.GoesOn = true })
	second.until("it waits", func() bool { return len(second.heard(event.Waiting)) > 0 })
	var kinds []event.Kind
	for _, r := range []*run{first, second} {
		for _, kind := range []event.Kind{event.Started, event.Attached} {
			if len(r.heard(kind)) > 0 {
				kinds = append(kinds, kind)
			}
		}
	}
	if diff := cmp.Diff([]event.Kind{event.Started, event.Attached}, kinds); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
