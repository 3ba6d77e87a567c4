package stats

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mathext"
)

// Interval is a closed range of shares, 0 to 1.
type Interval struct {
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// Contains reports whether the share lies in the interval.
func (i Interval) Contains(share float64) bool { return i.Low <= share && share <= i.High }

// ClopperPearson returns the exact confidence interval of a proportion of which
// k in n were seen: it covers the true one with at least the given confidence
// (0.95, say), whatever that is and however small n. It is conservative, which
// suits a person who is about to act on it. Without observations it is [0, 1].
//
// The bounds are beta quantiles: Clopper and Pearson, "The use of confidence or
// fiducial limits illustrated in the case of the binomial", Biometrika 26
// (1934) 404-413; in this form Brown, Cai and DasGupta, "Interval estimation
// for a binomial proportion", Statistical Science 16 (2001), section 4.2.1.
//
// It panics unless 0 <= k <= n and 0 < confidence < 1.
func ClopperPearson(k, n int, confidence float64) Interval {
	mustBeCounts(k, n)
	mustBeInside("confidence", confidence)
	return clopperPearson(float64(k), float64(n), confidence)
}

// clopperPearson also takes what is not whole.
func clopperPearson(k, n, confidence float64) Interval {
	tail := (1 - confidence) / 2
	i := Interval{Low: 0, High: 1}
	if k > 0 {
		i.Low = mathext.InvRegIncBeta(k, n-k+1, tail)
	}
	if k < n {
		i.High = mathext.InvRegIncBeta(k+1, n-k, 1-tail)
	}
	return i
}

// Wilson returns the score interval of a proportion of which k in n were seen.
// Its coverage is close to the confidence on average, at times below it, and it
// is narrower than ClopperPearson. Without observations it is [0, 1].
//
// Wilson, "Probable inference, the law of succession, and statistical
// inference", JASA 22 (1927) 209-212; Brown, Cai and DasGupta (2001), equation (4).
//
// It panics unless 0 <= k <= n and 0 < confidence < 1.
func Wilson(k, n int, confidence float64) Interval {
	mustBeCounts(k, n)
	mustBeInside("confidence", confidence)
	if n == 0 {
		return Interval{Low: 0, High: 1}
	}
	var (
		z      = math.Sqrt2 * math.Erfinv(confidence) // two-sided normal quantile
		count  = float64(n)
		p      = float64(k) / count
		spread = z * math.Sqrt(p*(1-p)/count+z*z/(4*count*count))
		middle = p + z*z/(2*count)
		scale  = 1 + z*z/count
	)
	i := Interval{Low: (middle - spread) / scale, High: (middle + spread) / scale}
	// At the ends the bounds are 0 and 1 exactly; rounding must not say 1e-17.
	if k == 0 {
		i.Low = 0
	}
	if k == n {
		i.High = 1
	}
	return i
}

func mustBeCounts(k, n int) {
	if k < 0 || k > n {
		panic(fmt.Sprintf("stats: %d of %d is not a count of successes", k, n))
	}
}

func mustBeInside(name string, v float64) {
	if !(v > 0 && v < 1) {
		panic(fmt.Sprintf("stats: %s %v is not between 0 and 1", name, v))
	}
}
