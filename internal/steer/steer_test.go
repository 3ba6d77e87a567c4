package steer_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/steer"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// at is a route in a release of v2 over v1 that has come to a phase.
func at(phase canary.Phase, changes ...func(*canary.Release)) traffic.Route {
	r := canary.Release{ID: "r1", Plan: "p", Phase: phase, Step: 1, Weight: 20, Started: now.Add(-time.Hour), Since: now.Add(-time.Minute)}
	if phase == canary.Paused {
		r.Paused, r.Cause = now, canary.CausePerson
	}
	for _, change := range changes {
		change(&r)
	}
	return traffic.Route{
		Kind: "VirtualService", Namespace: "shop", Name: "shop", App: "shop", Stable: "v1", Canary: "v2", Weights: canary.ToCanary(20),
		Position: &canary.Position{App: "shop", Stable: "v1", Canary: "v2", Release: &r},
		Notes:    map[string]string{canary.PlanAnnotation: "{}", canary.HistoryAnnotation: `[{"id":"r0","outcome":"promoted","from":"v0","to":"v1"}]`},
	}
}

func TestOrders(t *testing.T) {
	wished := func(w canary.Wish) func(*canary.Release) { return func(r *canary.Release) { r.Wish = w } }
	plan := canary.Plan{Steps: []canary.Step{{Weight: 10}, {Weight: 20}}}
	pause := func(r traffic.Route) (*traffic.Change, error) { return steer.Pause(r, "bob asked for it", now) }
	resume := func(r traffic.Route) (*traffic.Change, error) { return steer.Resume(r, plan, now) }
	skip := func(r traffic.Route) (*traffic.Change, error) { return steer.Ask(r, canary.WishSkip) }
	promote := func(r traffic.Route) (*traffic.Change, error) { return steer.Ask(r, canary.WishPromote) }
	for name, test := range map[string]struct {
		route traffic.Route
		order func(traffic.Route) (*traffic.Change, error)
		want  func(canary.Release) bool // nil: nothing is written
		err   error
	}{
		"pause":                       {at(canary.Progressing), pause, func(r canary.Release) bool { return r.Phase == canary.Paused && r.Why == "bob asked for it" }, nil},
		"pause what is paused":        {at(canary.Paused), pause, nil, nil},
		"pause what is over":          {at(canary.RolledBack), pause, nil, steer.ErrNoRelease},
		"pause nothing":               {traffic.Route{}, pause, nil, steer.ErrNoRelease},
		"resume":                      {at(canary.Paused), resume, func(r canary.Release) bool { return r.Phase == canary.Progressing && r.Resumed.Equal(now) }, nil},
		"resume what goes on":         {at(canary.Progressing), resume, nil, nil},
		"resume what was asked to":    {at(canary.Paused, wished(canary.WishSkip)), resume, nil, nil},
		"resume what is promoted":     {at(canary.Promoted), resume, nil, steer.ErrNoRelease},
		"skip a step":                 {at(canary.Progressing), skip, func(r canary.Release) bool { return r.Wish == canary.WishSkip && r.Phase == canary.Progressing }, nil},
		"skip a step of a paused one": {at(canary.Paused), skip, func(r canary.Release) bool { return r.Wish == canary.WishSkip && r.Phase == canary.Paused }, nil},
		"skip twice":                  {at(canary.Progressing, wished(canary.WishSkip)), skip, nil, nil},
		"skip when promoted":          {at(canary.Promoted), skip, nil, steer.ErrNoRelease},
		"promote after skip":          {at(canary.Progressing, wished(canary.WishSkip)), promote, func(r canary.Release) bool { return r.Wish == canary.WishPromote }, nil},
		"promote what is being":       {at(canary.Promoting), promote, nil, nil},
		"promote what is":             {at(canary.Promoted), promote, nil, nil},
		"promote what is rolled back": {at(canary.RolledBack), promote, nil, steer.ErrNoRelease},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := test.order(test.route)
			if !errors.Is(err, test.err) || test.err == nil && err != nil {
				t.Fatalf("the error is %v, want %v", err, test.err)
			}
			switch {
			case test.want == nil:
				if c != nil {
					t.Errorf("it writes %+v", c.Position.Release)
				}
			case c == nil || !test.want(*c.Position.Release):
				t.Errorf("it writes %+v", c)
			case !c.Fence || c.Notes != nil || c.Position.Stable != "v1" || c.Position.Canary != "v2":
				t.Errorf("it changes more than the release: %+v", c)
			}
		})
	}
}

