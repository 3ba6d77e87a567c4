package canary

import "fmt"

// The rules of a promotion in place. The canary has the traffic, and the stable
// Deployment is rolled to its template: from the roll's beginning on there is no
// old version that could be relied on to answer. What shows harm now is given back
// by rolling the Deployment back, as long as it knows to what; else the promotion
// stops, the traffic stays with a version that has ready Pods, and a person decides.

// rollHarmed gives back while the old version is still there, or can be made again,
// and stops after.
func (r round) rollHarmed() Action {
	why := r.harm()
	switch {
	case why == "":
		return Action{}
	case r.old():
		return r.giveOld(why)
	case r.was.Phase == Paused:
		return r.paused()
	}
	return r.pause(CauseRoll, why+"; the old version is being replaced already, so nothing is given back")
}

// old reports whether there is an old version to give back to.
func (r round) old() bool { return r.seen.Rolled == "" || r.seen.Undoable }

// giveOld gives back to the old version, made again where it was being replaced.
func (r round) giveOld(why string) Action {
	a := r.giveBack(why)
	a.Undo = r.seen.Rolled != ""
	return a
}

// rollStranded moves the traffic to the stable Deployment when the canary can no
// longer answer and it can. What it runs once it is rolled out the evidence was for.
func (r round) rollStranded() Action {
	if !r.strands() || !r.seen.StableReady {
		return Action{}
	}
	why := fmt.Sprintf("the canary has had no ready Pod for %s", brief(r.seen.Unready))
	switch {
	case r.seen.Rolled == RolledOut && r.was.Phase != Paused && r.harm() == "":
		return r.finish(r.was.Basis, 0, "the stable Deployment runs the new version")
	case r.old():
		return r.giveOld(why)
	}
	why += "; the traffic goes to the stable Deployment, which is rolled in part"
	after := r.was.PausedFor(CauseRoll, why, r.now)
	after.Weight = 0
	return Action{Do: TakePause, Why: why, After: State{Release: after, Weights: AllStable()}}
}

// rollHeld waits for a person, or ends: the stable Deployment goes on without
// anybody who watches, and whoever resumes finds how far it is.
func (r round) rollHeld() Action {
	switch {
	case r.was.Phase == Paused && r.was.Wish != "":
		after := r.was.Again(r.plan, r.seen.Weights, r.now)
		return Action{Do: RollStable, Why: "somebody asked to go on", After: State{Release: after, Weights: r.seen.Weights}}
	case r.was.Phase == Paused:
		return r.paused()
	case r.seen.Interrupted:
		return r.wait("the stable Deployment is being rolled; resume finishes the promotion")
	}
	return Action{}
}

// rollForeign knows no rollback either.
func (r round) rollForeign() Action {
	switch why := r.stranger(); {
	case why == "":
		return Action{}
	case r.plan.Policy.Foreign == Hold:
		return r.wait(why + "; it goes on when that is undone")
	default:
		return r.pause(CauseForeign, why)
	}
}

// roll ends the release once the stable Deployment is what the canary is.
func (r round) roll() Action {
	switch {
	case r.seen.Rolled == RollFailed:
		return r.pause(CauseRoll, "the stable Deployment did not become ready with the new version; the traffic stays with the canary")
	case r.seen.Rolled == RolledOut && r.seen.StableReady:
		return r.finish(r.was.Basis, 0, "the stable Deployment runs the new version")
	}
	return r.wait("the stable Deployment is being rolled to the new version")
}
