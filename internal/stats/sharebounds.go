package stats

import (
	"fmt"
	"math"
)

const sharePrecision = 1e-18

// ProportionBounds is the confidence sequence, alpha a side, of the share of bad
// among total requests, all of them seen up to now: the shares p0 that neither
// side of [Absolute] rejects. Without requests it is [0, 1].
//
// The dispersion divides all evidence; 0 stands for 1. There is no cap.
func ProportionBounds(bad, total uint64, dispersion, alpha float64) (Interval, error) {
	if err := validateShare(bad, total, dispersion, alpha); err != nil {
		return Interval{}, fmt.Errorf("bound a proportion: %w", err)
	}
	var (
		e        = newShareEvidence(total, dispersion, alpha)
		above    = func(p0 float64) bool { return e.rejects(bad, p0, +1) } // the truth is
		below    = func(p0 float64) bool { return e.rejects(bad, p0, -1) }
		smallest = math.SmallestNonzeroFloat64
		bounds   = Interval{Low: 0, High: 1}
	)
	if bad > 0 && above(smallest) {
		bounds.Low = boundary(smallest, 1, sharePrecision, above)
	}
	if below(1) {
		bounds.High = boundary(1, 0, sharePrecision, below)
	}
	return bounds, nil
}

// Bucket is one of a classic histogram: Count observations were at most Upper.
// The last has Upper = +Inf, and counts them all.
type Bucket struct {
	Upper float64
	Count uint64
}

// QuantileBounds is the confidence sequence, alpha a side, of quantile q of a
// quantity that is not negative. Its lower bound is the largest edge at which "at
// most 1−q were above" is rejected, its upper the smallest at which "at least
// 1−q" is. No correction for the number of edges is due: fewer observations are
// above a higher edge, so a false rejection at any edge implies one at the edge
// next to the truth.
//
// Howard and Ramdas, "Sequential estimation of quantiles with applications to
// A/B testing and best-arm identification", Bernoulli 28 (2022), reduce quantiles
// to proportions in the same way.
func QuantileBounds(q float64, buckets []Bucket, dispersion, alpha float64) (Bounds, error) {
	if !validShare(q) {
		return Bounds{}, mistake("quantile", q, "between 0 and 1")
	}
	if err := validateBuckets(buckets); err != nil {
		return Bounds{}, fmt.Errorf("bound quantile %v: %w", q, err)
	}
	total := buckets[len(buckets)-1].Count
	if err := validateShare(0, total, dispersion, alpha); err != nil {
		return Bounds{}, fmt.Errorf("bound quantile %v: %w", q, err)
	}
	var (
		e      = newShareEvidence(total, dispersion, alpha)
		bounds = Bounds{Low: 0, High: math.Inf(+1)}
	)
	for _, b := range buckets[:len(buckets)-1] {
		slow := total - b.Count
		if e.rejects(slow, 1-q, +1) {
			bounds.Low = max(bounds.Low, b.Upper)
		}
		if e.rejects(slow, 1-q, -1) {
			bounds.High = min(bounds.High, b.Upper)
		}
	}
	return bounds, nil
}

func validateBuckets(buckets []Bucket) error {
	if len(buckets) == 0 || !math.IsInf(buckets[len(buckets)-1].Upper, +1) {
		return fmt.Errorf("%w: the last bucket does not reach +Inf", ErrCounts)
	}
	for i, b := range buckets {
		if math.IsNaN(b.Upper) || i > 0 && b.Upper <= buckets[i-1].Upper {
			return fmt.Errorf("%w: bucket edge %v is out of order", ErrCounts, b.Upper)
		}
		if i > 0 && b.Count < buckets[i-1].Count {
			return fmt.Errorf("%w: %d observations up to %v, but %d up to %v", ErrCounts,
				buckets[i-1].Count, buckets[i-1].Upper, b.Count, b.Upper)
		}
	}
	return nil
}

func validateShare(bad, total uint64, dispersion, alpha float64) error {
	if !validShare(alpha) {
		return mistake("alpha", alpha, "between 0 and 1")
	}
	s := Scrape{Dispersion: dispersion, Strata: []Counts{{CanaryTotal: total, CanaryBad: bad}}}
	return s.Validate()
}

// shareEvidence is that of [Absolute] for all limits at once, given the totals.
type shareEvidence struct {
	grid
	total, dispersion, threshold float64
}

func newShareEvidence(total uint64, dispersion, alpha float64) *shareEvidence {
	return &shareEvidence{
		grid:       newGrid(),
		total:      float64(total),
		dispersion: max(1, dispersion),
		threshold:  Threshold(alpha),
	}
}

// rejects says whether bad of the total reject p0, as too low (+) or high (−).
func (e *shareEvidence) rejects(bad uint64, p0, sign float64) bool {
	var l [gridSize]float64
	for j, d := range e.distance {
		l[j] = float64(bad)*sign*d - e.total*math.Log1p(p0*math.Expm1(sign*d))
	}
	temper(l[:], e.dispersion, 0)
	return logSumExp(e.logPrior[:], l[:]) >= e.threshold
}
