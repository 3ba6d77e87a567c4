package canary

// The moves that a round may end in. Each keeps or sets weights and release
// together, so that no other code can let them disagree.

func (r round) wait(why string) Action { return Action{Do: Wait, After: r.was, Why: why} }

// pause leaves the traffic as it is, also where somebody else set it.
func (r round) pause(cause Cause, why string) Action {
	return Action{Do: TakePause, Why: why, After: State{
		Release: r.was.PausedFor(cause, why, r.now),
		Weights: r.seen.Weights,
	}}
}

// giveBack rolls back, unless that would move traffic to a version that has no
// ready Pod: a canary that fails some requests is better than a stable version
// that fails all. Then nothing else is done either, and as what led here lasts,
// it is given back as soon as stable can answer. A person may do it before.
func (r round) giveBack(why string) Action {
	if !r.safe() {
		why += "; not rolled back, for stable has no ready Pod; it will be when one is ready"
		if r.seen.Interrupted && r.was.Phase != Paused {
			return r.pause(CauseInterrupt, why)
		}
		return r.wait(why)
	}
	return Action{Do: GiveBack, Why: why, After: State{Release: r.was.Back(why, r.now), Weights: AllStable()}}
}

// safe reports whether stable may have all traffic.
func (r round) safe() bool { return r.seen.StableReady || r.seen.Weights.Canary == 0 }

// take begins step i, or within it goes to another weight.
func (r round) take(i int, weight Percent, why string) Action {
	after := r.was.Release
	if i != after.Step {
		after.Since = r.now
	}
	after.Phase, after.Step, after.Weight = Progressing, i, weight
	after.Cleared = max(after.Cleared, i+1)
	after = after.awake()
	return Action{Do: TakeStep, Why: why, After: State{Release: after, Weights: after.set()}}
}

// promote gives the canary all traffic, by switching or by rolling the stable
// Deployment to its template.
func (r round) promote(basis Basis, why string) Action {
	if r.plan.Promotion != InPlace {
		return r.finish(basis, Total, why)
	}
	after := r.was.awake()
	after.Phase, after.Basis, after.Weight, after.Since = Promoting, basis, Total, r.now
	return Action{Do: RollStable, Why: why, After: State{Release: after, Weights: AllCanary()}}
}

// finish ends the release as promoted, with the canary's weight as it shall be.
func (r round) finish(basis Basis, weight Percent, why string) Action {
	after := r.was.Done(basis, weight, why, r.now)
	return Action{Do: Finish, Why: why, After: State{Release: after, Weights: after.set()}}
}