// Whoever ends a release, and from wherever: nothing but the version that is stable
// from then on has traffic, position and history say the same, and the end of another
// release is remembered still.
func TestEnds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		route := at(rapid.SampledFrom([]canary.Phase{canary.Preparing, canary.Progressing, canary.Paused, canary.Promoting}).Draw(t, "phase"))
		r := *steer.Running(route)
		var after canary.Release
		keep := rapid.Bool().Draw(t, "something is left to remove")
		switch end := rapid.SampledFrom([]string{"rolled back", "switched", "in place"}).Draw(t, "end"); end {
		case "rolled back":
			after = r.Back("it harms", now)
			if rapid.Bool().Draw(t, "somebody took the canary out") {
				route.Canary, route.Weights = "", canary.AllStable()
			}
		case "switched":
			after = r.Done(canary.Proved, canary.Total, "", now)
		case "in place":
			after = r.Done(canary.Proved, 0, "", now)
		}
		c := steer.End(route, after, steer.Ending{Requests: 1000, Errors: 7, KeepPlan: keep})

		stable := map[canary.Weights]string{canary.AllStable(): route.Stable, canary.AllCanary(): route.Canary}[c.Weights]
		if c.Position.Stable != stable {
			t.Fatalf("%s is stable, and the weights are %v", c.Position.Stable, c.Weights)
		}
		if switched := after.Phase == canary.Promoted && after.Weight > 0; switched != (c.Position.Previous == route.Stable) {
			t.Fatalf("after %s the previous version is %q", after.Phase, c.Position.Previous)
		}
		if *c.Position.Release != after || c.Beside == nil || *c.Beside != (traffic.Beside{}) || c.Fence != (after.Phase == canary.Promoted) {
			t.Fatalf("the change is %+v", c)
		}
		if _, dropped := c.Notes[canary.PlanAnnotation]; dropped == keep {
			t.Fatalf("the notes are %v", c.Notes)
		}
		history := canary.ParseHistory(c.Notes[canary.HistoryAnnotation])
		if len(history) != 2 || history[0].Outcome != after.Phase || history[0].Requests != 1000 || history[0].Errors != 7 || history[1].ID != "r0" {
			t.Fatalf("the history is %+v", history)
		}
	})
}

// A promotion that is taken back leaves nothing of it but two ends in the history.
func TestReturn(t *testing.T) {
	route := at(canary.Progressing)
	c := steer.Switch(route, "bob asked for it", now)
	if c.Weights != canary.AllCanary() || c.Position.Stable != "v2" || c.Position.Previous != "v1" {
		t.Fatalf("the promotion is %+v", c)
	}
	route.Stable, route.Canary, route.Position, route.Notes = "v2", "", c.Position, c.Notes
	c = steer.Return(route, "late harm", now.Add(time.Hour))
	if c.Weights != canary.AllCanary() || c.Position.Stable != "v1" || c.Position.Canary != "v2" || c.Position.Release.Phase != canary.RolledBack {
		t.Fatalf("the return is %+v", c)
	}
	history := canary.ParseHistory(c.Notes[canary.HistoryAnnotation])
	if len(history) != 3 || history[0].Outcome != canary.RolledBack || history[0].Why != "late harm" || history[1].Outcome != canary.Promoted {
		t.Errorf("the history is %+v", history)
	}
}

// notSplit is a router whose route names stable alone.
type notSplit struct {
	traffic.Router
	remembered *traffic.Change
}

func (r *notSplit) Split(_ context.Context, route traffic.Route, _ traffic.Change, _ traffic.Write) (traffic.Route, error) {
	route.Pinned = []string{"testers"}
	return route, traffic.ErrNotSplit
}

func (r *notSplit) Remember(_ context.Context, route traffic.Route, c traffic.Change, _ traffic.Write) (traffic.Route, error) {
	r.remembered = &c
	return route, nil
}

// A rollback of a canary that is in no rule is remembered; where it has traffic that no
// weight takes away, that is an error.
func TestApplyWithoutASplit(t *testing.T) {
	route := at(canary.Progressing)
	route.Weights = canary.AllStable()
	router := &notSplit{}
	after, err := steer.Apply(t.Context(), router, route, steer.RollBack(route, "", now), traffic.Write{})
	if err != nil || router.remembered == nil || len(after.Pinned) != 1 {
		t.Errorf("the route is %+v, %v", after, err)
	}
	for name, change := range map[string]func(){
		"it has traffic all the same": func() { route.Weights = canary.AllCanary() },
		"it shall have some":          func() { route = at(canary.Preparing) },
	} {
		change()
		*router = notSplit{}
		c := steer.RollBack(route, "", now)
		if name == "it shall have some" {
			c.Weights = canary.ToCanary(10)
		}
		if _, err := steer.Apply(t.Context(), router, route, c, traffic.Write{}); !errors.Is(err, traffic.ErrNotSplit) || router.remembered != nil {
			t.Errorf("%s: the error is %v, and it remembers %v", name, err, router.remembered)
		}
	}
}
