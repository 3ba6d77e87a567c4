package release_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/event"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

func seconds(n int) canary.Duration { return canary.Duration(time.Duration(n) * time.Second) }

func plan() canary.Plan {
	p := canary.DefaultPlan()
	p.Steps = []canary.Step{{Weight: 10, Min: seconds(2)}, {Weight: 50, Min: seconds(2)}}
	p.Exposure = 1000
	return p
}

func TestGoodCanaryIsPromoted(t *testing.T) { synctest.Test(t, testGoodCanaryIsPromoted) }

func testGoodCanaryIsPromoted(t *testing.T) {
	p := plan()
	w := newWorld(p)
	r := w.start(t, p)
	result, err := r.ended()
	if err != nil {
		t.Fatal(err)
	}
	if got := result.Release; got.Phase != canary.Promoted || got.Basis != canary.PassedOnExposure {
		t.Errorf("ended as %s on %q: %s", got.Phase, got.Basis, got.Why)
	}
	want := []canary.Weights{{Stable: 90, Canary: 10}, {Stable: 50, Canary: 50}, {Canary: 100}}
	if diff := cmp.Diff(want, w.seen); diff != "" {
		t.Errorf("weights (-want +got):\n%s", diff)
	}
	if now := w.now(); now.Stable != onTest || now.Position.Previous != stable {
		t.Errorf("stable is %s, kept is %q", now.Stable, now.Position.Previous)
	}
	history := canary.ParseHistory(w.now().Notes[canary.HistoryAnnotation])
	if len(history) != 1 || history[0].Outcome != canary.Promoted || history[0].Requests < 1000 {
		t.Errorf("history: %+v", history)
	}
	if plan, left := w.now().Notes[canary.PlanAnnotation]; left && plan != "" {
		t.Errorf("the route still carries the plan: %s", plan)
	}
	if len(r.heard(event.Started)) != 1 || len(r.heard(event.Step)) != 2 || len(r.heard(event.Promoted)) != 1 {
		t.Errorf("it told:\n%s", r.story())
	}
}

func TestBadCanaryIsRolledBack(t *testing.T) { synctest.Test(t, testBadCanaryIsRolledBack) }

func testBadCanaryIsRolledBack(t *testing.T) {
	p := plan()
	p.Steps[0].Min = seconds(60)
	w := newWorld(p)
	w.bad[onTest] = 0.2
	r := w.start(t, p)
	result, err := r.ended()
	if err != nil {
		t.Fatal(err)
	}
	if result.Release.Phase != canary.RolledBack {
		t.Fatalf("ended as %s: %s\n%s", result.Release.Phase, result.Release.Why, r.story())
	}
	if got := w.now().Weights; got != canary.AllStable() {
		t.Errorf("weights %s", got)
	}
	if took := result.Release.Since.Sub(result.Release.Started); took > 6*time.Second {
		t.Errorf("it took %s", took)
	}
	if len(w.writes) != 2 {
		t.Errorf("%d writes, want the step and the rollback", len(w.writes))
	}
}

// TestAnotherGoesOn kills an engine in the middle of each step. The next finds all
// that it needs in the route.
func TestAnotherGoesOn(t *testing.T) { synctest.Test(t, testAnotherGoesOn) }

func testAnotherGoesOn(t *testing.T) {
	p := plan()
	w := newWorld(p)
	first := w.start(t, p)
	first.until("the first step", first.atWeight(10))
	first.kill()
	<-first.done
	second := w.start(t, p)
	second.until("the second step", second.atWeight(50))
	second.kill()
	<-second.done
	third := w.start(t, p)
	result, err := third.ended()
	if err != nil || result.Release.Phase != canary.Promoted {
		t.Fatalf("%v, %+v\n%s", err, result.Release, third.story())
	}
	want := []canary.Weights{{Stable: 90, Canary: 10}, {Stable: 50, Canary: 50}, {Canary: 100}}
	if diff := cmp.Diff(want, w.seen); diff != "" {
		t.Errorf("weights (-want +got):\n%s", diff)
	}
	if len(third.heard(event.Started)) != 0 || len(third.heard(event.Attached)) != 1 {
		t.Errorf("it told:\n%s", third.story())
	}
}

// TestPersonSteersThroughTheRoute does what pause, resume and rollback write.
func TestPersonSteersThroughTheRoute(t *testing.T) { synctest.Test(t, testPersonSteersThroughTheRoute) }

