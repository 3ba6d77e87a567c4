package analysis_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"gonum.org/v1/gonum/stat/distuv"
	"pgregory.net/rapid"

	"github.com/canaryctl/canaryctl/internal/analysis"
	"github.com/canaryctl/canaryctl/internal/metrics"
	"github.com/canaryctl/canaryctl/internal/stats"
)

// drawIntervals are of errors, of lengths that differ.
func drawIntervals(t *rapid.T, most int) []metrics.Interval {
	intervals := make([]metrics.Interval, rapid.IntRange(1, most).Draw(t, "intervals"))
	end := time.Unix(1_800_000_000, 0)
	for n := range intervals {
		start := end
		end = start.Add(time.Duration(rapid.IntRange(1, 40_000).Draw(t, "milliseconds")) * time.Millisecond)
		intervals[n] = metrics.Interval{Metric: analysis.Errors, Start: start, End: end}
		for _, route := range []string{"/cart", "/pay"}[:rapid.IntRange(1, 2).Draw(t, "routes")] {
			c := stats.Counts{Stratum: route}
			c.StableTotal = rapid.Uint64Range(0, 500).Draw(t, "stable")
			c.StableBad = rapid.Uint64Range(0, min(c.StableTotal, 20)).Draw(t, "bad of stable")
			c.CanaryTotal = rapid.Uint64Range(0, 500).Draw(t, "canary")
			c.CanaryBad = rapid.Uint64Range(0, min(c.CanaryTotal, 20)).Draw(t, "bad of canary")
			intervals[n].Strata = append(intervals[n].Strata, c)
		}
	}
	return intervals
}

func TestFigures(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, err := analysis.New(analysis.Default(), versions())
		if err != nil {
			t.Fatal(err)
		}
		if f := a.Figures(); f.Risk != 1 || f.Rate != 0 || f.Harm != 0 {
			t.Fatalf("%+v although nothing is known", f)
		}
		intervals := drawIntervals(t, 12)
		for _, i := range intervals {
			if err := a.Add(i); err != nil {
				t.Fatal(err)
			}
		}
		f, v := a.Figures(), must(t, a)
		if f.Stable != v.Metrics[0].Stable || f.Canary != v.Metrics[0].Canary {
			t.Errorf("%+v, the verdict has %+v and %+v", f, v.Metrics[0].Stable, v.Metrics[0].Canary)
		}
		if a.CanarySince(intervals[0].Start) != f.Canary.Requests || a.CanarySince(intervals[len(intervals)-1].End) != 0 {
			t.Errorf("the exposure from the beginning is %d of %d, from the end %d",
				a.CanarySince(intervals[0].Start), f.Canary.Requests, a.CanarySince(intervals[len(intervals)-1].End))
		}
		for k := range intervals {
			want := a.CanarySince(intervals[k].End)
			for _, c := range intervals[k].Strata {
				want += c.CanaryTotal
			}
			if got := a.CanarySince(intervals[k].Start); got != want {
				t.Errorf("exposure of %d from interval %d on, want %d", got, k, want)
			}
			if got := a.CanarySince(intervals[k].Start.Add(1)); got != want && got != a.CanarySince(intervals[k].End) {
				t.Errorf("an interval in which the step began counts: %d", got)
			}
		}
		stable, canary := share(f.Stable), share(f.Canary)
		switch {
		case !(f.Risk >= 0 && f.Risk <= 1):
			t.Errorf("risk %v", f.Risk)
		case f.Risk > 0 && f.Risk < canary-stable:
			t.Errorf("risk %v, and it is %v more already", f.Risk, canary-stable)
		case f.Risk == 0 && canary > stable*(1+analysis.Default().Tolerance):
			t.Errorf("no risk, with %v bad of the canary and %v of stable", canary, stable)
		case f.Risk > 0 != (f.Needs > 0), f.Risk > 0 && f.Least <= 0:
			t.Errorf("risk %v needs %v requests, and at least %v", f.Risk, f.Needs, f.Least)
		}
	})
}

func share(a analysis.Arm) float64 { return float64(a.Bad) / float64(max(a.Requests, 1)) }

