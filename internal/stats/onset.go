package stats

import (
	"fmt"
	"math"
)

const (
	maxOnset   = math.MaxInt32
	onsetFirst = 0.5 // prior mass of a regression that is there from the first interval
)

// Onset is the evidence that the canary fails more than 1+tolerance times as
// often as stable from some interval on. Half of the prior is on the first
// interval, the rest spread evenly over the others that were planned:
//
//	A_j <- (A_j + γ_k)·exp(increment_kj),   R = Σ_j π_j·A_j + 1 − Σγ
//
// Evidence gathered against a regression before it began does not count against
// it, for the price of a factor of at most 1/γ_1 = 2 from the start. It is Shiryaev's
// recursion with a proper prior, which keeps it a martingale: Shiryaev, "On
// optimum methods in quickest detection problems" (1963); as an e-process Shin,
// Ramdas and Rinaldo, "E-detectors: a nonparametric framework for sequential
// change detection", New England Journal of Statistics in Data Science (2023).
type Onset struct {
	tolerance, limit float64
	planned, seen    int
	tilts            tilts
	mixture          // logM holds log A_j
}

// NewOnset uses the configuration's tolerance, cap and planned intervals.
func NewOnset(c Config) (*Onset, error) {
	if c.OnsetIntervals < 1 || c.OnsetIntervals > maxOnset {
		return nil, mistake("onset intervals", float64(c.OnsetIntervals), "1 to 2^31-1")
	}
	r, err := NewRollback(c)
	if err != nil {
		return nil, err
	}
	o := &Onset{tolerance: c.Tolerance, limit: c.Cap, planned: c.OnsetIntervals, tilts: r.tilts, mixture: r.mixture}
	for j := range o.logM {
		o.logM[j] = math.Inf(-1)
	}
	o.sum()
	return o, nil
}

// Update adds a scrape, one interval of those planned, even if it says nothing.
// On an error nothing has changed.
func (o *Onset) Update(s Scrape) error {
	if err := s.Validate(); err != nil {
		return fmt.Errorf("add to the evidence of a late regression: %w", err)
	}
	logGamma := math.Log(o.gamma())
	if o.seen < o.planned {
		o.seen++
	}
	l := o.tilts.increments(s, o.limit)
	for j := range o.logM {
		o.logM[j] = logAdd(o.logM[j], logGamma) + l[j]
	}
	o.sum()
	o.peak.raise(o.logE)
	return nil
}

// sum takes the A_j together after a change, and regressions yet to begin.
func (o *Onset) sum() {
	o.mixture.sum()
	o.logE = logAdd(o.logE, math.Log(o.reserve()))
}

// gamma is the prior mass of a regression that begins with the next interval.
func (o *Onset) gamma() float64 {
	switch {
	case o.seen >= o.planned:
		return 0
	case o.planned == 1:
		return 1
	case o.seen == 0:
		return onsetFirst
	}
	return (1 - onsetFirst) / float64(o.planned-1)
}

// reserve is 1 − Σγ so far, computed from the other end so that it ends at 0.
func (o *Onset) reserve() float64 {
	switch {
	case o.seen == 0:
		return 1
	case o.seen >= o.planned:
		return 0
	}
	return (1 - onsetFirst) * float64(o.planned-o.seen) / float64(o.planned-1)
}
