package stats

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"time"
)

// ErrUndetectable is wrapped by errors about a regression that no amount of
// traffic, or not the amount that was named, can reveal.
var ErrUndetectable = errors.New("undetectable")

// Plan is a regression and the way it would be looked for. The evidence grows by
// a drift D per error, so to a first approximation it reaches log(1/α) as a
// random walk with drift does: Wald, "Sequential Analysis" (1947); Siegmund,
// "Sequential Analysis" (1985). The simulation in the documentation shows how
// close it comes.
type Plan struct {
	StableRate float64 // p1: share of stable's requests that are bad
	CanaryRate float64 // p2: share of the canary's, if it is worse
	Weight     float64 // w: the canary's share of requests

	Tolerance  float64 // as in Config
	Alpha      float64 // RollbackAlpha
	Dispersion float64 // φ; 0 stands for 1
	Onset      bool    // with the mixture over late regressions

	Scrape float64 // requests of the canary between two scrapes; 0 for a look at each request
	Cap    float64 // as in Config; only a scrape has one
}

const (
	overshoot  = 1    // evidence beyond the threshold when it is crossed, and the price of the prior
	onsetPrice = 1.10 // log 2 more to gather, from the start
	fewPrice   = 1.15 // with few errors the walk is far from normal
	fewErrors  = 10
)

// Requests is the number of canary requests after which a rollback happens with
// the given power:
//
//	r = ((1−w)·p1 + w·p2)/w                      errors per canary request
//	θ = w·p2/((1−w)·p1 + w·p2)                   the canary's share of errors
//	θ0 = w(1+tol)/(1−w + w(1+tol))               at the edge of the tolerance
//	D = θ·log(θ/θ0) + (1−θ)·log((1−θ)/(1−θ0))    Kullback-Leibler
//	N = ((z√2 + √(2z²+4b))/2)² / (r·D),          b = log(1/α) + 1
//
// with z the normal quantile of the power, times the dispersion, 10% more for the
// onset mixture and 15% more below about ten expected canary errors.
//
// With a scrape, evidence comes in lumps, of which the cap cuts the largest (see
// capped). It is seen half a scrape late on average, and takes MinScrapes at
// least.
func (p Plan) Requests(power float64) (float64, error) {
	if err := p.validate(power); err != nil {
		return 0, err
	}
	if p.CanaryRate <= (1+p.Tolerance)*p.StableRate {
		return 0, fmt.Errorf("plan for error rates %v and %v: %w: the tolerance of %v allows that",
			p.StableRate, p.CanaryRate, ErrUndetectable, p.Tolerance)
	}
	n := p.requests(power)
	if !finite(n) {
		return 0, fmt.Errorf("plan for error rates %v and %v: %w: too close to the tolerance of %v",
			p.StableRate, p.CanaryRate, ErrUndetectable, p.Tolerance)
	}
	return n, nil
}

func (p Plan) requests(power float64) float64 {
	var (
		z        = math.Sqrt2 * math.Erfinv(2*power-1)
		b        = Threshold(p.Alpha) + overshoot
		lump     = cmp.Or(p.Scrape, 1)
		drift    = p.drift() * lump / max(1, p.Dispersion)
		variance = 2 * drift
	)
	if p.Scrape > 0 && p.Cap > 0 {
		drift, variance = capped(drift, p.Cap)
	}
	root := (z*math.Sqrt(variance) + math.Sqrt(z*z*variance+4*b*drift)) / (2 * drift)
	n := root * root * lump
	n *= few(n * p.CanaryRate)
	if p.Onset {
		n *= onsetPrice
	}
	return max(n, float64(p.MinScrapes())*p.Scrape) + p.Scrape/2
}

// MinScrapes is how many it takes at least, however bad the canary is: each can
// multiply the evidence by no more than the cap. The onset mixture begins with half
// of the evidence.
func (p Plan) MinScrapes() int {
	if p.Scrape == 0 || p.Cap == 0 {
		return 1
	}
	needed := Threshold(p.Alpha)
	if p.Onset {
		needed += math.Ln2
	}
	const rounding = 1e-9
	return int(math.Ceil(needed/p.Cap - rounding))
}

// drift is r·D, the evidence that one canary request adds on average.
func (p Plan) drift() float64 {
	var (
		w         = p.Weight
		canary    = w * p.CanaryRate
		bad       = (1-w)*p.StableRate + canary
		share     = canary / bad
		tolerated = w * (1 + p.Tolerance) / (1 - w + w*(1+p.Tolerance))
		drift     = share * math.Log(share/tolerated)
	)
	if share < 1 { // 0·log 0 = 0, when stable never fails
		drift += (1 - share) * math.Log((1-share)/(1-tolerated))
	}
	return bad / w * drift
}

