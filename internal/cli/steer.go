package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/status"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

// at says where a release stands: "step 2 of 3, progressing".
func at(r canary.Release, steps int) string {
	where := "before its first step"
	switch {
	case r.Rolling():
		where = "in its promotion"
	case r.Step >= 0 && steps > 0:
		where = fmt.Sprintf("at step %d of %d", r.Step+1, steps)
	case r.Step >= 0:
		where = fmt.Sprintf("at step %d", r.Step+1)
	}
	return where
}

// planOf is what the release of a route follows.
func planOf(route traffic.Route) (canary.Plan, error) {
	document, err := status.PlanOf(route)
	return document.Plan(), err
}

// decision is what a command makes of a route (see package steer): what it shall
// remember, or nil where nothing is to be done.
type decision func(traffic.Route) (*traffic.Change, error)

// decided is what a decision led to.
type decided struct {
	router        traffic.Router
	before, after traffic.Route
	changed       bool
}

// steer reads the route, decides, and writes, all in two requests where the route
// is named. Where somebody was faster, it reads and decides anew: what was to be
// done depends on where the release stands.
func (t target) steer(ctx context.Context, m *mutation, decide decision) (decided, error) {
	const tries = 5
	for n := 1; ; n++ {
		router, route, err := t.find(ctx, m.f, true)
		if err != nil {
			return decided{}, err
		}
		d := decided{router: router, before: route, after: route}
		change, err := decide(route)
		if change == nil || err != nil {
			return d, err
		}
		d.after, err = router.Remember(ctx, route, *change, m.write())
		d.changed = err == nil
		if n == tries || !errors.Is(err, traffic.ErrConflict) {
			return d, err
		}
	}
}