func must(t interface{ Fatal(args ...any) }, a *analysis.Analysis) analysis.Verdict {
	v, err := a.Verdict()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// What both versions share is no harm, be it an outage, and whatever the weight is
// at that time. What only the canary does is, within two standard errors.
func TestHarm(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, err := analysis.New(analysis.Default(), versions())
		if err != nil {
			t.Fatal(err)
		}
		var extra float64
		for n := range rapid.IntRange(1, 20).Draw(t, "intervals") {
			bad := rapid.Uint64Range(0, 10).Draw(t, "bad of a hundred")
			weight := rapid.Uint64Range(1, 9).Draw(t, "weight")
			more := rapid.Uint64Range(0, 50).Draw(t, "more")
			extra += float64(more)
			c := counts((10-weight)*100, (10-weight)*bad, weight*100, weight*bad+more)
			if err := a.Add(at(n, analysis.Errors, c)); err != nil {
				t.Fatal(err)
			}
		}
		f := a.Figures()
		if math.Abs(f.Harm-extra) > 1e-6 {
			t.Errorf("harm %v, want %v", f.Harm, extra)
		}
		if extra > 0 && !(f.HarmError > 0) {
			t.Errorf("no standard error of %v", f.Harm)
		}
	})
}

// The rate is that of now: 200 requests a second, whatever was before.
func TestRate(t *testing.T) {
	a := start(t, analysis.Default())
	add(t, a, repeat(10, counts(90_000, 9, 10_000, 1))...)
	for n := range 4 {
		add(t, a, at(10+n, analysis.Errors, counts(2700, 9, 300, 1)))
	}
	if f := a.Figures(); f.Rate != 200 {
		t.Errorf("rate %v", f.Rate)
	}
}

// The more a good canary answers, the smaller the risk.
func TestRiskShrinks(t *testing.T) {
	a := start(t, analysis.Default())
	last := a.Figures().Risk
	for n := range 50 {
		add(t, a, at(n, analysis.Errors, counts(900, 9, 100, 1)))
		f := a.Figures()
		if f.Risk >= last {
			t.Fatalf("risk %v after %d intervals, %v before", f.Risk, n+1, last)
		}
		last = f.Risk
	}
	if last > 0.01 {
		t.Errorf("%v after 5,000 requests of which 1%% were bad, as of stable's", last)
	}
}

// A canary that turns out as bad as the Risk allows fails after about as many
// requests as it Needs, rather fewer: the median is between a third and 1.5 times.
func TestNeeds(t *testing.T) {
	src := rand.NewPCG(3, 3)
	bad := func(n uint64, p float64) uint64 { return uint64(distuv.Binomial{N: float64(n), P: p, Src: src}.Rand()) }
	c := analysis.Default()
	c.Cap = 0 // a look at every request
	for _, test := range []struct {
		before         int // intervals of a good canary
		stable, weight uint64
	}{{0, 20, 10}, {10, 20, 10}, {100, 20, 10}, {100, 20, 30}, {1000, 0, 10}} {
		var ratios []float64
		for range 21 {
			a := start(t, c)
			n := 0
			feed := func(total uint64, p float64) {
				canary := total * test.weight / 100
				rate := float64(test.stable) / 1000
				add1(t, a, at(n, analysis.Errors, counts(total-canary, bad(total-canary, rate), canary, bad(canary, p))))
				n++
			}
			for range test.before {
				feed(200, float64(test.stable)/1000)
			}
			if test.before == 0 {
				add1(t, a, at(0, analysis.Errors, counts(20_000, 20*test.stable, 0, 0)))
				n++
			}
			f := a.Figures()
			p := min(1, share(f.Stable)+f.Risk)
			for a.Outcome() != analysis.Fail && n < 20_000 {
				feed(10*(1+uint64(f.Needs)/200), p)
			}
			ratios = append(ratios, float64(a.Figures().Canary.Requests-f.Canary.Requests)/f.Needs)
		}
		slices.Sort(ratios)
		if median := ratios[len(ratios)/2]; median > 1.5 || median < 1.0/3 {
			t.Errorf("%+v: it took %v times as many requests as it was to need", test, median)
		}
	}
}

func add1(t *testing.T, a *analysis.Analysis, i metrics.Interval) {
	t.Helper()
	if err := a.Add(i); err != nil {
		t.Fatal(err)
	}
}

