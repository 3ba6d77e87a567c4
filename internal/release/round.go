package release

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/steer"
	"github.com/canaryctl/canaryctl/internal/traffic"
	"github.com/canaryctl/canaryctl/internal/workload"
)

// round observes, decides and acts once. It reports whether the engine is done.
func (e *Engine) round(ctx context.Context) (done bool, err error) {
	release := e.now()
	if release.Phase.Over() {
		return true, nil
	}
	if err := e.superseded(); err != nil {
		return false, err
	}
	if e.blind() || !e.watched {
		// Without the route there is nothing to decide on; whoever is to end may.
		return e.stop != "" && e.stalled(), nil
	}
	e.tellForeign()
	seen := e.observe()
	if e.rebases(release, seen) {
		return false, e.rebase(ctx, release)
	}
	e.prepare(ctx)
	release.Since = e.began(seen.Now)
	action := canary.Next(e.policy(), canary.State{Release: release, Weights: e.route.Weights}, seen)
	e.askGate(ctx, action)
	wrote, err := e.carryOut(ctx, action)
	if err != nil {
		return false, err
	}
	e.tellWaiting(action)
	now := e.now()
	switch {
	case now.Phase.Over():
		return true, nil
	case e.stop != "":
		return wrote || action.Do == canary.Wait, nil
	case now.Phase == canary.Paused && e.c.StopPaused && now.Wish == "": // else somebody wants it to go on
		return true, nil
	}
	return false, e.roll(ctx, now)
}

// policy is the plan, with what whoever interrupts said about it.
func (e *Engine) policy() canary.Plan {
	p := e.c.Plan
	if e.stop != "" {
		p.Policy.Interrupt = e.stop
	}
	return p
}

// stalled reports whether an engine that is to end has waited long enough for the
// API server.
func (e *Engine) stalled() bool {
	if e.stopBy.IsZero() {
		e.stopBy = e.c.Clock.Now().Add(stopPatience)
	}
	return !e.c.Clock.Now().Before(e.stopBy)
}

// stopPatience is how long whoever was told to end tries to write that down. The
// release stands in the route in any case.
const stopPatience = 5 * time.Second

// blind reports whether the route cannot be known now.
func (e *Engine) blind() bool { return e.gone != nil }

// superseded is an error when the route is no longer of this release: a person
// ended it by hand, or began another.
func (e *Engine) superseded() error {
	p := e.route.Position
	if p == nil || mine(e.route, e.now().ID) {
		return nil
	}
	switch {
	case p.Release != nil:
		return fmt.Errorf("drive release %s on %s: %w: %s", e.now().ID, e.route, ErrSuperseded, p.Release.ID)
	case p.Stable != e.place.Stable || p.Canary != e.place.Canary:
		return fmt.Errorf("drive release %s on %s: %w: %s is stable now, by %s", e.now().ID, e.route, ErrSuperseded, p.Stable, author(e.route.Author))
	}
	return nil // it lost the release alone, which is somebody's doing and not an end
}

// carryOut makes the route say what the action does, in one write, and reports
// whether it does by now. What fails is tried again in the next round, from what is
// seen then.
func (e *Engine) carryOut(ctx context.Context, a canary.Action) (done bool, err error) {
	if a.Undo {
		if err := e.unroll(ctx); err != nil || !e.unrolled {
			return false, err // the next round decides anew, by what can be done
		}
	}
	if a.Do == canary.Wait {
		return false, nil
	}
	after := a.After.Release
	if after.Phase.Over() {
		return e.write(ctx, steer.End(e.known(), after, e.ending(after)), a.Why)
	}
	if after.Step >= 0 && after.Templates == "" && after.Phase == canary.Progressing {
		e.judged = e.templates()
		after.Templates = e.judged
	}
	return e.write(ctx, e.moved(after, a.After.Weights), a.Why)
}

// moved is the write that takes a release to where it is after a move.
func (e *Engine) moved(after canary.Release, weights canary.Weights) traffic.Change {
	place, beside := e.place, e.besides(after)
	place.Release = &after
	return traffic.Change{Weights: weights, Position: &place, Beside: &beside, Fence: true}
}

// known is the route as the release knows it, also where somebody wrote over what it
// remembered.
func (e *Engine) known() traffic.Route {
	r, place := e.route, e.place
	r.Stable, r.Canary, r.Position, r.Notes = place.Stable, place.Canary, &place, e.notes
	return r
}

