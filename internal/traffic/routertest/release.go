package routertest

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

// under is a position with a release that is at the phase.
func under(p canary.Position, phase canary.Phase) *canary.Position {
	begun := time.Date(2026, 3, 1, 12, 0, 0, 123e6, time.UTC)
	release := canary.Begin("r1", "plan-hash", begun)
	release.Phase, release.Why = phase, `5 < 6 & "so"`
	p.Release = &release
	return &p
}

func (s Suite) notes(t *testing.T) {
	f := s.New(t)
	r := f.admitted(t)
	p := under(r.Place(), canary.Progressing)
	notes := map[string]string{canary.PlanAnnotation: "{}", canary.HistoryAnnotation: "a < b"}
	writes := f.Writes()
	r, err := f.Router.Split(t.Context(), r, traffic.Change{Weights: canary.Weights{Stable: 95, Canary: 5}, Position: p, Notes: notes}, traffic.Write{})
	if err != nil {
		t.Fatal(err)
	}
	if n := f.Writes() - writes; n != 1 {
		t.Errorf("weights, position and notes took %d writes, want 1", n)
	}
	found := f.mustFind(t)
	if diff := cmp.Diff(notes, found.Notes); diff != "" || found.Weights.Canary != 5 {
		t.Errorf("weights %s, notes (-want +got):\n%s", found.Weights, diff)
	}
	if diff := cmp.Diff(p, found.Position); diff != "" {
		t.Errorf("position (-want +got):\n%s", diff)
	}
	r = f.split(t, r, 90, 10)
	if diff := cmp.Diff(notes, r.Notes); diff != "" {
		t.Errorf("a change without notes changed them (-want +got):\n%s", diff)
	}
	r, err = f.Router.Remember(t.Context(), r, traffic.Change{Notes: map[string]string{canary.PlanAnnotation: ""}}, traffic.Write{})
	if err != nil {
		t.Fatal(err)
	}
	delete(notes, canary.PlanAnnotation)
	if diff := cmp.Diff(notes, r.Notes); diff != "" || r.Weights.Canary != 10 || r.Position == nil {
		t.Errorf("one note was to go, no more: weights %s, position %v, notes (-want +got):\n%s", r.Weights, r.Position, diff)
	}
}

// preparing writes down a release that has no canary yet, then admits one.
func (s Suite) preparing(t *testing.T) {
	f := s.New(t)
	before := f.Dump()
	r := f.mustFind(t)
	p := under(r.Place(), canary.Preparing)
	writes := f.Writes()
	r, err := f.Router.Remember(t.Context(), r, traffic.Change{Position: p, Notes: map[string]string{canary.PlanAnnotation: "{}"}, Fence: true}, traffic.Write{})
	if err != nil {
		t.Fatal(err)
	}
	if n := f.Writes() - writes; n != 1 {
		t.Errorf("position and notes took %d writes, want 1", n)
	}
	if r.Position == nil || r.Position.Release == nil || r.Notes[canary.PlanAnnotation] != "{}" {
		t.Fatalf("it remembers the position %v and the notes %v", r.Position, r.Notes)
	}
	r = f.admitted(t)
	if r.Canary != "v2" || r.Position == nil || r.Position.Release == nil || r.Position.Release.ID != "r1" {
		t.Fatalf("with the canary %q admitted, the position is %+v", r.Canary, r.Position)
	}
	if r, err = f.Router.Remember(t.Context(), r, traffic.Change{Position: under(r.Place(), canary.RolledBack)}, traffic.Write{}); err != nil {
		t.Fatal(err)
	}
	f.forget(t, r, "v2")
	if _, err = f.Router.Remember(t.Context(), f.mustFind(t), traffic.Change{Notes: map[string]string{canary.PlanAnnotation: ""}}, traffic.Write{}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, f.Dump()); diff != "" {
		t.Errorf("the route is not as it was (-before +after):\n%s", diff)
	}
}

func (s Suite) underWay(t *testing.T) {
	f := s.New(t)
	r := f.mustFind(t)
	for _, phase := range []canary.Phase{canary.Preparing, canary.Progressing, canary.Paused, canary.Promoting} {
		r, err := f.Router.Remember(t.Context(), r, traffic.Change{Position: under(r.Place(), phase)}, traffic.Write{})
		if err != nil {
			t.Fatal(err)
		}
		if r.Position == nil || r.Position.Release == nil || r.Position.Release.Phase != phase {
			t.Errorf("a release that is %s is not remembered: %+v", phase, r.Position)
		}
	}
}

func (s Suite) fenceWeights(t *testing.T) {
	f := s.New(t)
	r := f.split(t, f.admitted(t), 90, 10)
	f.Overrule(40, 60)
	f.refused(t, r, traffic.Change{Weights: canary.Weights{Stable: 75, Canary: 25}, Fence: true})
	if r = f.split(t, r, 75, 25); r.Weights.Canary != 25 {
		t.Errorf("without a fence the weights are %s, want 75/25", r.Weights)
	}
}

