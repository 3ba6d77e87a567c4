package main

import (
	"math"
	"slices"
)

// mannWhitney compares the minutes of the canary with those of a baseline of the
// same size, as Kayenta's judge is described: the confidence interval, at 98%,
// of the Hodges-Lehmann shift between the two, by the Mann-Whitney test; a metric
// is too high when the lower bound exceeds a quarter of the estimated shift. The
// window grows from the start of the release.
//
// Spinnaker, "How canary judgment works", https://spinnaker.io/docs/guides/user/canary/judge;
// the interval is in Hollander and Wolfe, "Nonparametric Statistical Methods",
// section 4.3.
type mannWhitney struct {
	every, seen int // minutes
	minutes
	baseline, canaryRates []float64
}

const tolerated = 0.25 // of the estimated shift

func (m *mannWhitney) rollBack(o observation) bool {
	if !m.add(o, baselinePods(o.weight)) {
		return false
	}
	if m.canaryTotal > 0 && m.controlTotal > 0 {
		m.baseline = append(m.baseline, m.failed/m.controlTotal)
		m.canaryRates = append(m.canaryRates, m.canary/m.canaryTotal)
	}
	m.seen++
	return m.seen%m.every == 0 && tooHigh(m.baseline, m.canaryRates)
}

// baselinePods is how many Pods of stable get as much traffic as the canary.
func baselinePods(weight float64) int {
	return max(1, min(stablePods, int(math.Round(stablePods*weight/(1-weight)))))
}

func tooHigh(baseline, canary []float64) bool {
	n := float64(len(baseline) * len(canary))
	if n == 0 {
		return false
	}
	shifts := make([]float64, 0, len(baseline)*len(canary))
	for _, c := range canary {
		for _, b := range baseline {
			shifts = append(shifts, c-b)
		}
	}
	slices.Sort(shifts)
	// The k-th smallest shift from either end is a bound of the interval.
	k := int(math.Floor(n/2 - z99*math.Sqrt(n/12*tied(baseline, canary))))
	if k < 1 {
		return false // too few minutes for 98%
	}
	estimate := (shifts[(len(shifts)-1)/2] + shifts[len(shifts)/2]) / 2
	return shifts[k-1] > tolerated*math.Abs(estimate)
}

// tied is the factor N+1 of the variance of the rank sum, less what ties take
// from it.
func tied(a, b []float64) float64 {
	all := slices.Concat(a, b)
	slices.Sort(all)
	n := float64(len(all))
	var ties float64
	for i := 0; i < len(all); {
		j := i
		for j < len(all) && all[j] == all[i] {
			j++
		}
		t := float64(j - i)
		ties += t*t*t - t
		i = j
	}
	return n + 1 - ties/(n*(n-1))
}
