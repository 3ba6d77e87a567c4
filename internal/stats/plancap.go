package stats

import "math"

// capped is the drift and the variance of the evidence that one scrape adds, where
// the cap leaves it, of a drift without one. A log likelihood ratio is about
// normal, with a variance of twice its mean. A tilt of a part s of the best one adds
//
//	(2s − s²)·drift, with a variance of 2·s²·drift:
//
// less on average, but more evenly, so the cap takes less of it. The mixture finds
// the tilt that grows fastest under the cap; here that is looked for by golden
// section.
func capped(drift, limit float64) (mean, variance float64) {
	const golden, rounds = 0.6180339887498949, 60
	at := func(s float64) float64 {
		mean, _ := limited((2*s-s*s)*drift, s*math.Sqrt(2*drift), limit)
		return mean
	}
	low, high := 0.0, 1.0
	for range rounds {
		if left, right := high-golden*(high-low), low+golden*(high-low); at(left) < at(right) {
			low = left
		} else {
			high = right
		}
	}
	s := (low + high) / 2
	return limited((2*s-s*s)*drift, s*math.Sqrt(2*drift), limit)
}

// limited is the mean and the variance of min(X, limit) of a normal X: with
// u = (limit − mean)/σ, what is cut off is σφ(u) − (limit−mean)Φ(−u) on average.
func limited(mean, sigma, limit float64) (m, variance float64) {
	var (
		room    = limit - mean
		u       = room / sigma
		density = math.Exp(-u*u/2) / math.Sqrt(2*math.Pi)
		beyond  = math.Erfc(u/math.Sqrt2) / 2
		below   = room*(1-beyond) + sigma*density // mean of (limit − X)+
		squares = sigma*sigma*(1-beyond) + room*below
	)
	return mean - (sigma*density - room*beyond), max(0, squares-below*below)
}
