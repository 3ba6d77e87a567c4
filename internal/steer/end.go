package steer

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

// Ending is what is known of a release at its end, besides its own state.
type Ending struct {
	Requests, Errors uint64 // that the canary answered; 0 where nobody counted
	KeepPlan         bool   // something is left to remove by the plan
}

// End is the write that ends a release as after says, whoever ends it: all traffic to
// the version that is stable from then on, with the position and the history that say
// so, and nothing besides the weights that leads to the canary. It reads the route
// alone, and not the plan: a rollback must work with everything else broken. A promotion
// is fenced; a rollback is not, for it is right whatever else was changed.
func End(route traffic.Route, after canary.Release, known Ending) traffic.Change {
	ended := after.End(route.Stable, route.Canary)
	ended.Requests, ended.Errors = known.Requests, known.Errors
	c := traffic.Change{
		Weights: canary.AllStable(), Position: holding(route, after), Beside: &traffic.Beside{},
		Fence: after.Phase == canary.Promoted, Notes: remembering(route, ended, known.KeepPlan),
	}
	if after.Phase == canary.Promoted && after.Weight > 0 { // by a switch, and not in place
		promoted := route.Place().Promoted()
		promoted.Release = &after
		c.Weights, c.Position = canary.AllCanary(), &promoted
	}
	return c
}

// remembering are the notes of a route whose release is over.
func remembering(route traffic.Route, e canary.Ended, keepPlan bool) map[string]string {
	history := canary.ParseHistory(route.Notes[canary.HistoryAnnotation])
	notes := map[string]string{canary.HistoryAnnotation: history.With(e).Encode()}
	if !keepPlan {
		notes[canary.PlanAnnotation] = ""
	}
	return notes
}

// RollBack gives all traffic to the stable version, and ends the release if there is one.
func RollBack(route traffic.Route, why string, now time.Time) traffic.Change {
	if r := Running(route); r != nil {
		return End(route, r.Back(why, now), Ending{})
	}
	return traffic.Change{Weights: canary.AllStable()}
}

// Switch gives all traffic to the canary, which is the stable version from then on, and
// ends the release if there is one.
func Switch(route traffic.Route, why string, now time.Time) traffic.Change {
	if r := Running(route); r != nil {
		return End(route, r.Done(canary.ByHand, canary.Total, why, now), Ending{})
	}
	promoted := route.Place().Promoted()
	return traffic.Change{Weights: canary.AllCanary(), Position: &promoted}
}

// Return goes back over a promotion to the version before. Where a release made it, that
// ends once more, otherwise. The change is one of a route whose canary is the previous
// version.
func Return(route traffic.Route, why string, now time.Time) traffic.Change {
	restored := route.Place().Restored()
	c := traffic.Change{Weights: canary.AllCanary(), Position: &restored}
	history := canary.ParseHistory(route.Notes[canary.HistoryAnnotation])
	i := slices.IndexFunc(history, func(e canary.Ended) bool { return e.From == restored.Stable && e.To == restored.Canary })
	if i < 0 || history[i].Outcome != canary.Promoted {
		return c
	}
	again := history[i]
	again.Outcome, again.Basis, again.Why, again.Ended = canary.RolledBack, "", why, now.UTC()
	c.Notes = remembering(route, again, false)
	if r := Last(route); r != nil && r.ID == again.ID {
		back := r.Back(why, now)
		restored.Release = &back
	}
	return c
}

// Apply makes a change of the weights. Where all traffic is to go to stable and the canary
// is not in the route, or no more, it has nothing that could be taken, and what is
// remembered is all there is to change. Errors are the router's.
func Apply(ctx context.Context, router traffic.Router, route traffic.Route, c traffic.Change, w traffic.Write) (traffic.Route, error) {
	after, err := router.Split(ctx, route, c, w)
	unsplit := errors.Is(err, traffic.ErrNotSplit) && c.Weights == canary.AllStable() && route.Weights == canary.AllStable()
	pinned := after.Pinned
	switch {
	case !unsplit:
		return after, err
	case c.Position == nil:
		after, err = route, nil
	default:
		after, err = router.Remember(ctx, route, c, w)
	}
	after.Pinned = slices.Concat(after.Pinned, pinned)
	return after, err
}
