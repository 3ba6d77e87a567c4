package canary

import "time"

// The acts below are what a command or an engine does to a release. They change
// no route: what they return is written there, with the weights that it says.

// Begin is a release that has not given the canary anything yet. The caller says
// whose it is: Image, By.
func Begin(id, plan string, now time.Time) Release {
	now = moment(now)
	return Release{ID: id, Plan: plan, Phase: Preparing, Step: -1, Started: now, Since: now}
}

// PausedFor is the release once it is paused: the weights stay. One that is
// paused already, or over, stays as it is.
func (r Release) PausedFor(cause Cause, why string, now time.Time) Release {
	if r.Phase == Paused || r.Phase.Over() {
		return r
	}
	r.Phase, r.Paused, r.Cause, r.Why = Paused, moment(now), cause, why
	r.Wish = "" // it was asked of a release that went on
	return r
}

// Wished is the release once a person asked for something. One that is over
// stays as it is.
func (r Release) Wished(w Wish) Release {
	if !r.Phase.Over() {
		r.Wish = w
	}
	return r
}

// Again is the release once a person resumed it, at the weights that the route
// has by then: whoever set them, they are what the release goes on from. One
// that is not paused stays as it is.
func (r Release) Again(p Plan, live Weights, now time.Time) Release {
	if r.Phase != Paused {
		return r
	}
	now = moment(now)
	switch r.Cause {
	case CauseStep, CauseRamp, CauseDoubt:
		r.Cleared = max(r.Cleared, r.Step+2) // it was asked once, and that was the answer
	}
	if live.Canary != r.Weight && live.Validate() == nil {
		r = r.adopt(p, live, now)
	}
	r.Phase, r.Resumed = Progressing, now
	r.Templates = "" // whoever resumed it has seen what there is
	switch {
	case r.Rolling():
		r.Phase = Promoting
	case r.Step < 0:
		r.Phase = Preparing
	}
	return r.awake()
}

// adopt takes weights that somebody else set. The step is the last that gives
// no more than they do, so that none is left out, and it begins anew: its time
// and exposure were at another weight.
func (r Release) adopt(p Plan, live Weights, now time.Time) Release {
	r.Weight = live.Canary
	if r.Rolling() {
		return r
	}
	r.Since, r.Step = now, -1
	for i, s := range p.Steps {
		if share := s.Share(); share > 0 && (share <= live.Canary || r.Step < 0) && live.Canary > 0 {
			r.Step = i
		}
	}
	r.Cleared = min(r.Cleared, r.Step+1)
	return r
}

// Back is the release once all traffic is given back to stable.
func (r Release) Back(why string, now time.Time) Release {
	r = r.awake()
	r.Phase, r.Weight, r.Basis, r.Why, r.Since = RolledBack, 0, "", why, moment(now)
	return r
}

// Done is the release once the canary is stable. The weight is the canary's in
// the route: all of it after a switch, none after a promotion in place, where
// the stable Deployment has become what the canary was.
func (r Release) Done(basis Basis, weight Percent, why string, now time.Time) Release {
	r = r.awake()
	r.Phase, r.Weight, r.Basis, r.Why, r.Since = Promoted, weight, basis, why, moment(now)
	return r
}

// End is what is remembered of a release that is over, from one version to
// another. The caller adds the counts.
func (r Release) End(from, to string) Ended {
	return Ended{
		ID: r.ID, Outcome: r.Phase, From: from, To: to, Image: r.Image, By: r.By,
		Started: r.Started, Ended: r.Since, Basis: r.Basis, Why: r.Why,
	}
}

// Rolling reports whether the promotion is decided and the stable Deployment is
// on its way to the canary's template, be it paused.
func (r Release) Rolling() bool { return r.Basis != "" && !r.Phase.Over() }

// awake is the release with nothing asked of it and nothing waited for.
func (r Release) awake() Release {
	r.Paused, r.Cause, r.Why, r.Wish = time.Time{}, "", "", ""
	return r
}

// set are the weights that the engine set last.
func (r Release) set() Weights {
	return ToCanary(min(max(r.Weight, 0), Total))
}

// moment is a time as the route can remember it: what is read back is what was
// written, so nothing depends on who went on from memory.
func moment(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }
