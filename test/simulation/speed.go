package main

import (
	"context"
	"fmt"
	"math"

	"github.com/canaryctl/canaryctl/internal/stats"
)

// regression is a canary that is worse from its first request, or from a minute.
type regression struct{ stable, canary, weight, from float64 }

func (r regression) String() string {
	return fmt.Sprintf("%.4g%% -> %.4g%%", 100*r.stable, 100*r.canary)
}

func (r regression) world() world {
	w := calm(fmt.Sprint(r), "")
	w.weight, w.rate = always(r.weight), always(r.stable)
	w.factor = func(m float64) float64 {
		if m < r.from {
			return 1
		}
		return r.canary / r.stable
	}
	return w
}

// method is a way to look at the same traffic.
type method struct {
	name    string
	seconds float64 // between looks
	alpha   float64
	start   func() evidence
}

// ratioOnly is the plain evidence of a ratio above 1, for which the method's
// design states its figures.
func ratioOnly(seconds float64) method {
	c := stats.Default()
	c.Tolerance = 0
	return method{fmt.Sprintf("tolerance 0, no onset, a look every %.0f s", seconds), seconds, c.RollbackAlpha,
		func() evidence { return must(stats.NewRollback(c)) }}
}

// ratioOnset differs from ratioOnly by the onset mixture alone.
func ratioOnset() method {
	c := stats.Default()
	c.Tolerance, c.OnsetIntervals = 0, 2*hour
	return method{"tolerance 0, onset, a look every 15 s", scrape, c.RollbackAlpha,
		func() evidence { return must(stats.NewOnset(c)) }}
}

// usual is what canaryctl does unless told otherwise.
func usual() method {
	return method{"default: tolerance 10%, onset, half of alpha, a look every 15 s", scrape, stats.Default().RollbackAlpha * ofErrors,
		func() evidence { return must(stats.NewOnset(stats.Default())) }}
}

// detect runs releases of a regression until the method has found each, or for
// so many minutes. Requests are counted and time is taken from its onset.
func detect(ctx context.Context, r regression, m method, count int, minutes float64) tally {
	t := tally{m.name, make([]outcome, count)}
	inParallel(ctx, count, func(run int) {
		var (
			s   = newSource(r.world(), seedOf(m.name+fmt.Sprint(r)), uint64(run))
			e   = m.start()
			end = outcome{at: math.Inf(+1)}
		)
		for look := range int(minutes * 60 / m.seconds) {
			now := float64(look) * m.seconds / 60
			o := s.next(now, m.seconds)
			check(e.Update(stats.Scrape{Strata: []stats.Counts{o.counts}}))
			if now >= r.from {
				end.canary += float64(o.counts.CanaryTotal)
			}
			if e.LogE() >= stats.Threshold(m.alpha) {
				end.at = max(0, now+m.seconds/60-r.from)
				break
			}
		}
		t.outcomes[run] = end
	})
	return t
}

// expected are the canary requests to median, 80% and 95% in the design of the
// method, with a look every second.
type expected struct {
	regression
	quantiles [3]float64
}

func design() []expected {
	return []expected{
		{regression{0.001, 0.01, 0.1, 0}, [3]float64{547, 928, 1369}},
		{regression{0.01, 0.02, 0.1, 0}, [3]float64{1691, 2777, 3789}},
		{regression{0.01, 0.02, 0.5, 0}, [3]float64{3189, 4984, 7009}},
		{regression{0.01, 0.05, 0.1, 0}, [3]float64{182, 288, 414}},
	}
}

func requests(o outcome) float64 { return o.canary }
func minute(o outcome) float64   { return o.at }
