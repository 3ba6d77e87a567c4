package stats

import "math"

// A confidence sequence is the set of values that are not rejected, by the
// duality of tests and intervals; it covers the truth at all times at once with
// probability 1−2α. Howard et al. (2021).

// Bounds of a quantity. Without evidence Low is 0 and High is +Inf.
type Bounds struct{ Low, High float64 }

// No ratio of two counts that fit is outside of e^±maxLogRatio by much, and
// within it every e^δ−1 is still told from −1.
const (
	maxLogRatio    = 30
	ratioPrecision = 1e-12 // relative
)

// RatioBounds is the confidence sequence of the ratio of error rates, canary to
// stable, IntervalAlpha a side, with the configuration's cap. The lower bound is
// sup{δ0 : log R(δ0) >= log(1/α)}, with R as [Rollback] has it; the upper is its
// mirror image. Both come by bisection, as R is monotone in δ0: the derivative of
// λ_w is the canary's tilted share, which grows with δ, so every increment
// l(δ0±d | δ0) is monotone, and so is what dispersion and cap make of it.
//
// It takes time in proportion to the ledger: for display, not for every update.
func RatioBounds(l *Ledger, c Config) (Bounds, error) {
	if !validShare(c.IntervalAlpha) {
		return Bounds{}, mistake("interval alpha", c.IntervalAlpha, "between 0 and 1")
	}
	if !validCap(c.Cap) {
		return Bounds{}, mistake("cap", c.Cap, "0 (none) to 1000")
	}
	var (
		g        = newGrid()
		speaking = l.informative()
		rejected = func(sign float64) func(float64) bool {
			return func(null float64) bool {
				return logRatioE(speaking, newTilts(null, g.distance[:], sign), &g, c.Cap) >= Threshold(c.IntervalAlpha)
			}
		}
		below, above = rejected(+1), rejected(-1)
		bounds       = Bounds{Low: 0, High: math.Inf(+1)}
	)
	if below(-maxLogRatio) {
		bounds.Low = math.Exp(boundary(-maxLogRatio, +maxLogRatio, ratioPrecision, below))
	}
	if above(+maxLogRatio) {
		bounds.High = math.Exp(boundary(+maxLogRatio, -maxLogRatio, ratioPrecision, above))
	}
	return bounds, nil
}

func logRatioE(scrapes []Scrape, t tilts, g *grid, limit float64) float64 {
	var logM [gridSize]float64
	for _, s := range scrapes {
		l := t.increments(s, limit)
		for j := range logM {
			logM[j] += l[j]
		}
	}
	return logSumExp(g.logPrior[:], logM[:])
}

// informative are the scrapes in which something went wrong.
func (l *Ledger) informative() []Scrape {
	var speaking []Scrape
	for _, s := range l.scrapes {
		for _, c := range s.Strata {
			if c.StableBad+c.CanaryBad > 0 {
				speaking = append(speaking, s)
				break
			}
		}
	}
	return speaking
}

// boundary finds where the rejected values end, from one that is rejected towards
// one that is not. What it returns is rejected: the interval is rather too wide.
func boundary(in, out, precision float64, rejected func(float64) bool) float64 {
	for math.Abs(out-in) > precision {
		middle := in + (out-in)/2
		if middle == in || middle == out { // neighbours, for float64
			break
		}
		if rejected(middle) {
			in = middle
		} else {
			out = middle
		}
	}
	return in
}

// RatioEstimate is the Mantel-Haenszel estimate of the ratio of error rates,
//
//	Σ e2·n1/(n1+n2) / Σ e1·n2/(n1+n2),
//
// over scrapes and strata: unlike the ratio of totals it is not misled when the
// weight changes while the error rate does. It is +Inf when only the canary
// failed; ok is false when nothing can be said. Rothman, Greenland and Lash,
// "Modern Epidemiology" (2008), chapter 15; Mantel and Haenszel (1959).
func RatioEstimate(l *Ledger) (ratio float64, ok bool) {
	var canary, stable float64
	for _, s := range l.scrapes {
		for _, c := range s.Strata {
			if n := float64(c.StableTotal) + float64(c.CanaryTotal); n > 0 {
				canary += float64(c.CanaryBad) * float64(c.StableTotal) / n
				stable += float64(c.StableBad) * float64(c.CanaryTotal) / n
			}
		}
	}
	switch {
	case canary == 0 && stable == 0:
		return 0, false
	case stable == 0:
		return math.Inf(+1), true
	}
	return canary / stable, true
}
