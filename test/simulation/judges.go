package main

import (
	"math"

	"github.com/canaryctl/canaryctl/internal/analysis"
	"github.com/canaryctl/canaryctl/internal/stats"
)

// judge sees a release one scrape at a time and says when to roll it back.
type judge interface{ rollBack(o observation) bool }

// contender is a judge by name; start makes one for a new release, after it saw
// the Pods of stable for an hour.
type contender struct {
	name  string
	start func(history []observation) judge
}

const engineName = "canaryctl"

func contenders() []contender {
	fresh := func(name string, start func() judge) contender {
		return contender{name, func([]observation) judge { return start() }}
	}
	return []contender{
		{engineName, func(h []observation) judge { return newEngine(stats.Default(), h) }},
		{"canaryctl, dispersion not measured", func([]observation) judge { return newEngine(stats.Default(), nil) }},
		{"canaryctl, tolerance for uneven Pods", func(h []observation) judge { return newEngine(tolerant(), h) }},
		fresh("threshold, once", func() judge { return &threshold{limit: 1} }),
		fresh("threshold, 4 times", func() judge { return &threshold{limit: 4} }),
		fresh("threshold, 5 times", func() judge { return &threshold{limit: 5} }),
		fresh("threshold, 10 times", func() judge { return &threshold{limit: 10} }),
		fresh("z-test, every minute", func() judge { return &zTest{} }),
		fresh("Mann-Whitney, every 10 minutes", func() judge { return &mannWhitney{every: 10} }),
		fresh("Mann-Whitney, once after 60", func() judge { return &mannWhitney{every: 60} }),
	}
}

// ofErrors is the part of alpha that errors have by default.
const ofErrors = 1 - 2*analysis.OutcomeWeight

// engine is this project's: the onset mixture with its default configuration.
type engine struct {
	evidence   evidence
	threshold  float64
	dispersion *stats.Dispersion // nil: requests are taken for independent
}

// tolerant allows for Pods that differ for good, as the world of uneven Pods has.
func tolerant() stats.Config {
	c := stats.Default()
	c.Tolerance = must(stats.PodSpreadTolerance(unevenSpread, 1, stablePods))
	return c
}

// evidence is one of the processes of internal/stats.
type evidence interface {
	Update(stats.Scrape) error
	LogE() float64
}

func newEngine(c stats.Config, history []observation) *engine {
	e := &engine{evidence: must(stats.NewOnset(c)), threshold: stats.Threshold(c.RollbackAlpha * ofErrors)}
	if history != nil {
		e.dispersion = new(stats.Dispersion)
	}
	for i := range history {
		check(e.dispersion.Update(history[i].stable[:]))
	}
	return e
}

func (e *engine) rollBack(o observation) bool {
	s := stats.Scrape{Strata: []stats.Counts{o.counts}}
	if e.dispersion != nil { // what was known before this scrape divides it
		s.Dispersion = e.dispersion.Phi()
		check(e.dispersion.Update(o.stable[:]))
	}
	check(e.evidence.Update(s))
	return e.evidence.LogE() >= e.threshold
}

// minutes adds up scrapes until a minute is full.
type minutes struct {
	scrapes              int
	canaryTotal, canary  float64
	controlTotal, failed float64
}

func (m *minutes) add(o observation, controlPods int) (full bool) {
	if m.scrapes == perMinute {
		*m = minutes{}
	}
	m.scrapes++
	m.canaryTotal += float64(o.counts.CanaryTotal)
	m.canary += float64(o.counts.CanaryBad)
	for _, p := range o.stable[:controlPods] {
		m.controlTotal += float64(p.Total)
		m.failed += float64(p.Bad)
	}
	return m.scrapes == perMinute
}

// threshold compares the canary's failures of each minute with the objective and
// rolls back when so many checks have failed, counted over the whole release.
//
// Argo Rollouts, "Analysis": with failureLimit F the run fails on failure F+1,
// so once is 0, its default, and 4 times is 3. Flagger, "Canary analysis":
// threshold is the number of failed checks at which it rolls back.
type threshold struct {
	limit, failed int
	minutes
}

func (t *threshold) rollBack(o observation) bool {
	if t.add(o, 0) && t.canary > slo*t.canaryTotal {
		t.failed++
	}
	return t.failed >= t.limit
}

// zTest compares all requests so far each minute: the textbook test of two
// proportions with a pooled variance, one-sided at 1%, as if it were looked at
// once.
type zTest struct {
	stats.Counts
	scrapes int
}

const z99 = 2.3263478740408408 // the 99% quantile of the normal distribution

func (z *zTest) rollBack(o observation) bool {
	z.StableTotal += o.counts.StableTotal
	z.StableBad += o.counts.StableBad
	z.CanaryTotal += o.counts.CanaryTotal
	z.CanaryBad += o.counts.CanaryBad
	z.scrapes++
	n1, n2 := float64(z.StableTotal), float64(z.CanaryTotal)
	pooled := float64(z.StableBad+z.CanaryBad) / (n1 + n2)
	if z.scrapes%perMinute != 0 || n1 == 0 || n2 == 0 || pooled == 0 {
		return false
	}
	difference := float64(z.CanaryBad)/n2 - float64(z.StableBad)/n1
	return difference > z99*math.Sqrt(pooled*(1-pooled)*(1/n1+1/n2))
}

// check and must are for what is impossible here: the counts are drawn to be
// valid and the configuration is the default.
func check(err error) {
	if err != nil {
		panic(err)
	}
}

func must[T any](v T, err error) T {
	check(err)
	return v
}
