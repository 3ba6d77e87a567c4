package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/canaryctl/canaryctl/internal/analysis"
	"github.com/canaryctl/canaryctl/internal/metrics"
	"github.com/canaryctl/canaryctl/internal/stats"
)

// ending is how a release ended.
type ending struct {
	at    float64 // seconds after the first weight; infinite if it was not rolled back
	cause string
	hurt  int // users of the canary who got no answer until then, or a bad one
}

// release plays one by the whole method, with its defaults.
func (s service) release(run uint64) ending {
	r := rand.New(rand.NewPCG(seedOf(s.name), run))
	all := s.requests(r)
	phase, offset := r.Float64()*s.scrape, r.Float64()*s.scrape
	stable, canary := s.count(all, false, phase), s.count(all, true, phase+offset)
	a := must(analysis.New(analysis.Default(), analysis.Versions{Stable: "v1", Canary: "v2"}))
	a.Learn(s.learned(all))
	clock := func(seconds float64) time.Time { return time.Unix(0, 0).Add(time.Duration(seconds * 1e9)) }
	open := gauge{patience: int(s.gauges / s.scrape)}
	step := -1
	for i := 1; i < len(stable.ended); i++ {
		start, end := float64(i-1)*s.scrape-phase, float64(i)*s.scrape-phase
		for step+1 < len(s.weights) && end > float64(step+1)*s.lasts {
			step++
			check(a.Expect(analysis.Expectation{Share: s.weights[step], From: clock(float64(step) * s.lasts)}))
		}
		add := func(metric string, c stats.Counts) {
			check(a.Add(metrics.Interval{Metric: metric, Start: clock(start), End: clock(end), Strata: []stats.Counts{c}}))
		}
		grew := func(list []uint64) uint64 { return list[i] - list[i-1] }
		ended := stats.Counts{StableTotal: grew(stable.ended), StableBad: grew(stable.left), CanaryTotal: grew(canary.ended), CanaryBad: grew(canary.left)}
		add(analysis.Errors, stats.Counts{
			StableTotal: ended.StableTotal - ended.StableBad, StableBad: grew(stable.failed),
			CanaryTotal: ended.CanaryTotal - ended.CanaryBad, CanaryBad: grew(canary.failed),
		})
		if s.leave+s.patience+s.given > 0 {
			add(analysis.GivenUp, ended)
		}
		if s.gauges > 0 {
			add(analysis.Unanswered, open.counts(i, ended, stable, canary))
		}
		if a.Outcome() == analysis.Fail {
			return ending{end, a.Causes()[0], hurt(all, end)}
		}
	}
	return ending{at: math.Inf(+1), hurt: hurt(all, s.duration())}
}

// hurt counts the canary's users up to a time, those who were still waiting among them
// where nobody would ever answer.
func hurt(all []request, until float64) int {
	n := 0
	for _, q := range all {
		if q.canary && q.sent < until && (math.IsInf(q.ended, +1) || q.failed || q.left) {
			n++
		}
	}
	return n
}

// healthy are services with a canary that is no worse than stable, whose requests do
// not all end at once.
func healthy() []service {
	with := func(name, story string, change func(*service)) service {
		s := ordinary(name, story)
		change(&s)
		return s
	}
	return []service{
		ordinary("quick answers", "half of the answers take 50 ms at most, hardly any 250 ms; routers follow a weight within a second"),
		with("slow start", "the canary's first answers take 2 s more, those after 10 s none", func(s *service) {
			s.slower = func(age float64) float64 { return max(0, 2*(1-age/10)) }
		}),
		with("slower canary", "all its answers take 2 s more, and are right", func(s *service) {
			s.slower = func(float64) float64 { return 2 }
		}),
		with("slow routers", "they follow a weight after a second on average, and after 3 s at most", func(s *service) {
			s.follows = func(r *rand.Rand) float64 { return min(3, r.ExpFloat64()) }
		}),
		with("3 s answers", "those of both versions take 3 s", func(s *service) { s.takes = exactly(3) }),
		with("20 s answers", "those of both versions take 20 s", func(s *service) { s.takes = exactly(20) }),
		with("heavy tails", "half of the answers take 0.5 s at most, one in twenty 6 s or more", func(s *service) { s.takes = lognormal(0.5, 1.5) }),
		with("half not split", "half of the requests reach stable by other ways than the route", func(s *service) { s.unsplit = 0.5 }),
		with("users who leave", "one in a hundred leaves before the answer, of either version", func(s *service) { s.leave = 0.01 }),
		with("few requests", "5 requests/s", func(s *service) { s.rps, s.lasts = 5, 120 }),
		with("rare scrapes", "every 15 s; steps of two minutes", func(s *service) { s.scrape, s.lasts = 15, 120 }),
	}
}

