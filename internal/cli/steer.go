package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

// A release is steered by what its route says. Whoever drives it watches the
// route, so a command needs to reach the API server alone, and it is the same
// whether something drives it or nothing does.

var (
	// errNoRelease marks a command about a release where there is none to steer.
	errNoRelease = errors.New("no release is in progress")
	// errInTheWay marks what cannot be done by hand while there is one.
	errInTheWay = errors.New("a release is in progress")
)

// lastRelease is the release that a route is in, or how its last one ended; nil for
// none. It is the position's also where somebody has since changed who is on
// trial: the release is in progress all the same.
func lastRelease(route traffic.Route) *canary.Release {
	if route.Position == nil || route.Position.Release == nil {
		return nil
	}
	r := *route.Position.Release
	return &r
}

// running is the release that a route is in; nil where there is none, or where it
// is over.
func running(route traffic.Route) *canary.Release {
	if r := lastRelease(route); r != nil && !r.Phase.Over() {
		return r
	}
	return nil
}

// inProgress is running, or the error that says what there is instead.
func inProgress(route traffic.Route) (*canary.Release, error) {
	r := lastRelease(route)
	switch {
	case r == nil:
		return nil, hint.Wrap(fmt.Errorf("%s: %w", route, errNoRelease),
			"canaryctl release --image IMAGE begins one; canaryctl status shows what there is")
	case r.Phase.Over():
		return nil, hint.Wrap(fmt.Errorf("%s: %w: the last one, %s, is over: %s", route, errNoRelease, r.ID, ended(*r)),
			"canaryctl history tells how it went; canaryctl release --image IMAGE begins another")
	}
	return r, nil
}

// ended says how a release that is over ended.
func ended(r canary.Release) string {
	text := "rolled back"
	if r.Phase == canary.Promoted {
		text = "promoted"
	}
	if r.Basis != "" {
		text += ", " + string(r.Basis)
	}
	if r.Why != "" {
		text += ": " + clause(r.Why)
	}
	return text
}

// clause is a reason inside a longer sentence: those of the evidence are sentences.
func clause(why string) string { return strings.TrimSuffix(why, ".") }

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

// standing is the position of a route with another state of its release.
func standing(route traffic.Route, r canary.Release) *canary.Position {
	place := route.Place()
	place.Release = &r
	return &place
}

// steering writes a release's new state alone, as long as nobody else changed what
// it was decided on.
func steering(route traffic.Route, r canary.Release) *traffic.Change {
	return &traffic.Change{Position: standing(route, r), Fence: true}
}

// givenBack is the one write that ends the release of a route, if it is in one,
// with all traffic at stable: weights, position, history, what leads to the canary
// beside the weights. It reads nothing but the route, and not the plan: it must
// work with everything else broken.
func givenBack(route traffic.Route, why string, now time.Time) traffic.Change {
	c := traffic.Change{Weights: canary.AllStable()}
	r := running(route)
	if r == nil {
		return c
	}
	back := r.Back(why, now)
	c.Position = standing(route, back)
	c.Beside = &traffic.Beside{}
	c.Notes = remembered(route, back.End(route.Stable, route.Canary))
	return c
}

// remembered are the route's notes once a release is over: it is in the history,
// and nobody needs its plan any more.
func remembered(route traffic.Route, e canary.Ended) map[string]string {
	history := canary.ParseHistory(route.Notes[canary.HistoryAnnotation])
	return map[string]string{
		canary.HistoryAnnotation: history.With(e).Encode(),
		canary.PlanAnnotation:    "",
	}
}

// planOf is what the release of a route follows.
func planOf(route traffic.Route) (canary.Plan, error) {
	document, err := documentOf(route)
	return document.Plan(), err
}

// giveBack makes a change that gives all to stable. Where the canary is not in the
// route yet it has nothing that could be taken, and what is remembered is all there
// is to change.
func giveBack(ctx context.Context, router traffic.Router, route traffic.Route, c traffic.Change, w traffic.Write) (traffic.Route, error) {
	after, err := router.Split(ctx, route, c, w)
	unsplit := errors.Is(err, traffic.ErrNotSplit) && route.Weights == canary.AllStable()
	switch {
	case !unsplit:
		return after, err
	case c.Position == nil:
		route.Pinned = append(slices.Clone(route.Pinned), after.Pinned...)
		return route, nil
	}
	elsewhere := after.Pinned
	after, err = router.Remember(ctx, route, c, w)
	after.Pinned = append(after.Pinned, elsewhere...)
	return after, err
}

// decision is what a command makes of a route: what it shall remember, or nil where
// nothing is to be done.
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