func (s Suite) fencePosition(t *testing.T) {
	f := s.New(t)
	r := f.split(t, f.admitted(t), 90, 10)
	if _, err := f.Router.Remember(t.Context(), r, traffic.Change{Position: under(r.Place(), canary.Paused)}, traffic.Write{}); err != nil {
		t.Fatal(err)
	}
	f.refused(t, r, traffic.Change{Weights: canary.Weights{Stable: 75, Canary: 25}, Fence: true})
	f.refused(t, r, traffic.Change{Weights: r.Weights, Position: under(r.Place(), canary.Progressing), Fence: true})
	before := f.Dump()
	if _, err := f.Router.Remember(t.Context(), r, traffic.Change{Position: under(r.Place(), canary.Progressing), Fence: true}, traffic.Write{}); !errors.Is(err, traffic.ErrConflict) {
		t.Errorf("a fenced position over another: %v, want ErrConflict", err)
	}
	if diff := cmp.Diff(before, f.Dump()); diff != "" {
		t.Errorf("it changed something (-before +after):\n%s", diff)
	}
}

func (s Suite) fenceOther(t *testing.T) {
	f := s.New(t)
	r := f.admitted(t)
	f.Interfere()
	r, err := f.Router.Split(t.Context(), r, traffic.Change{Weights: canary.Weights{Stable: 80, Canary: 20}, Fence: true}, traffic.Write{})
	if err != nil || r.Weights.Canary != 20 || !f.Interfered() {
		t.Errorf("weights %s, the other writer's change kept %t: %v; want 80/20 beside it", r.Weights, f.Interfered(), err)
	}
}

// besides are the ways to the canary, besides the weights, that the router has.
func (s Suite) besides() map[string]traffic.Beside {
	b := map[string]traffic.Beside{}
	if s.Header {
		b["header"] = traffic.Beside{Header: &canary.Header{Name: "X-Insider", Value: "yes"}}
	}
	if s.Mirror {
		b["mirror"] = traffic.Beside{Mirror: 20}
	}
	return b
}

func (s Suite) beside(t *testing.T, b traffic.Beside) {
	f := s.New(t)
	plain := f.Dump()
	if err := f.Router.Rehearse(t.Context(), f.mustFind(t), "v2", b); err != nil {
		t.Errorf("it cannot be rehearsed: %v", err)
	}
	if diff := cmp.Diff(plain, f.Dump()); diff != "" || f.Writes() != 0 {
		t.Errorf("to rehearse it took %d writes (-before +after):\n%s", f.Writes(), diff)
	}
	r := f.admitted(t)
	before, writes := f.Dump(), f.Writes()
	for range 2 { // the second has nothing left to write
		r = f.put(t, r, traffic.Change{Weights: canary.AllStable(), Beside: &b})
		if diff := cmp.Diff(b, r.Beside); diff != "" {
			t.Errorf("beside the weights (-want +got):\n%s", diff)
		}
	}
	if n := f.Writes() - writes; n != 1 {
		t.Errorf("it took %d writes, want 1", n)
	}
	if found := f.mustFind(t); found.Stable != "v1" || found.Canary != "v2" || found.Weights != canary.AllStable() {
		t.Errorf("stable %q, canary %q, weights %s; want v1, v2 and 100/0", found.Stable, found.Canary, found.Weights)
	}
	r = f.split(t, r, 90, 10)
	if diff := cmp.Diff(b, r.Beside); diff != "" {
		t.Errorf("a change of the weights alone changed what is beside them (-want +got):\n%s", diff)
	}
	f.put(t, r, traffic.Change{Weights: canary.AllStable(), Beside: &traffic.Beside{}})
	if diff := cmp.Diff(before, f.Dump()); diff != "" {
		t.Errorf("taken off, it left something (-before +after):\n%s", diff)
	}
}

func (s Suite) besideRollback(t *testing.T, b traffic.Beside) {
	f := s.New(t)
	r := f.admitted(t)
	before := f.Dump()
	r = f.put(t, r, traffic.Change{Weights: canary.AllStable(), Beside: &b})
	f.put(t, r, traffic.Change{Weights: canary.AllStable()})
	if diff := cmp.Diff(before, f.Dump()); diff != "" {
		t.Errorf("after a rollback something still leads to the canary (-before +after):\n%s", diff)
	}
}

func (s Suite) besideDismissed(t *testing.T, b traffic.Beside) {
	f := s.New(t)
	before := f.Dump()
	r := f.put(t, f.admitted(t), traffic.Change{Weights: canary.AllStable(), Beside: &b})
	f.forget(t, r, "v2")
	if diff := cmp.Diff(before, f.Dump()); diff != "" {
		t.Errorf("the route is not as it was (-before +after):\n%s", diff)
	}
}

func (s Suite) besideFenced(t *testing.T, b traffic.Beside) {
	f := s.New(t)
	r := f.admitted(t)
	f.put(t, r, traffic.Change{Weights: canary.AllStable(), Beside: &b})
	f.refused(t, r, traffic.Change{Weights: canary.Weights{Stable: 75, Canary: 25}, Fence: true})
}

func (f Fixture) put(t *testing.T, r traffic.Route, c traffic.Change) traffic.Route {
	t.Helper()
	r, err := f.Router.Split(t.Context(), r, c, traffic.Write{})
	if err != nil {
		t.Fatalf("change %+v: %v", c, err)
	}
	return r
}

// refused sends a fenced change that must change nothing.
func (f Fixture) refused(t *testing.T, r traffic.Route, c traffic.Change) {
	t.Helper()
	before := f.Dump()
	if _, err := f.Router.Split(t.Context(), r, c, traffic.Write{}); !errors.Is(err, traffic.ErrConflict) {
		t.Errorf("a fenced change after somebody else's: %v, want ErrConflict", err)
	}
	if diff := cmp.Diff(before, f.Dump()); diff != "" {
		t.Errorf("it changed something (-before +after):\n%s", diff)
	}
}