func testPersonSteersThroughTheRoute(t *testing.T) {
	p := plan()
	p.Steps[0].Min = seconds(30)
	w := newWorld(p)
	r := w.start(t, p)
	r.until("the first step", r.atWeight(10))
	w.edit(func(rel canary.Release) canary.Release {
		return rel.PausedFor(canary.CausePerson, "ann asked for it", time.Now())
	})
	r.until("the pause is told", func() bool { return len(r.heard(event.Paused)) == 1 })
	r.until("a minute goes by", r.passed(time.Minute))
	if got := w.now().Weights.Canary; got != 10 {
		t.Fatalf("paused, and %s%%", got)
	}
	w.edit(func(rel canary.Release) canary.Release { return rel.Again(p, w.now().Weights, time.Now()) })
	r.until("the second step", r.atWeight(50))
	w.edit(func(rel canary.Release) canary.Release { return rel.Back("ann asked for it", time.Now()) })
	result, err := r.ended()
	if err != nil || result.Release.Phase != canary.RolledBack {
		t.Errorf("%v, %+v", err, result.Release)
	}
}

// edit changes the release in the route, as a command does.
func (w *world) edit(change func(canary.Release) canary.Release) {
	before := w.now()
	after := change(*before.Position.Release)
	place := *before.Position
	place.Release = &after
	weights := before.Weights
	if after.Phase == canary.RolledBack {
		weights = canary.AllStable()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.route.Author = `"canaryctl"`
	w.change(changeTo(weights, &place))
}

func TestForeignWeightsPause(t *testing.T) { synctest.Test(t, testForeignWeightsPause) }

func testForeignWeightsPause(t *testing.T) {
	p := plan()
	p.Steps[0].Min = seconds(30)
	w := newWorld(p)
	r := w.start(t, p)
	r.until("the first step", r.atWeight(10))
	w.mu.Lock()
	w.route.Author = `"argocd-controller"`
	w.change(changeTo(canary.AllStable(), nil))
	w.mu.Unlock()
	r.until("a pause", func() bool { return w.now().Position.Release.Phase == canary.Paused })
	if got := w.now(); got.Weights != canary.AllStable() || !strings.Contains(got.Position.Release.Why, "argocd-controller") {
		t.Errorf("weights %s, why %q", got.Weights, got.Position.Release.Why)
	}
	if told := r.heard(event.Foreign); len(told) != 1 {
		t.Errorf("it told:\n%s", r.story())
	}
}

func TestLostPositionIsWrittenAgain(t *testing.T) { synctest.Test(t, testLostPositionIsWrittenAgain) }

func testLostPositionIsWrittenAgain(t *testing.T) {
	p := plan()
	p.Steps[0].Min = seconds(30)
	w := newWorld(p)
	r := w.start(t, p)
	r.until("the first step", r.atWeight(10))
	w.mu.Lock()
	w.route.Author = `"kubectl-replace"`
	w.route.Position, w.route.Notes = nil, nil
	w.change(changeTo(w.route.Weights, nil))
	w.mu.Unlock()
	r.until("it is there again, paused", func() bool {
		place := w.now().Position
		return place != nil && place.Release != nil && place.Release.Phase == canary.Paused
	})
	if got := w.now().Position.Release; got.ID != "r1" || got.Step != 0 {
		t.Errorf("it is %+v", got)
	}
	if got := w.now().Notes[canary.PlanAnnotation]; got != "the plan" {
		t.Errorf("the plan is %q: nobody could go on from there", got)
	}
}

// TestAbortedBetweenTwoLooks has a person abort the release so fast that all there is
// to see is the history.
func TestAbortedBetweenTwoLooks(t *testing.T) { synctest.Test(t, testAbortedBetweenTwoLooks) }

func testAbortedBetweenTwoLooks(t *testing.T) {
	p := plan()
	p.Steps[0].Min = seconds(30)
	w := newWorld(p)
	r := w.start(t, p)
	r.until("the first step", r.atWeight(10))
	w.mu.Lock()
	ended := w.route.Position.Release.Back("ann asked for it", time.Now()).End(stable, onTest)
	w.route.Position, w.route.Canary = nil, ""
	w.change(traffic.Change{Weights: canary.AllStable(), Notes: map[string]string{
		canary.HistoryAnnotation: canary.History{}.With(ended).Encode(),
	}})
	w.mu.Unlock()
	result, err := r.ended()
	if err != nil || result.Release.Phase != canary.RolledBack || result.Release.Why != "ann asked for it" {
		t.Errorf("%v, %+v", err, result.Release)
	}
	if w.now().Position != nil {
		t.Error("the engine wrote the position again")
	}
}
