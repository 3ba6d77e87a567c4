package stats

import (
	"fmt"
	"math"
)

// Absolute is the evidence about the canary's share of bad requests against a
// limit p0, such as an objective, whatever stable does. For S bad of N:
//
//	log A± = log Σ_j π_j·exp( ±d_j·S − N·log(1 + p0·(e^±d_j − 1)) )
//
// "+" rejects "at most p0", "−" rejects "at least p0". The factor of a request is
// the moment generating function of a Bernoulli variable, by which the tilt is
// normalised: the sub-Bernoulli process of Howard, Ramdas, McAuliffe and Sekhon,
// "Time-uniform Chernoff bounds via nonnegative supermartingales", Probability
// Surveys 17 (2020). As the logarithm is concave, it covers the running mean when
// the share varies.
type Absolute struct {
	limit, p0, sign float64 // limit: of log evidence per scrape
	each            []tiltOfShare
	mixture
}

// tiltOfShare is what every bad request and every request adds.
type tiltOfShare struct{ bad, request float64 }

func newTiltsOfShare(p0, sign float64, distance []float64) []tiltOfShare {
	each := make([]tiltOfShare, len(distance))
	for j, d := range distance {
		each[j] = tiltOfShare{bad: sign * d, request: math.Log1p(p0 * math.Expm1(sign*d))}
	}
	return each
}

// NewViolated gathers evidence that more than p0 of the canary's requests are bad.
func NewViolated(p0 float64, c Config) (*Absolute, error) { return newAbsolute(p0, +1, c.Cap) }

// NewMet gathers evidence that less than p0 of the canary's requests are bad.
func NewMet(p0 float64, c Config) (*Absolute, error) { return newAbsolute(p0, -1, c.Cap) }

// NewNegligible gathers evidence that the canary's error rate is below the level
// at which a ratio would count as harm. The canary may be promoted when the mean
// of this and of [NonInferiority] reaches 1/alpha: harm is a ratio above the
// margin and a level above this one, so under harm both are e-processes, and so
// is their mean.
func NewNegligible(c Config) (*Absolute, error) { return NewMet(c.Negligible, c) }

func newAbsolute(p0, sign, limit float64) (*Absolute, error) {
	if !validShare(p0) {
		return nil, mistake("limit of the share of bad requests", p0, "between 0 and 1")
	}
	if !validCap(limit) {
		return nil, mistake("cap", limit, "0 (none) to 1000")
	}
	g := newGrid()
	return &Absolute{
		limit:   limit,
		p0:      p0,
		sign:    sign,
		each:    newTiltsOfShare(p0, sign, g.distance[:]),
		mixture: newMixture(g.logPrior[:]),
	}, nil
}

// Update adds a scrape; only the canary's side counts. On an error nothing has
// changed.
func (a *Absolute) Update(s Scrape) error {
	if err := s.Validate(); err != nil {
		return fmt.Errorf("add to the evidence about a limit: %w", err)
	}
	var bad, total float64
	for i := range s.Strata {
		bad += float64(s.Strata[i].CanaryBad)
		total += float64(s.Strata[i].CanaryTotal)
	}
	var l [maxTilts]float64
	for j, e := range a.each {
		l[j] = bad*e.bad - total*e.request
	}
	temper(l[:len(a.each)], s.dispersion(), a.limit)
	a.add(&l)
	return nil
}