// beyondIt are good canaries too, which the method is not made for: what it takes
// them for is said.
func beyondIt() []service {
	slow, slower, bypassed := ordinary("3 s slower", ""), ordinary("4 s slower", ""), ordinary("three quarters not split", "")
	slow.slower = func(float64) float64 { return 3 }
	slower.slower = func(float64) float64 { return 4 }
	bypassed.unsplit = 0.75
	return []service{slow, slower, bypassed}
}

// sick are services with a canary that is bad in another way each, with a tenth of 100
// requests/s from second 0 on.
func sick() []service {
	with := func(name string, change func(*service)) service {
		s := ordinary(name, "")
		s.weights, s.lasts = []float64{0.1}, 120
		change(&s)
		return s
	}
	return []service{
		with("20% of the answers fail", func(s *service) { s.fails = 0.2 }),
		with("all answers fail", func(s *service) { s.fails = 1 }),
		with("all requests hang", func(s *service) { s.hang = 1 }),
		with("all hang after a minute", func(s *service) { s.hang, s.since = 1, 60 }),
		with("all hang, users leave after 2 s", func(s *service) { s.hang, s.patience = 1, 2 }),
		with("half hang, users leave after 2 s", func(s *service) { s.hang, s.patience = 0.5, 2 }),
		with("half hang, open requests are counted", func(s *service) { s.hang, s.gauges = 0.5, 5 }),
		with("half hang, nothing else is known", func(s *service) { s.hang = 0.5 }),
		with("20% are given up", func(s *service) { s.given = 0.2 }),
		with("all are given up", func(s *service) { s.given = 1 }),
	}
}

// endings are how all releases of a service ended.
type endings struct {
	service
	all []ending
}

func play(ctx context.Context, services []service, count int) []endings {
	played := make([]endings, len(services))
	for i, s := range services {
		played[i] = endings{s, make([]ending, count)}
		inParallel(ctx, count, func(run int) { played[i].all[run] = s.release(uint64(run)) })
	}
	return played
}

// rolledBack is how many were, and the exact limits of the share.
func (e endings) rolledBack() (k int, limits stats.Interval) {
	for _, one := range e.all {
		if !math.IsInf(one.at, +1) {
			k++
		}
	}
	return k, stats.ClopperPearson(k, len(e.all), 0.95)
}

func (e endings) share() string {
	k, limits := e.rolledBack()
	return fmt.Sprintf("%s (%s–%s)", percent(float64(k)/float64(len(e.all))), digits(100*limits.Low), percent(limits.High))
}

// after is a quantile of the time that it took, in seconds from when it was bad;
// infinite where so many were not found.
func (e endings) after(q float64) float64 {
	times := make([]float64, len(e.all))
	for i, one := range e.all {
		times[i] = one.at - e.since
	}
	slices.Sort(times)
	return times[min(len(times)-1, int(q*float64(len(times))))]
}

func secondsOf(v float64) string {
	if math.IsInf(v, +1) {
		return "not found"
	}
	return fmt.Sprintf("%.1f s", v)
}

// causes are those that were named, the most frequent first.
func (e endings) causes() string {
	times := map[string]int{}
	for _, one := range e.all {
		if one.cause != "" {
			times[one.cause]++
		}
	}
	var names []string
	for name := range times {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return times[b] - times[a] })
	return strings.Join(names, ", ")
}

func (e endings) meanHurt() float64 {
	var sum int
	for _, one := range e.all {
		sum += one.hurt
	}
	return float64(sum) / float64(len(e.all))
}

func goodEndings(all []endings) string {
	t := newTable("good releases", "rolled back", "by")
	together := endings{}
	for _, e := range all {
		t.row(fmt.Sprintf("**%s**: %s", e.name, e.story), e.share(), e.causes())
		together.all = append(together.all, e.all...)
	}
	t.row("**together**", together.share(), together.causes())
	return t.String()
}

func oddEndings(all []endings) string {
	t := newTable("good releases that are taken for bad ones", "rolled back", "by")
	for _, e := range all {
		t.row(e.name, e.share(), e.causes())
	}
	return t.String()
}

func badEndings(all []endings) string {
	t := newTable("bad releases", "found", "median", "95%", "by", "users hurt")
	for _, e := range all {
		k, _ := e.rolledBack()
		t.row(e.name, percent(float64(k)/float64(len(e.all))), secondsOf(e.after(0.5)), secondsOf(e.after(0.95)), e.causes(), fmt.Sprintf("%.0f", e.meanHurt()))
	}
	return t.String()
}
