// Package routertest holds the contract of traffic.Router as tests. Every
// adapter runs them from one short test of its own.
package routertest

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

// Fixture is a cluster with one route whose host has the stable version "v1"
// and no other, and which no release has touched.
type Fixture struct {
	Router traffic.Router
	Query  traffic.Query
	// Dump returns the objects that the router writes, without what the API
	// server adds to them: equal dumps mean that nothing was changed.
	Dump func() string
	// Interfere makes somebody else's change to a field of the route object that
	// is not the router's, in one request. The router's writes must survive it,
	// and it theirs.
	Interfere func()
	// Interfered reports whether that change is still there.
	Interfered func() bool
	// Overrule is somebody else's write of the weights of stable and canary, as
	// kubectl edit would make it.
	Overrule func(stable, onTrial int)
	// Writes counts the write requests so far.
	Writes func() int
	// Foreign is of fixtures with much that is not the router's; else nil.
	Foreign *Foreign
}

// Suite is the contract. New makes a fresh fixture for every test.
type Suite struct {
	New func(t testing.TB) Fixture
	// Header and Mirror are powers that not every router has: to lead requests
	// with a header, or copies, to the canary.
	Header, Mirror bool
}

// Run runs the tests of the contract.
func (s Suite) Run(t *testing.T) {
	t.Run("find", s.find)
	t.Run("split", s.split)
	t.Run("split what is not split", s.notSplit)
	t.Run("position and weights in one write", s.oneWrite)
	t.Run("admit and dismiss leave no trace", s.noTrace)
	t.Run("admit is idempotent", s.admitTwice)
	t.Run("a release begins with its canary", s.begins)
	t.Run("one canary at a time", s.otherCanary)
	t.Run("dismiss spares a version with weight", s.serving)
	t.Run("previous version", s.previous)
	t.Run("dry run", s.dryRun)
	t.Run("others' changes survive", s.interference)
	t.Run("a decision on stale roles is given up", s.stale)
	t.Run("ten writers", s.race)
	t.Run("notes in the same write", s.notes)
	t.Run("a release is remembered before its canary is there", s.preparing)
	t.Run("a release under way is not forgotten", s.underWay)
	t.Run("a fence gives way to others' weights", s.fenceWeights)
	t.Run("a fence gives way to others' releases", s.fencePosition)
	t.Run("a fence lets other changes pass", s.fenceOther)
	t.Run("watch", s.watch)
	t.Run("foreign fields", s.foreignFields)
	for name, b := range s.besides() {
		t.Run(name+" goes beside the weights", func(t *testing.T) { s.beside(t, b) })
		t.Run(name+" is gone after a rollback", func(t *testing.T) { s.besideRollback(t, b) })
		t.Run(name+" is gone with the canary", func(t *testing.T) { s.besideDismissed(t, b) })
		t.Run(name+" is fenced", func(t *testing.T) { s.besideFenced(t, b) })
	}
}

func (s Suite) find(t *testing.T) {
	f := s.New(t)
	r := f.mustFind(t)
	if r.Stable != "v1" || r.Canary != "" || r.Weights != canary.AllStable() || r.Position != nil {
		t.Errorf("found stable %q, canary %q, weights %s, position %v; want v1 alone with 100/0", r.Stable, r.Canary, r.Weights, r.Position)
	}
	q := f.Query
	q.Route = "no-such-route"
	if _, err := f.Router.Find(t.Context(), q); !errors.Is(err, traffic.ErrNoRoute) {
		t.Errorf("a route of another name: %v, want ErrNoRoute", err)
	}
}

func (s Suite) split(t *testing.T) {
	f := s.New(t)
	r := f.admitted(t)
	for _, w := range []canary.Weights{{Stable: 90, Canary: 10}, {Stable: 0, Canary: 100}, {Stable: 50, Canary: 50}, {Stable: 100, Canary: 0}} {
		var err error
		if r, err = f.Router.Split(t.Context(), r, traffic.Change{Weights: w}, traffic.Write{}); err != nil {
			t.Fatalf("split %s: %v", w, err)
		}
		if found := f.mustFind(t); r.Weights != w || found.Weights != w {
			t.Errorf("after split %s the answer says %s, the route %s", w, r.Weights, found.Weights)
		}
	}
	writes := f.Writes()
	if _, err := f.Router.Split(t.Context(), r, traffic.Change{Weights: r.Weights}, traffic.Write{}); err != nil {
		t.Fatal(err)
	}
	if f.Writes() != writes {
		t.Error("the weights that were set already were written again")
	}
	if _, err := f.Router.Split(t.Context(), r, traffic.Change{Weights: canary.Weights{Stable: 70, Canary: 40}}, traffic.Write{}); !errors.Is(err, canary.ErrWeights) {
		t.Errorf("weights that sum to 110: %v, want ErrWeights", err)
	}
}

