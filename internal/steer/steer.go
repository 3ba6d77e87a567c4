// Package steer makes of what a person asks of a release the one write of its route
// that says so. It is pure: a route as it was read comes in, a change goes out, and
// whoever drives the release sees it in the route. A terminal, a pipeline and a
// dashboard ask the same, and it is the same whether something drives it or not.
package steer

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

var (
	// ErrNoRelease marks an order about a release where none is in progress.
	ErrNoRelease = errors.New("no release is in progress")
	// ErrInProgress marks what cannot be done by hand while one is.
	ErrInProgress = errors.New("a release is in progress")
	// ErrRolling marks what cannot be taken back any more.
	ErrRolling = errors.New("the stable Deployment is being rolled to the new version")
)

// Last is the release that a route is in, or how its last one ended; nil for none. It
// is the position's also where somebody has since changed who is on trial: the
// release is in progress all the same.
func Last(route traffic.Route) *canary.Release {
	if route.Position == nil || route.Position.Release == nil {
		return nil
	}
	r := *route.Position.Release
	return &r
}

// Running is the release that a route is in; nil where there is none, or where it
// is over.
func Running(route traffic.Route) *canary.Release {
	if r := Last(route); r != nil && !r.Phase.Over() {
		return r
	}
	return nil
}

// InProgress is Running, or an ErrNoRelease that says what there is instead.
func InProgress(route traffic.Route) (*canary.Release, error) {
	r := Last(route)
	switch {
	case r == nil:
		return nil, hint.Wrap(fmt.Errorf("%s: %w", route, ErrNoRelease),
			"canaryctl release --image IMAGE begins one; canaryctl status shows what there is")
	case r.Phase.Over():
		return nil, hint.Wrap(fmt.Errorf("%s: %w: the last one, %s, is over: %s", route, ErrNoRelease, r.ID, Outcome(*r)),
			"canaryctl history tells how it went; canaryctl release --image IMAGE begins another")
	}
	return r, nil
}

// Outcome says how a release that is over ended: "promoted, proved: …".
func Outcome(r canary.Release) string {
	text := "rolled back"
	if r.Phase == canary.Promoted {
		text = "promoted"
	}
	if r.Basis != "" {
		text += ", " + string(r.Basis)
	}
	if r.Why != "" {
		text += ": " + strings.TrimSuffix(r.Why, ".") // those of the evidence are sentences
	}
	return text
}

// Unfinished reports whether a release is promoted and its plan leaves something to
// remove, which is why the route still carries that plan.
func Unfinished(route traffic.Route) bool {
	r := Last(route)
	return r != nil && r.Phase == canary.Promoted && route.Notes[canary.PlanAnnotation] != ""
}

// Pause stops the release of a route where it is; nil where it is paused already.
func Pause(route traffic.Route, why string, now time.Time) (*traffic.Change, error) {
	r, err := InProgress(route)
	if err != nil || r.Phase == canary.Paused {
		return nil, err
	}
	return update(route, r.PausedFor(canary.CausePerson, why, now)), nil
}

// Resume lets a paused release go on by its plan, from the weights that the route has;
// nil where there is nothing to write: it is not paused, or was asked to go on already.
func Resume(route traffic.Route, plan canary.Plan, now time.Time) (*traffic.Change, error) {
	r, err := InProgress(route)
	if err != nil || r.Phase != canary.Paused || r.Wish != "" {
		return nil, err
	}
	return update(route, r.Again(plan, route.Weights, now)), nil
}

// Ask asks the release of a route to go on, a step or to its end; nil where it was
// asked that already, is being promoted, or, to its end, is promoted.
func Ask(route traffic.Route, wish canary.Wish) (*traffic.Change, error) {
	if r := Last(route); r != nil && r.Phase == canary.Promoted && wish == canary.WishPromote {
		return nil, nil // it was, between two looks: that is what was asked for
	}
	r, err := InProgress(route)
	if err != nil || r.Wish == wish || r.Phase == canary.Promoting {
		return nil, err
	}
	return update(route, r.Wished(wish)), nil
}

// update writes a release's new state alone, as long as nobody else changed what it
// was decided on.
func update(route traffic.Route, r canary.Release) *traffic.Change {
	return &traffic.Change{Position: holding(route, r), Fence: true}
}

// holding is the position of a route with another state of its release.
func holding(route traffic.Route, r canary.Release) *canary.Position {
	position := route.Place()
	position.Release = &r
	return &position
}
