package main

import (
	"math"
	"math/rand/v2"
	"slices"

	"github.com/canaryctl/canaryctl/internal/metrics"
	"github.com/canaryctl/canaryctl/internal/stats"
)

// service is how requests come to an end, one by one: what a world cannot say, whose
// requests are counted at the moment when they are sent.
type service struct {
	name, story string

	rps     float64
	scrape  float64   // seconds
	weights []float64 // of the steps
	lasts   float64   // seconds of a step

	takes    func(r *rand.Rand) float64 // seconds until an answer, by either version
	slower   func(age float64) float64  // seconds more that the canary takes, so long after its first request
	follows  func(r *rand.Rand) float64 // seconds until routers follow a weight
	unsplit  float64                    // share of the requests that reach stable by other ways
	leave    float64                    // share of the users who leave before the answer, of either version
	patience float64                    // seconds after which every user leaves; 0 for never

	since float64 // seconds from the first weight on, from when the canary is bad
	hang  float64 // share of its requests that are never answered
	given float64 // share of its requests that its users give up
	fails float64 // share of its answers that fail; 0 for as many as stable's
	fail  float64 // share of stable's

	gauges float64 // open requests are counted, and should be answered in so many seconds; 0 for not
}

// ordinary is a service that answers at once, as most do, with a canary that is as good.
func ordinary(name, story string) service {
	return service{
		name: name, story: story, rps: 100, scrape: 1, weights: []float64{0.05, 0.1, 0.25, 0.5}, lasts: 30,
		takes:   lognormal(0.05, 0.5),
		slower:  func(float64) float64 { return 0 },
		follows: func(r *rand.Rand) float64 { return r.Float64() },
		fail:    normal,
	}
}

func lognormal(median, sigma float64) func(*rand.Rand) float64 {
	return func(r *rand.Rand) float64 { return median * math.Exp(sigma*r.NormFloat64()) }
}

func exactly(seconds float64) func(*rand.Rand) float64 {
	return func(*rand.Rand) float64 { return seconds }
}

// request is what became of one: when it ended, if it did.
type request struct {
	sent, ended float64
	canary      bool
	failed      bool
	left        bool // its user did not wait
}

// duration of the whole release, in seconds.
func (s service) duration() float64 { return s.lasts * float64(len(s.weights)) }

// requests draws all of a release, which begins at 0; before it there is stable alone.
func (s service) requests(r *rand.Rand) []request {
	var all []request
	follows := make([]float64, len(s.weights))
	for i := range follows {
		follows[i] = float64(i)*s.lasts + s.follows(r)
	}
	for at := -s.before(); ; {
		if at += r.ExpFloat64() / s.rps; at > s.duration() {
			return all
		}
		weight := 0.0
		for i, from := range follows {
			if at >= from {
				weight = s.weights[i]
			}
		}
		q := request{sent: at, canary: r.Float64() >= s.unsplit && r.Float64() < weight}
		s.end(r, &q, at-follows[0])
		all = append(all, q)
	}
}

// before is how long stable's requests have come already: as long as answers take.
func (s service) before() float64 { return 60 }

func (s service) end(r *rand.Rand, q *request, age float64) {
	takes := s.takes(r)
	rate, leave := s.fail, s.leave
	if q.canary {
		takes += s.slower(age)
	}
	if q.canary && q.sent >= s.since {
		rate, leave = max(rate, s.fails), leave+s.given
		if r.Float64() < s.hang {
			takes = math.Inf(+1)
		}
	}
	if s.patience > 0 && takes > s.patience {
		takes, q.left = s.patience, true
	} else if r.Float64() < leave {
		takes, q.left = takes*r.Float64(), true
	}
	q.failed = !q.left && r.Float64() < rate
	q.ended = q.sent + takes
}

// counted are the counts of one version at the end of each scrape.
type counted struct{ ended, failed, left, sent []uint64 }

// count reads the counters of a version every scrape, offset seconds before the other.
func (s service) count(all []request, canary bool, offset float64) counted {
	n := int(s.duration()/s.scrape) + 1
	c := counted{make([]uint64, n), make([]uint64, n), make([]uint64, n), make([]uint64, n)}
	at := func(t float64) int { return max(0, int(math.Ceil((t+offset)/s.scrape))) }
	for _, q := range all {
		if q.canary != canary {
			continue
		}
		if i := at(q.sent); i < n {
			c.sent[i]++
		}
		if i := at(q.ended); i < n && !math.IsInf(q.ended, 0) {
			c.ended[i]++
			if q.failed {
				c.failed[i]++
			}
			if q.left {
				c.left[i]++
			}
		}
	}
	for _, list := range [][]uint64{c.ended, c.failed, c.left, c.sent} {
		for i := 1; i < n; i++ {
			list[i] += list[i-1]
		}
	}
	return c
}

// learned is what the source tells of stable's latencies before the release.
func (s service) learned(all []request) []metrics.Interval {
	var took []float64
	for _, q := range all {
		if q.ended < 0 && !q.left {
			took = append(took, q.ended-q.sent)
		}
	}
	slices.Sort(took)
	var intervals []metrics.Interval
	for _, edge := range []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60} {
		i, _ := slices.BinarySearch(took, edge)
		intervals = append(intervals, metrics.Interval{Metric: metrics.EdgeName(edge), Before: true,
			Strata: []stats.Counts{{StableTotal: uint64(len(took)), StableBad: uint64(len(took) - i)}}})
	}
	return intervals
}

// gauge makes of open requests those that have been for too long.
type gauge struct {
	patience       int // scrapes
	stable, canary uint64
}

func (g *gauge) counts(i int, ended stats.Counts, stable, canary counted) stats.Counts {
	ended.StableBad = more(&g.stable, i, g.patience, stable)
	ended.CanaryBad = more(&g.canary, i, g.patience, canary)
	ended.StableTotal += stable.sent[i] - stable.ended[i]
	ended.CanaryTotal += canary.sent[i] - canary.ended[i]
	return ended
}

// more is how much the number of those that were sent before the patience, and have
// not ended for sure, exceeds what it was.
func more(most *uint64, i, patience int, c counted) uint64 {
	if i < patience {
		return 0
	}
	open, since := c.sent[i-patience]-c.ended[i-patience], c.ended[i]-c.ended[i-patience]
	if open <= since || open-since <= *most {
		return 0
	}
	grown := open - since - *most
	*most = open - since
	return grown
}