func (s Suite) notSplit(t *testing.T) {
	f := s.New(t)
	_, err := f.Router.Split(t.Context(), f.mustFind(t), traffic.Change{Weights: canary.Weights{Stable: 90, Canary: 10}}, traffic.Write{})
	if !errors.Is(err, traffic.ErrNotSplit) {
		t.Errorf("split of a route with one version: %v, want ErrNotSplit", err)
	}
}

func (s Suite) oneWrite(t *testing.T) {
	f := s.New(t)
	r := f.admitted(t)
	p := r.Place().Promoted()
	writes := f.Writes()
	after, err := f.Router.Split(t.Context(), r, traffic.Change{Weights: canary.AllCanary(), Position: &p}, traffic.Write{})
	if err != nil {
		t.Fatal(err)
	}
	if n := f.Writes() - writes; n != 1 {
		t.Errorf("the promotion took %d writes, want 1", n)
	}
	if after.Stable != "v2" || after.Canary != "" || after.Previous() != "v1" || after.Weights != canary.AllStable() {
		t.Errorf("after the promotion: stable %q, canary %q, previous %q, weights %s", after.Stable, after.Canary, after.Previous(), after.Weights)
	}
	if diff := cmp.Diff(&p, f.mustFind(t).Position); diff != "" {
		t.Errorf("position (-want +got):\n%s", diff)
	}
}

func (s Suite) noTrace(t *testing.T) {
	f := s.New(t)
	before := f.Dump()
	r := f.admitted(t)
	if r.Canary != "v2" || r.Weights != canary.AllStable() {
		t.Errorf("admitted: canary %q, weights %s; want v2 with 0", r.Canary, r.Weights)
	}
	f.forget(t, r, "v2")
	if diff := cmp.Diff(before, f.Dump()); diff != "" {
		t.Errorf("the route is not as it was (-before +after):\n%s", diff)
	}
}

// begins has a release begin with its canary: whoever reads the one sees the other.
func (s Suite) begins(t *testing.T) {
	f := s.New(t)
	before := f.mustFind(t)
	release := canary.Begin("r1", "hash", time.Unix(1, 0))
	a := traffic.Admission{Version: "v2", Release: &release, Notes: map[string]string{canary.PlanAnnotation: "{}"}}
	r, err := f.Router.Admit(t.Context(), before, a, traffic.Write{})
	if err != nil {
		t.Fatal(err)
	}
	if r.Canary != "v2" || r.Position == nil || r.Position.Release == nil || r.Notes[canary.PlanAnnotation] != "{}" {
		t.Fatalf("the route does not tell of the release: %+v, %v", r.Position, r.Notes)
	}
	if diff := cmp.Diff(release, *r.Position.Release); diff != "" {
		t.Errorf("the release (-begun +read):\n%s", diff)
	}
	if _, err := f.Router.Admit(t.Context(), before, a, traffic.Write{}); !errors.Is(err, traffic.ErrConflict) {
		t.Errorf("begun again on what the route was before: %v, want ErrConflict", err)
	}
}

func (s Suite) admitTwice(t *testing.T) {
	f := s.New(t)
	before := f.Dump()
	r := f.admitted(t)
	writes := f.Writes()
	again, err := f.Router.Admit(t.Context(), r, traffic.Admission{Version: "v2"}, traffic.Write{})
	if err != nil {
		t.Fatal(err)
	}
	if f.Writes() != writes {
		t.Error("the second Admit wrote something")
	}
	f.forget(t, again, "v2")
	if diff := cmp.Diff(before, f.Dump()); diff != "" {
		t.Errorf("the second Admit forgot what the first had added (-before +after):\n%s", diff)
	}
}

func (s Suite) otherCanary(t *testing.T) {
	f := s.New(t)
	r := f.admitted(t)
	if _, err := f.Router.Admit(t.Context(), r, traffic.Admission{Version: "v3"}, traffic.Write{}); !errors.Is(err, traffic.ErrOtherCanary) {
		t.Errorf("a second canary: %v, want ErrOtherCanary", err)
	}
}

