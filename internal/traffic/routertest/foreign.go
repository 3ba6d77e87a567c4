package routertest

import (
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

// Foreign is what somebody else has in the objects of a fixture, and does to them.
type Foreign struct {
	// Edits change something that is not the router's, by a name; n tells one value
	// from another. They do the same to objects that no router ever wrote.
	Edits map[string]func(n int)
	// Dump is the fixture's, without what is the router's: as it would be, had there
	// never been a canary. Of weights it has the shares that are not between versions.
	Dump func() string
	// Sums are what the weights of the rules sum to.
	Sums func() []int
}

// foreignFields plays releases, a hundred of them with ten operations each, some of
// which are none that may be done, among edits of somebody else. Those are done to
// objects of their own as well, which no router writes: what is not the router's is ever
// the same in both, and all of it once the canary is gone.
func (s Suite) foreignFields(t *testing.T) {
	if s.New(t).Foreign == nil {
		t.Skip("the fixture has nobody else's edits")
	}
	rapid.Check(t, func(p *rapid.T) {
		tb := check{t, p}
		g := &game{Fixture: s.New(tb), alone: s.New(tb), t: tb, p: p, beside: s.ways()}
		g.theirs, g.first = g.alone.Foreign.Dump(), g.Foreign.Sums()
		for range 10 {
			g.operation()
		}
		g.undo()
	})
}

// ways are those to lead to the canary besides the weights, in an order that stays.
func (s Suite) ways() (all []traffic.Beside) {
	besides := s.besides()
	for _, name := range slices.Sorted(maps.Keys(besides)) {
		all = append(all, besides[name])
	}
	return all
}

// check is one run of a property: what it opened is closed when it ends.
type check struct {
	testing.TB
	p *rapid.T
}

func (c check) Cleanup(f func()) { c.p.Cleanup(f) }

// game is one release.
type game struct {
	Fixture
	alone  Fixture // which somebody else edits alone
	t      testing.TB
	p      *rapid.T
	beside []traffic.Beside
	theirs string        // what somebody else's fields are, as they left them
	first  []int         // the sums of the weights
	found  traffic.Route // as some operation before found it
}

// operation does one thing to the route, on what is known of it now or was before.
func (g *game) operation() {
	for range rapid.IntRange(0, 2).Draw(g.p, "edits") {
		g.edit()
	}
	route := g.find()
	before, sums, version := g.Dump(), g.Foreign.Sums(), route.Version
	if g.found.Name != "" && rapid.IntRange(0, 4).Draw(g.p, "stale") == 0 {
		route = g.found
	}
	g.found = route
	name := rapid.SampledFrom(slices.Sorted(maps.Keys(g.operations()))).Draw(g.p, "operation")
	if route.Canary == "" && rapid.Bool().Draw(g.p, "begin") {
		name = "admit"
	}
	fine, err := g.operations()[name](route)
	// What a canary's Pods are found by is there before the route is written, and is not
	// taken back where that is refused: by then it may be somebody else's canary's.
	if err != nil && (name != "admit" || g.find().Version != version) {
		if after := g.Dump(); after != before {
			g.p.Fatalf("%s was refused (%v) and changed something (-before +after):\n%s", name, err, cmp.Diff(before, after))
		}
	}
	g.wantForeign(name)
	for i, sum := range g.Foreign.Sums() {
		if !fine && sum != sums[i] && sum != g.first[i] {
			g.p.Fatalf("%s: the weights of rule %d sum to %d, and did to %d, at first to %d", name, i, sum, sums[i], g.first[i])
		}
	}
}

// edit is somebody else's.
func (g *game) edit() {
	name := rapid.SampledFrom(slices.Sorted(maps.Keys(g.Foreign.Edits))).Draw(g.p, "edit")
	n := rapid.IntRange(0, 3).Draw(g.p, "n")
	g.Foreign.Edits[name](n)
	g.alone.Foreign.Edits[name](n)
	g.theirs = g.alone.Foreign.Dump()
}

func (g *game) wantForeign(after string) {
	if found := g.Foreign.Dump(); found != g.theirs {
		g.p.Fatalf("after %s somebody else's fields are not as they left them (-theirs +found):\n%s", after, cmp.Diff(g.theirs, found))
	}
}

func (g *game) find() traffic.Route {
	r, err := g.Router.Find(g.t.Context(), g.Query)
	if err != nil {
		g.p.Fatalf("find: %v", err)
	}
	return r
}

// operations are all of a router's, and somebody else's writes of the weights. Each
// reports whether whole numbers may not do for the weights that it set.
func (g *game) operations() map[string]func(traffic.Route) (fine bool, err error) {
	ctx, p, router := g.t.Context(), g.p, g.Router
	version := func() string { return rapid.SampledFrom([]string{"v1", "v2", "v2", "v3"}).Draw(p, "version") }
	split := func(r traffic.Route, c traffic.Change, w traffic.Write) (bool, error) {
		c.Fence = rapid.Bool().Draw(p, "fence")
		_, err := router.Split(ctx, r, c, w)
		return false, err
	}
	coarse := func() canary.Weights {
		return canary.ToCanary(canary.Percent(5 * rapid.IntRange(0, 20).Draw(p, "twentieths")))
	}
	return map[string]func(traffic.Route) (bool, error){
		"admit": func(r traffic.Route) (bool, error) {
			a := traffic.Admission{Version: version()}
			if rapid.Bool().Draw(p, "release") {
				release := canary.Begin("r1", "hash", time.Unix(1, 0))
				a.Release, a.Notes = &release, map[string]string{canary.PlanAnnotation: "{}"}
			}
			_, err := router.Admit(ctx, r, a, traffic.Write{})
			return false, err
		},
		"split": func(r traffic.Route) (bool, error) {
			return split(r, traffic.Change{Weights: coarse()}, traffic.Write{})
		},
		"split finely": func(r traffic.Route) (bool, error) {
			tenths := rapid.IntRange(0, 1000).Draw(p, "tenths")
			_, err := split(r, traffic.Change{Weights: canary.ToCanary(canary.Percent(tenths) / 10)}, traffic.Write{})
			return true, err
		},
		"split wrongly": func(r traffic.Route) (bool, error) {
			_, err := split(r, traffic.Change{Weights: canary.Weights{Stable: 70, Canary: 40}}, traffic.Write{})
			if !errors.Is(err, canary.ErrWeights) {
				p.Fatalf("weights that sum to 110: %v, want ErrWeights", err)
			}
			return false, err
		},
		"lead": func(r traffic.Route) (bool, error) {
			var b traffic.Beside
			if len(g.beside) > 0 {
				b = rapid.SampledFrom(g.beside).Draw(p, "beside")
			}
			return split(r, traffic.Change{Weights: coarse(), Beside: &b}, traffic.Write{})
		},
		"foretell": func(r traffic.Route) (bool, error) {
			before := g.Dump()
			mode := rapid.SampledFrom([]traffic.DryRun{traffic.DryRunClient, traffic.DryRunServer}).Draw(p, "dry run")
			_, err := split(r, traffic.Change{Weights: coarse()}, traffic.Write{DryRun: mode})
			if diff := cmp.Diff(before, g.Dump()); diff != "" {
				p.Fatalf("a dry run changed something (-before +after):\n%s", diff)
			}
			return false, err
		},
		"promote, and undo it": func(r traffic.Route) (bool, error) { return false, g.promoteAndUndo(r) },
		"remember": func(r traffic.Route) (bool, error) {
			phase := rapid.SampledFrom([]canary.Phase{canary.Preparing, canary.Paused, canary.RolledBack}).Draw(p, "phase")
			c := traffic.Change{Position: under(r.Place(), phase), Fence: rapid.Bool().Draw(p, "fence")}
			c.Notes = map[string]string{canary.HistoryAnnotation: rapid.SampledFrom([]string{"", "[]"}).Draw(p, "history")}
			_, err := router.Remember(ctx, r, c, traffic.Write{})
			return false, err
		},
		"withdraw": func(r traffic.Route) (bool, error) {
			_, err := router.Withdraw(ctx, r, version(), traffic.Write{})
			return false, err
		},
		"dismiss": func(r traffic.Route) (bool, error) {
			_, err := router.Dismiss(ctx, r, version(), traffic.Write{})
			return false, err
		},
		"overrule": func(traffic.Route) (bool, error) {
			if r := g.find(); r.Canary != "" {
				g.Overrule(40, 60)
			}
			return false, nil
		},
	}
}

// promoteAndUndo makes the canary the stable version, and goes back over that.
func (g *game) promoteAndUndo(r traffic.Route) error {
	if r.Canary == "" {
		return nil
	}
	p := r.Place().Promoted()
	r, err := g.Router.Split(g.t.Context(), r, traffic.Change{Weights: canary.AllCanary(), Position: &p}, traffic.Write{})
	if err != nil {
		return err
	}
	g.wantForeign("the promotion")
	g.edit()
	p = r.Place().Restored()
	r.Canary = r.Previous()
	if _, err = g.Router.Split(g.t.Context(), r, traffic.Change{Weights: canary.AllCanary(), Position: &p}, traffic.Write{}); err != nil {
		g.p.Fatalf("undo the promotion: %v", err)
	}
	return nil
}

// undo takes the canary out, whatever it has: nothing of it is left.
func (g *game) undo() {
	ctx, r := g.t.Context(), g.find()
	if r.Canary != "" {
		if _, err := g.Router.Split(ctx, r, traffic.Change{Weights: canary.AllStable()}, traffic.Write{}); err != nil && !errors.Is(err, traffic.ErrNotSplit) {
			g.p.Fatalf("roll back: %v", err)
		}
	}
	for _, version := range []string{"v2", "v3"} {
		r, err := g.Router.Dismiss(ctx, g.find(), version, traffic.Write{})
		if err != nil {
			g.p.Fatalf("dismiss %s: %v", version, err)
		}
		position := r.Place().Without(version)
		position.Release = nil
		c := traffic.Change{Position: &position, Notes: map[string]string{canary.PlanAnnotation: "", canary.HistoryAnnotation: ""}}
		if _, err := g.Router.Remember(ctx, r, c, traffic.Write{}); err != nil {
			g.p.Fatalf("forget %s: %v", version, err)
		}
	}
	if diff := cmp.Diff(g.alone.Dump(), g.Dump()); diff != "" {
		g.p.Fatalf("the objects are not as they would be without the router (-without +with):\n%s", diff)
	}
}