// few is 15% up to ten errors and fades out up to twenty. A step instead would
// say that a larger regression takes longer to find than a smaller one.
func few(errors float64) float64 {
	rest := min(1, max(0, 2-errors/fewErrors))
	return 1 + (fewPrice-1)*rest
}

// Detectable is the smallest error rate of the canary that is found with the
// given power, a half or more, within so many canary requests; CanaryRate is not
// used. Not even a canary that always fails may be: then the error wraps
// ErrUndetectable.
func (p Plan) Detectable(requests, power float64) (float64, error) {
	p.CanaryRate = 1
	if err := p.validate(power); err != nil {
		return 0, err
	}
	if !(requests > 0 && finite(requests)) {
		return 0, mistake("number of requests", requests, "positive")
	}
	found := func(rate float64) bool {
		p.CanaryRate = rate
		return p.requests(power) <= requests // which falls with the rate
	}
	tolerated := (1 + p.Tolerance) * p.StableRate
	if tolerated >= 1 || !found(1) {
		return 0, fmt.Errorf("plan for %.0f requests: %w: not even an error rate of 1 would be found against %v of stable",
			requests, ErrUndetectable, p.StableRate)
	}
	return boundary(1, tolerated, 1e-12, found), nil
}

// Power is the probability that the rollback has happened after so many canary
// requests: Requests, solved for z. With x = √(N·r·D), z = (x − b/x)/√2.
func (p Plan) Power(requests float64) (float64, error) {
	if _, err := p.Requests(0.5); err != nil {
		return 0, err
	}
	if !(requests >= 0 && finite(requests)) {
		return 0, mistake("number of requests", requests, "0 or more")
	}
	const unlikely, certain = 1e-9, 1 - 1e-9
	switch { // powers that no plan is made for
	case p.requests(unlikely) > requests:
		return 0, nil
	case p.requests(certain) <= requests:
		return 1, nil
	}
	return boundary(unlikely, certain, 1e-12, func(power float64) bool { return p.requests(power) <= requests }), nil
}

func (p Plan) validate(power float64) error {
	for _, check := range []struct {
		name  string
		value float64
		ok    bool
		want  string
	}{
		{"error rate of stable", p.StableRate, p.StableRate == 0 || validShare(p.StableRate), "0 or between 0 and 1"},
		{"error rate of the canary", p.CanaryRate, p.CanaryRate >= 0 && p.CanaryRate <= 1, "0 to 1"},
		{"weight", p.Weight, validShare(p.Weight), "between 0 and 1"},
		{"tolerance", p.Tolerance, validTolerance(p.Tolerance), "0 to 999"},
		{"alpha", p.Alpha, validShare(p.Alpha), "between 0 and 1"},
		{"dispersion", p.Dispersion, p.Dispersion == 0 || p.Dispersion >= 1 && finite(p.Dispersion), "at least 1"},
		{"requests in a scrape", p.Scrape, p.Scrape >= 0 && finite(p.Scrape), "0 (none) or more"},
		{"cap", p.Cap, validCap(p.Cap), "0 (none) to 1000"},
		{"power", power, validShare(power), "between 0 and 1"},
	} {
		if !check.ok {
			return mistake(check.name, check.value, check.want)
		}
	}
	return nil
}

// Traffic turns requests into time and back.
type Traffic struct {
	RPS    float64 // of both versions together
	Weight float64 // the canary's share
}

// Time is how long the canary takes to get so many requests.
func (t Traffic) Time(requests float64) (time.Duration, error) {
	if !(t.RPS > 0 && validShare(t.Weight)) {
		return 0, fmt.Errorf("time for %.0f requests: %v requests/s at a weight of %v never bring them", requests, t.RPS, t.Weight)
	}
	seconds := requests / (t.RPS * t.Weight)
	if !(seconds >= 0 && seconds < math.MaxInt64/float64(time.Second)) {
		return 0, mistake("number of requests", requests, "one that this traffic brings in 292 years")
	}
	return time.Duration(seconds * float64(time.Second)), nil
}

// Requests is how many the canary gets in a time.
func (t Traffic) Requests(d time.Duration) float64 { return t.RPS * t.Weight * d.Seconds() }