func (s Suite) serving(t *testing.T) {
	f := s.New(t)
	r := f.split(t, f.admitted(t), 99, 1)
	before := f.Dump()
	if _, err := f.Router.Dismiss(t.Context(), r, "v2", traffic.Write{}); !errors.Is(err, traffic.ErrServing) {
		t.Errorf("dismiss a version with weight 1: %v, want ErrServing", err)
	}
	if _, err := f.Router.Dismiss(t.Context(), r, "v1", traffic.Write{}); !errors.Is(err, traffic.ErrServing) {
		t.Errorf("dismiss the stable version: %v, want ErrServing", err)
	}
	if diff := cmp.Diff(before, f.Dump()); diff != "" {
		t.Errorf("a refused Dismiss changed something (-before +after):\n%s", diff)
	}
}

func (s Suite) previous(t *testing.T) {
	f := s.New(t)
	r := f.admitted(t)
	p := r.Place().Promoted()
	r, err := f.Router.Split(t.Context(), r, traffic.Change{Weights: canary.AllCanary(), Position: &p}, traffic.Write{})
	if err != nil {
		t.Fatal(err)
	}
	f.forget(t, r, "v1")
	r = f.mustFind(t)
	if r.Stable != "v2" || r.Canary != "" || r.Previous() != "" {
		t.Errorf("after the retirement of v1: stable %q, canary %q, previous %q; want v2 alone", r.Stable, r.Canary, r.Previous())
	}
}

func (s Suite) dryRun(t *testing.T) {
	for _, mode := range []traffic.DryRun{traffic.DryRunClient, traffic.DryRunServer} {
		t.Run(string(mode), func(t *testing.T) {
			f := s.New(t)
			r := f.admitted(t)
			before := f.Dump()
			var shown []string
			after, err := f.Router.Split(t.Context(), r, traffic.Change{Weights: canary.Weights{Stable: 90, Canary: 10}}, traffic.Write{
				DryRun: mode,
				Show:   func(verb, _, name string, body []byte) { shown = append(shown, verb+" "+name+" "+string(body)) },
			})
			if err != nil {
				t.Fatal(err)
			}
			if want := 1 + len(r.Followers); after.Weights.Canary != 10 || len(shown) != want {
				t.Errorf("it foretells weights %s, and showed %d changes; want 90/10 and %d", after.Weights, len(shown), want)
			}
			if diff := cmp.Diff(before, f.Dump()); diff != "" {
				t.Errorf("a dry run changed something (-before +after):\n%s", diff)
			}
		})
	}
}

func (s Suite) interference(t *testing.T) {
	f := s.New(t)
	r := f.admitted(t)
	f.Interfere()
	if _, err := f.Router.Split(t.Context(), r, traffic.Change{Weights: canary.Weights{Stable: 80, Canary: 20}}, traffic.Write{}); err != nil {
		t.Fatal(err)
	}
	if w := f.mustFind(t).Weights; w.Canary != 20 {
		t.Errorf("weights %s, want 80/20", w)
	}
	if !f.Interfered() {
		t.Error("the other writer's change is lost")
	}
}

func (s Suite) stale(t *testing.T) {
	f := s.New(t)
	old := f.admitted(t)
	p := old.Place().Promoted()
	if _, err := f.Router.Split(t.Context(), old, traffic.Change{Weights: canary.AllCanary(), Position: &p}, traffic.Write{}); err != nil {
		t.Fatal(err)
	}
	before := f.Dump()
	if _, err := f.Router.Split(t.Context(), old, traffic.Change{Weights: canary.Weights{Stable: 90, Canary: 10}}, traffic.Write{}); !errors.Is(err, traffic.ErrConflict) {
		t.Errorf("90/10 decided before a promotion, sent after it: %v, want ErrConflict", err)
	}
	if diff := cmp.Diff(before, f.Dump()); diff != "" {
		t.Errorf("it changed something (-before +after):\n%s", diff)
	}
}

// race lets ten writers set ten different splits at once. All must succeed, the
// last must be in the route, and somebody else's field must survive.
func (s Suite) race(t *testing.T) {
	f := s.New(t)
	r := f.admitted(t)
	const writers = 10
	errs := make([]error, writers)
	var wg sync.WaitGroup
	wg.Go(f.Interfere)
	for i := range writers {
		wg.Go(func() {
			w := canary.ToCanary(canary.Percent(5 * (i + 1)))
			_, errs[i] = f.Router.Split(t.Context(), r, traffic.Change{Weights: w}, traffic.Write{})
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Errorf("of ten writers some failed: %v", err)
	}
	w := f.mustFind(t).Weights
	if w.Validate() != nil || int(w.Canary)%5 != 0 || w.Canary < 5 || w.Canary > 50 {
		t.Errorf("weights %s are none that a writer set", w)
	}
	if !f.Interfered() {
		t.Error("another writer's field is lost")
	}
}
