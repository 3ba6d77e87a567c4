package canary

import (
	"fmt"
	"math"
)

// Fits is the greatest weight of the canary, in percent, that the ramp allows
// now; Total without one. Were the canary as bad as the evidence still allows,
// it would fail Risk of its requests until the evidence shows it, Needs requests
// from now, and until that is acted upon, another Lag. With w the weight as a
// fraction these are
//
//	Risk · (Needs + Rate·w·Lag)
//
// users' errors, and together with the Harm done they shall be at most Errors.
// The first part has no weight in it: a bad canary fails as many requests until
// it is found out, however slowly they come. What grows with the weight is what
// it does before anybody can act. Where less exposure is left in the plan than
// the evidence would need, the plan's end comes first.
//
// The evidence may lag too: of what the canary did in the last Lag nothing is in
// Harm. That is what Needs counts from, and so it is counted.
func (p Plan) Fits(r Release, o Observation) Percent {
	if p.Ramp == nil || o.Risk <= 0 {
		return Total
	}
	left := p.Ramp.Errors - max(o.Harm, 0)
	lag := o.Risk * o.Rate * o.Lag.Seconds()
	w := float64(Total) * (left - o.Risk*min(o.Needs, p.left(r, o))) / lag
	switch {
	case math.IsNaN(w) || w < 0: // also a source of numbers that are none
		return 0
	case w > float64(Total):
		return Total
	}
	return Percent(math.Floor(w))
}

// left is how many requests the canary answers at most before the plan's end: the
// exposure that it lacks, and what comes in the shortest time of the steps.
func (p Plan) left(r Release, o Observation) float64 {
	planned := p.Planned()
	if p.Proof || planned == 0 {
		return math.Inf(1) // it ends with the evidence only
	}
	left := max(float64(planned)-float64(o.Total), 0)
	for _, s := range p.Steps[min(max(r.Step, 0), len(p.Steps)):] {
		left += o.Rate * s.Min.Std().Seconds() * max(s.Share(), p.Ramp.Most).Fraction()
	}
	return left
}

// ramp raises the weight within a step as far as the evidence allows, below the
// next step: what that asks for is asked for. It raises by half at least, for
// every change is a write and an evidence with a break in it.
func (r round) ramp() Action {
	if r.plan.Ramp == nil || r.step < 0 || r.plan.Steps[r.step].Share() == 0 {
		return Action{}
	}
	top := r.plan.Ramp.Most
	if next := r.step + 1; next < len(r.plan.Steps) {
		top = min(top, tenths(float64(r.plan.Steps[next].Share()-1)))
	}
	weight := r.was.Weight
	fits := min(r.plan.Fits(r.was.Release, r.seen), top)
	if fits <= weight || fits < top && 2*fits < 3*weight {
		return Action{}
	}
	return r.take(r.step, fits, fmt.Sprintf("the evidence allows %s%%: at most %g users' errors are expected", fits, r.plan.Ramp.Errors))
}

// braked is the weight with which a step may begin. The first traffic of all may
// be less than the step says: there is no evidence before it. Else why says that
// the step must wait.
func (r round) braked(share Percent) (weight Percent, why string) {
	fits := r.plan.Fits(r.was.Release, r.seen)
	switch {
	case share <= max(fits, r.was.Weight):
		return share, ""
	case r.was.Weight == 0 && fits > 0:
		return fits, ""
	}
	return share, fmt.Sprintf("a weight of %s%% could cost more than %g users' errors before the evidence shows it; it allows %s%%", share, r.plan.Ramp.Errors, fits)
}
