package release

import (
	"errors"
	"maps"
	"strconv"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/canaryctl/canaryctl/internal/analysis"
	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

// seeRoute takes what a watch tells of the route.
func (e *Engine) seeRoute(s traffic.Sight) {
	if e.gone = s.Err; s.Err != nil {
		if errors.Is(s.Err, traffic.ErrNoRoute) {
			e.warnOnce("the route is gone", s.Err)
		}
		return
	}
	e.watched = true
	if s.Route.Subsets != "" {
		e.subsets, e.subsetsBy = s.Route.Subsets, s.Route.SubsetsBy
	}
	if !older(s.Route.Version, e.route.Version) {
		e.take(s.Route, "")
	}
}

// take makes a route the present one, and tells what that changed of the release,
// whoever did it: the engine, a person, or another command.
func (e *Engine) take(r traffic.Route, why string) {
	before, weight := e.now(), e.route.Weights.Canary
	e.route = r
	if !mine(r, before.ID) {
		e.takeEnd(r, before)
		return
	}
	e.place = *r.Position
	for name, text := range r.Notes {
		e.note(name, text)
	}
	if e.route.Weights.Canary != weight {
		e.expect()
	}
	if before.Phase == canary.Paused && e.now().Phase == canary.Promoting {
		e.rolled, e.refused, e.followed = false, false, false // whoever resumed it wants it rolled, whatever it has now
	}
	e.tellChange(before, e.now(), why)
}

// takeEnd looks whether the release ended while nobody looked: a person aborts it,
// and by the time that is told the canary and the position are gone too. Only the
// history tells it from a route that somebody wrote over.
func (e *Engine) takeEnd(r traffic.Route, before canary.Release) {
	for _, past := range canary.ParseHistory(r.Notes[canary.HistoryAnnotation]) {
		if past.ID != before.ID || before.Phase.Over() {
			continue
		}
		after := before.Back(past.Why, past.Ended)
		if past.Outcome == canary.Promoted {
			after = before.Done(past.Basis, r.Weights.Canary, past.Why, past.Ended)
		}
		e.place.Release = &after
		e.tellChange(before, after, "")
		return
	}
}

// note keeps what the route remembers besides the position, in case somebody takes
// it off.
func (e *Engine) note(name, text string) {
	if e.notes == nil {
		e.notes = map[string]string{}
	}
	if text != "" {
		e.notes[name] = text
	}
}

// whole is a change with what the route has lost of its notes: without the plan,
// nobody could go on from it.
func (e *Engine) whole(c traffic.Change) traffic.Change {
	notes := maps.Clone(c.Notes)
	for name, text := range e.notes {
		if _, set := notes[name]; set || e.route.Notes[name] != "" {
			continue
		}
		if notes == nil {
			notes = map[string]string{}
		}
		notes[name] = text
	}
	c.Notes = notes
	return c
}

// expect lets the analysis know which share of the requests the canary is to get.
func (e *Engine) expect() {
	_ = e.evidence.analysis.Expect(analysis.Expectation{Share: e.route.Weights.Canary.Fraction(), Unsplit: e.route.Unsplit, From: e.c.Clock.Now()}) // of 0 to 100: a share
}

// older reports whether one resourceVersion was written before another. They are
// numbers that grow, and may be compared as such
// (https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions).
// What is no number is not older: it is taken as it comes.
func older(a, b string) bool {
	x, errX := strconv.ParseUint(a, 10, 64)
	y, errY := strconv.ParseUint(b, 10, 64)
	return errX == nil && errY == nil && x < y
}

// lasting reports whether an error of the API server will be the same the next
// time: nothing that waiting mends.
func lasting(err error) bool {
	return apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) || apierrors.IsInvalid(err) || apierrors.IsBadRequest(err) ||
		errors.Is(err, traffic.ErrForeign) || errors.Is(err, traffic.ErrNotInstalled)
}

// again reports whether preparing failed in a way that may pass.
func again(err error) bool { return err != nil && !errors.Is(err, ErrBroken) }
