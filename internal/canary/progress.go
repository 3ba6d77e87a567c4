package canary

import "fmt"

// wished does what a person asked for, also while it is paused. It overrules
// the plan, its pauses and gates; not harm, and no version gets traffic without
// a ready Pod. After the last step the next one is the promotion.
func (r round) wished() Action {
	wish := r.was.Wish
	switch {
	case wish == "":
		return Action{}
	case !r.seen.CanaryReady:
		return r.wait(fmt.Sprintf("somebody asked to %s, and the canary has no ready Pod yet", wish))
	}
	if r.was.Phase == Paused { // to ask is to resume; others may have moved the traffic meanwhile
		went := r.was.Again(r.plan, r.seen.Weights, r.now)
		r = newRound(r.plan, State{Release: went, Weights: r.seen.Weights}, r.seen)
	}
	if next := r.step + 1; wish == WishSkip && next < len(r.plan.Steps) {
		return r.take(next, max(r.plan.Steps[next].Share(), r.was.Weight), "somebody asked for the next step")
	}
	return r.promote(ByHand, "somebody asked for the promotion")
}

// progress follows the plan.
func (r round) progress() Action {
	if why := r.unfit(); why != "" {
		return r.stay(why)
	}
	if a := r.ramp(); a.Do != "" {
		return a
	}
	if why := r.unripe(); why != "" {
		return r.stay(why)
	}
	if next := r.step + 1; next < len(r.plan.Steps) {
		return r.begin(next)
	}
	return r.end()
}

// unfit says why no more traffic may go to the canary just now, whatever the
// plan says.
func (r round) unfit() string {
	switch o := r.seen; {
	case !o.CanaryReady:
		return "the canary has no ready Pod"
	case !o.StableReady:
		return "stable has no ready Pod to roll back to"
	}
	_, why := r.unheard()
	return why
}

// counted reports whether the canary must have requests. At a step for those
// with a header there may be none for long, and nothing is missing.
func (r round) counted() bool {
	return r.was.Weight > 0 || r.step >= 0 && r.plan.Steps[r.step].Mirror
}

// unripe says what the present step still lacks.
func (r round) unripe() string {
	if r.step < 0 {
		return ""
	}
	step := r.plan.Steps[r.step]
	at := r.now.Sub(r.was.Since)
	switch {
	case at < step.Min.Std():
		return fmt.Sprintf("step %d of %d lasts %s more", r.step+1, len(r.plan.Steps), brief(step.Min.Std()-at))
	case r.seen.Exposure < step.Exposure:
		return fmt.Sprintf("the canary has answered %d of the %d requests of step %d", r.seen.Exposure, step.Exposure, r.step+1)
	}
	return ""
}

// stay waits at this step, for as long as it may last.
func (r round) stay(why string) Action {
	if r.step < 0 {
		return r.wait(why)
	}
	limit := r.plan.Steps[r.step].Max.Std()
	if limit > 0 && r.unattended(r.was.Since) >= limit {
		late := fmt.Sprintf("step %d of %d has not ended within %s: %s", r.step+1, len(r.plan.Steps), brief(limit), why)
		if a := r.follow(r.plan.Policy.Timeout, CauseTimeout, late); a.Do != "" {
			return a
		}
	}
	return r.wait(why)
}

// begin takes step i, once the ramp, a person and the gate agree. A ramp that
// forbids even the first traffic asks a person: without traffic the evidence
// will never allow more. Later it waits for evidence, whoever was asked.
func (r round) begin(i int) Action {
	step, asked := r.plan.Steps[i], i < r.was.Cleared
	weight, why := r.braked(step.Share())
	switch {
	case why != "" && r.was.Weight > 0:
		return r.stay(why)
	case why != "" && !asked:
		return r.pause(CauseRamp, why+"; who resumes begins it all the same")
	case step.Pause && !asked:
		return r.pause(CauseStep, fmt.Sprintf("the plan pauses before step %d of %d", i+1, len(r.plan.Steps)))
	}
	if a := r.pass(i); a.Do != "" {
		return a
	}
	// It may be beyond this step already: a person set more, or the ramp did.
	return r.take(i, max(weight, r.was.Weight), fmt.Sprintf("step %d of %d", i+1, len(r.plan.Steps)))
}

// pass asks the gate before step i, or before the promotion.
func (r round) pass(i int) Action {
	gate := r.plan.GateBefore(i)
	if gate == "" || r.seen.Gate == GateOpen {
		return Action{}
	}
	if r.seen.Gate == GateDenied {
		return r.giveBack(fmt.Sprintf("gate %q said no", gate))
	}
	a := r.stay(fmt.Sprintf("gate %q has not opened", gate))
	if a.Do == Wait {
		a.Gate = gate
	}
	return a
}

// end promotes, on what the evidence gives.
func (r round) end() Action {
	basis, why := r.basis()
	if basis == "" {
		return r.doubt(why)
	}
	if a := r.pass(len(r.plan.Steps)); a.Do != "" {
		return a
	}
	return r.promote(basis, why)
}

// basis is what an unattended promotion may rest on. Exposure that nobody
// planned is none: it would have no stated power.
func (r round) basis() (Basis, string) {
	planned := r.plan.Planned()
	switch o := r.seen; {
	case o.Verdict == Pass:
		return Proved, said(o.Why, "the evidence is for the canary")
	case r.plan.Proof:
		return "", "the plan asks for proof, and there is none yet"
	case planned == 0:
		return "", "the plan names no exposure that would do without proof, and there is none yet"
	case o.Total < planned:
		return "", fmt.Sprintf("the canary has answered %d of the planned %d requests, and there is no proof yet", o.Total, planned)
	}
	return PassedOnExposure, fmt.Sprintf("the canary answered the planned %d requests without an alarm", planned)
}

// doubt follows the policy, and asks a person once: who resumes then, has it
// wait for more evidence.
func (r round) doubt(why string) Action {
	if r.was.Cleared <= len(r.plan.Steps) {
		if a := r.follow(r.plan.Policy.Doubt, CauseDoubt, why); a.Do != "" {
			return a
		}
	}
	return r.stay(why)
}
