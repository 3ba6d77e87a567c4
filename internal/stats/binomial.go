package stats

import (
	"fmt"
	"math"
	"sort"

	"gonum.org/v1/gonum/mathext"
)

// BinomialTest returns the exact two-sided p-value of having seen k of n when
// the true proportion is p: the probability of all outcomes that are no more
// likely than k. A test that rejects below alpha raises a false alarm with
// probability at most alpha.
//
// This is the method of minimum likelihood: Conover, "Practical Nonparametric
// Statistics" (1971) 97-104; Hirji, "Exact Analysis of Discrete Data" (2006),
// section 2.6; the same as R's binom.test.
//
// It panics unless 0 <= k <= n and 0 <= p <= 1.
func BinomialTest(k, n int, p float64) float64 {
	mustBeCounts(k, n)
	if !(p >= 0 && p <= 1) {
		panic(fmt.Sprintf("stats: %v is not a proportion", p))
	}
	if p == 0 || p == 1 {
		return impossibleUnless(float64(k) == float64(n)*p)
	}
	mean := float64(n) * p
	likelihood := logMass(k, n, p) + 1e-7 // outcomes as likely as k, up to rounding
	switch {
	case float64(k) == mean:
		return 1
	case float64(k) < mean:
		// The mass falls from the mean on: find the first outcome beyond it that
		// is no more likely than k.
		from := int(math.Ceil(mean))
		other := from + sort.Search(n-from+1, func(i int) bool { return logMass(from+i, n, p) <= likelihood })
		return math.Min(1, atMost(k, n, p)+atLeast(other, n, p))
	default:
		// The mirror image: outcomes below the mean, nearest first.
		from := int(math.Floor(mean))
		other := from - sort.Search(from+1, func(i int) bool { return logMass(from-i, n, p) <= likelihood })
		return math.Min(1, atMost(other, n, p)+atLeast(k, n, p))
	}
}

func impossibleUnless(certain bool) float64 {
	if certain {
		return 1
	}
	return 0
}

// logMass is the logarithm of the probability of exactly k of n.
func logMass(k, n int, p float64) float64 {
	return logFactorial(n) - logFactorial(k) - logFactorial(n-k) +
		float64(k)*math.Log(p) + float64(n-k)*math.Log1p(-p)
}

func logFactorial(n int) float64 {
	v, _ := math.Lgamma(float64(n) + 1)
	return v
}

// The two tails of the binomial are regularized incomplete beta functions:
// Abramowitz and Stegun, 26.5.24. Each is computed as itself and not as one
// minus the other, so that tiny probabilities keep their digits.

// atLeast is P(X >= k).
func atLeast(k, n int, p float64) float64 {
	switch {
	case k <= 0:
		return 1
	case k > n:
		return 0
	}
	return mathext.RegIncBeta(float64(k), float64(n-k+1), p)
}

// atMost is P(X <= k).
func atMost(k, n int, p float64) float64 {
	switch {
	case k < 0:
		return 0
	case k >= n:
		return 1
	}
	return mathext.RegIncBeta(float64(n-k), float64(k+1), 1-p)
}
