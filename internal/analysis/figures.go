package analysis

import (
	"math"
	"slices"
	"time"

	"github.com/canaryctl/canaryctl/internal/stats"
)

// Figures are what an engine asks every second beside the Outcome. They cost some
// microseconds, however long the analysis is.
type Figures struct {
	// Stable and Canary are all that was counted by the first metric: what was answered.
	Stable, Canary Arm
	// Harm is how many users got no answer of the canary, or a bad one, that stable's
	// share does not predict, interval by interval: below 0 where there were fewer. Those
	// that something else than a count tells of, since hardly anything of the canary is
	// counted, are in it once the canary has failed by that. It is an estimate, and
	// HarmError is its standard error: a canary as good as stable has twice that
	// at times.
	Harm, HarmError float64
	// Rate is the requests per second of both versions, in the last 30 s that were
	// counted; 0 while nothing was.
	Rate float64
	// Risk is how much more of its requests than stable's may be bad by the upper
	// limit of the canary's confidence sequence (IntervalAlpha): 1 while the
	// canary has answered nothing, 0 once the limit is within the tolerance.
	Risk float64
	// Needs is how many more requests the canary has to answer until the evidence
	// would show that Risk, if it came one request after the other: about the
	// median, rather too many. It is infinite where no evidence would, as without
	// stable's requests, and 0 without a Risk.
	Needs float64
	// Least is the shortest time in which the evidence can suffice, by the length
	// of the intervals and the cap on what one adds; 0 without intervals or cap.
	// It is part of the lag of whoever acts on it.
	Least time.Duration
}

// Figures are those of now.
func (a *Analysis) Figures() Figures {
	e := a.metrics[0]
	phi := e.phi(e.main)
	f := Figures{Stable: a.flow.total.Stable, Canary: a.flow.total.Canary}
	f.Harm, f.HarmError = a.harm(phi)
	ended := a.flow.ended()
	stable, canary, took, intervals := a.flow.lately()
	if took > 0 {
		f.Rate = float64(stable+canary) / took.Seconds()
	}
	f.Risk = ended.risk(e.config, phi)
	if f.Risk == 0 {
		return f
	}
	plan := stats.Plan{
		StableRate: ended.Stable.share(0),
		CanaryRate: min(1, ended.Stable.share(0)+f.Risk),
		Weight:     a.weight(stable, canary),
		Tolerance:  e.config.Tolerance,
		Alpha:      e.config.RollbackAlpha * e.metric.Weight,
		Dispersion: phi,
		Onset:      e.config.OnsetIntervals > 0,
	}
	plan.Alpha *= e.start(plan, ended.Canary)
	plan.Alpha = max(plan.Alpha, 1e-12)
	f.Needs = math.Inf(+1)
	if n, err := plan.Requests(0.5); err == nil && ended.Stable.Requests > 0 {
		f.Needs = n
	}
	if took > 0 && e.config.Cap > 0 {
		plan.Scrape, plan.Cap = 1, e.config.Cap
		f.Least = time.Duration(plan.MinScrapes()) * took / time.Duration(intervals)
	}
	return f
}

// harm counts users, and its standard error.
func (a *Analysis) harm(phi float64) (harm, err float64) {
	harm, err = a.flow.harm(phi)
	if a.unanswered == nil || !slices.Contains(a.causes, Unanswered) {
		return harm, err
	}
	if m := a.unanswered.missing; m.lost() > a.flow.unanswered.Harm {
		harm += m.lost() - max(0, a.flow.unanswered.Harm)
		err = math.Sqrt(err*err + m.Sent*phi)
	}
	return harm, err
}

// CanarySince is how many requests the canary answered in intervals that began at
// or after a time: the exposure of a step.
func (a *Analysis) CanarySince(t time.Time) uint64 { return a.flow.since(t) }

// risk is 1 where the bounds cannot be had, as of counts beyond 2^53.
func (a Arms) risk(c Config, phi float64) float64 {
	bounds, err := stats.ProportionBounds(a.Canary.Bad, a.Canary.Requests, phi, c.IntervalAlpha)
	if err != nil || a.Canary.Requests == 0 {
		return 1
	}
	stable := a.Stable.share(0)
	if a.Stable.Requests > 0 && bounds.High <= (1+c.Tolerance)*stable {
		return 0
	}
	return max(0, bounds.High-stable)
}

// weight is the canary's share of the latest requests, or what it is to get.
func (a *Analysis) weight(stable, canary uint64) float64 {
	const rare, most, usual = 0.001, 0.999, 0.1
	switch {
	case stable+canary > 0 && canary > 0:
		return min(max(float64(canary)/float64(stable+canary), rare), most)
	case a.traffic != nil && a.traffic.share > 0:
		return min(max(a.traffic.share, rare), most)
	}
	return usual
}

// start is what the evidence that a plan is about begins with, where it should
// begin with 1: a canary that was good until now has to make up for it. The
// likelihood ratio of what it answered stands for the bet on that ratio, and the
// onset's for a bet that begins now.
func (e *evidence) start(p stats.Plan, canary Arm) float64 {
	good, bad := float64(canary.Requests-canary.Bad), float64(canary.Bad)
	stable := max(p.StableRate, 1e-12)
	logE := bad * math.Log(p.CanaryRate/stable)
	if good > 0 {
		logE += good * (math.Log1p(-min(p.CanaryRate, 1-1e-12)) - math.Log1p(-stable))
	}
	logE /= p.Dispersion
	if n := e.config.OnsetIntervals; n > 1 {
		logE = max(logE, -math.Log(2*float64(n-1)))
	}
	return math.Exp(min(logE, 0))
}