func TestShownQuantile(t *testing.T) {
	edge := func(seconds float64, stable, canary uint64) metrics.Interval {
		return at(0, metrics.EdgeName(seconds), counts(1000, stable, 100, canary))
	}
	look := []metrics.Interval{
		at(0, analysis.Errors, counts(1000, 500, 100, 50)),
		edge(0.5, 10, 5), edge(0.1, 500, 50), edge(0.25, 100, 20),
		{Metric: metrics.EdgeName(0.1), Before: true, Strata: []stats.Counts{counts(1e6, 1e6, 0, 0)}},
	}
	for _, test := range []struct{ q, stable, canary float64 }{
		{0.25, 0.05, 0.05},
		{0.5, 0.1, 0.1},
		{0.9, 0.25, 0.25 + 0.25*10/15},
		{0.99, 0.5, 0.5}, // beyond the last edge of the canary
	} {
		stable, canary, ok := analysis.Quantile(look, test.q)
		if !ok || math.Abs(stable-test.stable) > 1e-9 || math.Abs(canary-test.canary) > 1e-9 {
			t.Errorf("p%v: %v and %v, want %v and %v", 100*test.q, stable, canary, test.stable, test.canary)
		}
	}
	if stable, canary, ok := analysis.Quantile([]metrics.Interval{at(0, metrics.EdgeName(1), counts(10, 1, 0, 0))}, 0.5); !ok || math.IsNaN(stable) || !math.IsNaN(canary) {
		t.Errorf("%v and %v of a canary without requests", stable, canary)
	}
	if _, _, ok := analysis.Quantile(look[:1], 0.5); ok {
		t.Error("a quantile without a histogram")
	}
}

// The quantile lies within the bucket that holds it, and grows with q.
func TestShownQuantileIsWithinItsBucket(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		edges := []float64{0.01, 0.1, 0.5, 1, 5}
		slow := uint64(1000)
		var look []metrics.Interval
		shares := []float64{1}
		for _, e := range edges {
			slow = rapid.Uint64Range(0, slow).Draw(t, "slower")
			shares = append(shares, float64(slow)/1000)
			look = append(look, at(0, metrics.EdgeName(e), counts(1000, slow, 1000, slow)))
		}
		q := rapid.Float64Range(0.01, 0.99).Draw(t, "q")
		got, _, _ := analysis.Quantile(look, q)
		k := slices.IndexFunc(shares, func(s float64) bool { return s <= 1-q })
		low, high := edges[len(edges)-1], edges[len(edges)-1]
		if k > 0 {
			low, high = append([]float64{0}, edges...)[k-1], edges[k-1]
		}
		if !(got >= low && got <= high) {
			t.Errorf("p%v is %v, not within %v and %v", 100*q, got, low, high)
		}
		if more, _, _ := analysis.Quantile(look, q+0.005); more < got {
			t.Errorf("a higher quantile is less: %v after %v", more, got)
		}
	})
}

// It is asked every second, also after a day of intervals.
func BenchmarkFigures(b *testing.B) {
	a, err := analysis.New(analysis.Default(), versions())
	if err != nil {
		b.Fatal(err)
	}
	for n := range 86_400 {
		i := at(n, analysis.Errors, counts(180, 1, 20, 0))
		i.Start = second(n)
		i.End = second(n + 1)
		if err := a.Add(i); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		a.Figures()
		a.CanarySince(second(86_000))
	}
}

// Users who got no answer are harm as those are who got a bad one.
func TestHarmCountsUsersWithoutAnAnswer(t *testing.T) {
	left := start(t, analysis.Default())
	add(t, left, each(0, analysis.Errors, counts(880, 10, 80, 3)), each(0, analysis.GivenUp, counts(900, 20, 100, 20)))
	// 3 failed where 80·10/880 would have, and 20 were given up where 100·20/900 would have
	want := 3 - 80*10./880 + 20 - 100*20./900
	if f := left.Figures(); math.Abs(f.Harm-want) > 1e-9 || !(f.HarmError > 0) || !(f.Risk > 0.05) || f.Canary.Requests != 80 {
		t.Errorf("%+v, want a harm of %v", f, want)
	}
	waiting := start(t, analysis.Default())
	add(t, waiting, each(0, analysis.Errors, counts(880, 0, 80, 0)), each(0, analysis.GivenUp, counts(900, 0, 100, 5)), each(0, analysis.Unanswered, counts(900, 0, 120, 20)))
	if f := waiting.Figures(); f.Harm != 20 {
		t.Errorf("who waits for long and then leaves counts once: %+v", f)
	}
	hanging := sent(t, quick())
	if f := hanging.Figures(); f.Harm != 0 {
		t.Errorf("harm before anything was counted: %+v", f)
	}
	hangs(t, hanging, 0, 10)
	if f := hanging.Figures(); f.Harm < 25 || f.Harm > 50 || !(f.HarmError > 1) {
		t.Errorf("a canary that was sent about 40 requests and answered none: %+v", f)
	}
}
