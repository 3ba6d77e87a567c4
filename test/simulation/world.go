package main

import (
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/canaryctl/canaryctl/internal/stats"
)

const (
	stablePods = 9  // beside one Pod of the canary: at a weight of 10% all are alike
	scrape     = 15 // seconds
	perMinute  = 60 / scrape
	hour       = 60 * perMinute // scrapes
)

// world is how traffic comes and fails. Functions take the minute of the
// release; the hour before it has negative minutes, and no canary.
type world struct {
	name, story string
	independent bool // every request fails by itself, as the theorem asks

	rps    func(minute float64) float64
	weight func(minute float64) float64
	rate   func(minute float64) float64 // of failures, of stable
	factor func(minute float64) float64 // by which the canary fails more often

	burst  float64 // mean failures in one burst; 0 for one at a time
	spells bool    // Pods have bad minutes of their own
	spread float64 // standard deviation of the logarithm of Pods' own rates
}

// observation is what one scrape of every Pod adds.
type observation struct {
	stable [stablePods]stats.PodCounts
	counts stats.Counts
	excess float64 // failures that stable would have spared the canary's users, expected
	weight float64
}

// source draws the observations of one release. The same seed gives the same.
type source struct {
	world
	*rand.Rand
	raw  rand.Source
	pods [1 + stablePods]pod // the canary's is the first
}

type pod struct {
	own   float64 // factor on the rate, for good
	spell bool
}

// Bad minutes of a Pod: one in half an hour, of two minutes, with eight times
// as many failures.
const (
	spellBegins = scrape / 1800.0
	spellEnds   = scrape / 120.0
	spellFactor = 8
)

func newSource(w world, seed, run uint64) *source {
	raw := rand.NewPCG(seed, run)
	s := &source{world: w, Rand: rand.New(raw), raw: raw}
	for i := range s.pods {
		s.pods[i].own = math.Exp(s.spread * s.NormFloat64())
	}
	return s
}

// next draws what happens in so many seconds from a minute on.
func (s *source) next(minute, seconds float64) observation {
	var (
		o    = observation{weight: s.weight(minute)}
		mean = s.rps(minute) * seconds
		rate = s.rate(minute)
	)
	if minute < 0 {
		o.weight = 0
	}
	o.counts.CanaryTotal, o.counts.CanaryBad = s.answers(0, mean*o.weight, rate*s.factor(minute))
	o.excess = float64(o.counts.CanaryTotal) * rate * (s.factor(minute) - 1)
	for i := range o.stable {
		p := &o.stable[i]
		p.Pod = string(rune('a' + i))
		p.Total, p.Bad = s.answers(1+i, mean*(1-o.weight)/stablePods, rate)
		o.counts.StableTotal += p.Total
		o.counts.StableBad += p.Bad
	}
	return o
}

func (s *source) answers(i int, mean, rate float64) (total, bad uint64) {
	p := &s.pods[i]
	if s.spells {
		if p.spell {
			p.spell = s.Float64() >= spellEnds
		} else {
			p.spell = s.Float64() < spellBegins
		}
		if p.spell {
			rate *= spellFactor
		}
	}
	if mean > 0 {
		total = uint64(distuv.Poisson{Lambda: mean, Src: s.raw}.Rand())
	}
	return total, s.failures(total, min(1, rate*p.own))
}

// failures is binomial, or of bursts whose size is geometric.
func (s *source) failures(n uint64, rate float64) uint64 {
	if s.burst <= 1 {
		return s.binomial(n, rate)
	}
	var bad uint64
	for range s.binomial(n, rate/s.burst) {
		bad += 1 + s.geometric(1/s.burst)
	}
	return min(n, bad)
}

// binomial jumps from success to success, which is quick when they are rare.
func (s *source) binomial(n uint64, p float64) (successes uint64) {
	if p <= 0 {
		return 0
	}
	for i := s.geometric(p); i < n; i += 1 + s.geometric(p) {
		successes++
	}
	return successes
}

// geometric is the number of trials that fail before the first success.
func (s *source) geometric(p float64) uint64 {
	if p >= 1 {
		return 0
	}
	return uint64(min(math.MaxInt64/2, math.Log(1-s.Float64())/math.Log1p(-p)))
}