// ending is what the release ends with.
func (e *Engine) ending(after canary.Release) steer.Ending {
	figures := e.evidence.analysis.Figures()
	return steer.Ending{
		Requests: figures.Canary.Requests, Errors: figures.Canary.Bad,
		KeepPlan: after.Phase == canary.Promoted && e.c.Plan.Leaves(),
	}
}

// writePatience bounds one write: the API server may hang, and what is seen
// meanwhile may call for another.
const writePatience = 5 * time.Second

// write sends a change and takes what the route is then. A conflict, or an API
// server that cannot, is no error: the next round decides anew.
func (e *Engine) write(ctx context.Context, c traffic.Change, why string) (done bool, err error) {
	if e.c.Clock.Now().Before(e.nextTry) {
		return false, nil
	}
	bounded, cancel := context.WithTimeout(ctx, writePatience)
	defer cancel()
	after, err := steer.Apply(bounded, e.c.Router, e.route, e.whole(c), traffic.Write{})
	switch {
	case err == nil:
		e.failing, e.pause, e.nextTry = "", 0, time.Time{}
		e.take(after, why)
		return true, nil
	case ctx.Err() != nil:
		return false, context.Cause(ctx)
	case errors.Is(err, traffic.ErrConflict):
		e.lookAgain(ctx)
		return false, nil
	case lasting(err):
		return false, fmt.Errorf("%s: %w", why, err)
	}
	e.pause = min(max(2*e.pause, firstPause), longestPause)
	e.nextTry = e.c.Clock.Now().Add(e.pause)
	if e.failing == "" {
		e.warn(fmt.Sprintf("writing the route failed, retrying: %v", err))
	}
	e.failing = err.Error()
	return false, nil
}

// Between two attempts to write.
const (
	firstPause   = 50 * time.Millisecond
	longestPause = time.Second
)

// lookAgain reads the route after a conflict: the watch tells of it soon, and a
// rollback has no time.
func (e *Engine) lookAgain(ctx context.Context) {
	bounded, cancel := context.WithTimeout(ctx, writePatience)
	defer cancel()
	fresh, err := e.c.Router.Find(bounded, traffic.Query{
		Namespace: e.route.Namespace, Route: e.route.Name, Host: e.route.Host, App: e.route.App,
	})
	if err == nil {
		e.seeRoute(traffic.Sight{Route: fresh})
	}
}

// rebases reports whether a person let the release go on with what there is now,
// whatever it was before.
func (e *Engine) rebases(r canary.Release, o canary.Observation) bool {
	return r.Templates == "" && r.Step >= 0 && r.Phase == canary.Progressing && e.sighted && o.CanaryReady && e.stop == ""
}

// rebase writes down what is judged from now on, and begins the evidence anew where
// that is another canary or stable version.
func (e *Engine) rebase(ctx context.Context, r canary.Release) error {
	r.Templates = e.templates()
	renewed := e.judged != "" && subjects(e.judged) != subjects(r.Templates)
	if renewed {
		r.Judged = e.c.Clock.Now().UTC().Truncate(time.Millisecond)
	}
	done, err := e.write(ctx, e.moved(r, canary.ToCanary(r.Weight)), "what is judged is what there is now")
	if !done || err != nil {
		return err
	}
	e.judged = r.Templates
	if renewed {
		return e.judgeAnew(ctx, r.Judged)
	}
	return nil
}

// roll has the stable Deployment follow, once.
func (e *Engine) roll(ctx context.Context, r canary.Release) error {
	if r.Phase != canary.Promoting || e.rolled {
		return nil
	}
	bounded, cancel := context.WithTimeout(ctx, writePatience)
	defer cancel()
	switch err := e.c.Roll(bounded); {
	case err == nil:
		e.rolled = true
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case lasting(err):
		e.rolled, e.refused = true, true
		e.warn("the stable Deployment cannot be rolled: " + err.Error())
	default:
		e.warnOnce("rolling the stable Deployment failed, retrying", err)
	}
	return nil
}

// unroll has the stable Deployment be what it was. That comes before the traffic's
// return: cut off between the two, whoever goes on finds the old version.
func (e *Engine) unroll(ctx context.Context) error {
	bounded, cancel := context.WithTimeout(ctx, writePatience)
	defer cancel()
	switch err := e.c.Unroll(bounded); {
	case err == nil:
		e.unrolled = true
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case lasting(err) || errors.Is(err, workload.ErrNotRolled):
		e.kept = true
		e.warn("the stable Deployment keeps the new template: " + err.Error())
	default:
		e.warnOnce("rolling the stable Deployment back failed, retrying", err)
	}
	return nil
}
