package analysis_test

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/canaryctl/canaryctl/internal/analysis"
	"github.com/canaryctl/canaryctl/internal/metrics"
	"github.com/canaryctl/canaryctl/internal/stats"
)

// took is what stable took before: how many of so many requests were above edges.
func took(total uint64, above map[float64]uint64) []metrics.Interval {
	all := []metrics.Interval{{Metric: analysis.Errors, End: second(0), Strata: []stats.Counts{counts(total, 7, 0, 0)}, Before: true}}
	for edge, n := range above {
		all = append(all, metrics.Interval{Metric: metrics.EdgeName(edge), End: second(0), Strata: []stats.Counts{counts(total, n, 0, 0)}, Before: true})
	}
	return all
}

func slow(q float64) analysis.Config {
	c := analysis.Default()
	c.Metrics[0].Weight = 0.25
	c.Metrics = slices.Insert(c.Metrics, 1, analysis.LatencyQuantile(q, 0.25))
	return c
}

func TestChoose(t *testing.T) {
	usual := map[float64]uint64{0.05: 6000, 0.1: 2000, 0.25: 400, 0.5: 60, 1: 2}
	for name, test := range map[string]struct {
		quantile float64
		before   []metrics.Interval
		edges    []analysis.Edge
		does     string
	}{
		"p95":                         {0.95, took(10_000, usual), []analysis.Edge{{0.1, 0.25}, {0.25, 0.5}, {0.5, 0.25}}, "takes longer than 250ms"},
		"p99.9":                       {0.999, took(10_000, usual), []analysis.Edge{{0.1, 1. / 6}, {0.25, 1. / 6}, {0.5, 1. / 6}, {1, 0.5}}, "takes longer than 1s"},
		"p50":                         {0.5, took(10_000, usual), []analysis.Edge{{0.05, 0.5}, {0.1, 0.5}}, "takes longer than 50ms"},
		"few beyond it, but enough":   {0.95, took(200, map[float64]uint64{0.25: 10}), []analysis.Edge{{0.25, 1}}, "takes longer than 250ms"},
		"nothing is slow":             {0.95, took(10_000, map[float64]uint64{0.25: 0, 1: 0}), []analysis.Edge{{0.25, 1}}, "takes longer than 250ms"},
		"edges of a native histogram": {0.95, took(10_000, map[float64]uint64{math.Exp2(-2.25): 400}), []analysis.Edge{{math.Exp2(-2.25), 1}}, "takes longer than 210ms"},
	} {
		t.Run(name, func(t *testing.T) {
			open := slow(test.quantile)
			c, err := open.Choose(test.before)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.edges, c.Metrics[1].Edges, cmpopts.EquateApprox(1e-12, 0)); diff != "" {
				t.Errorf("edges (-want +got):\n%s", diff)
			}
			if c.Metrics[1].Does != test.does || c.Open() || c.Hash() == open.Hash() || !open.Open() {
				t.Errorf("%+v, open %t then %t", c.Metrics[1], open.Open(), c.Open())
			}
			if err := c.Validate(); err != nil {
				t.Error(err)
			}
			for _, e := range test.edges {
				if !c.Counts(metrics.EdgeName(e.Seconds)) || open.Counts(metrics.EdgeName(e.Seconds)) {
					t.Errorf("%g: counts before it is chosen, or not after", e.Seconds)
				}
			}
			if again, err := c.Choose(took(10_000, map[float64]uint64{3: 4})); err != nil || again.Hash() != c.Hash() {
				t.Errorf("edges were chosen twice: %v", err)
			}
		})
	}
	for name, test := range map[string]struct {
		before []metrics.Interval
		want   string
	}{
		"no histogram":   {took(10_000, nil), "no edges of the histogram can be chosen for latency p99: nothing is known of what stable answered before"},
		"too few":        {took(999, map[float64]uint64{0.25: 10}), "no edges of the histogram can be chosen for latency p99: stable answered 999 requests before, and it takes 1,000"},
		"not one":        {took(0, map[float64]uint64{0.25: 0}), "nothing is known"},
		"only intervals": {[]metrics.Interval{at(0, metrics.EdgeName(0.25), counts(9000, 90, 1000, 10))}, "nothing is known"},
	} {
		if _, err := slow(0.99).Choose(test.before); !errors.Is(err, analysis.ErrBefore) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// edgeByEdge are intervals of three edges, in which the canary is slower at some.
func edgeByEdge(times int, canary map[float64]uint64) []metrics.Interval {
	var all []metrics.Interval
	stable := map[float64]uint64{0.1: 900, 0.25: 225, 0.5: 45}
	for n := range times {
		all = append(all, at(n, analysis.Errors, counts(4500, 90, 500, 10)))
		for _, edge := range []float64{0.1, 0.25, 0.5} {
			all = append(all, at(n, metrics.EdgeName(edge), counts(4500, stable[edge], 500, canary[edge])))
		}
	}
	return all
}

func TestQuantile(t *testing.T) {
	c, err := slow(0.95).Choose(took(4500, map[float64]uint64{0.1: 900, 0.25: 225, 0.5: 45}))
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		canary  map[float64]uint64
		verdict analysis.Outcome
		causes  []string
		summary string
	}{
		"as fast": {map[float64]uint64{0.1: 100, 0.25: 25, 0.5: 5}, analysis.Pass, nil,
			"that v2 takes longer than 250ms less than 1.5 times as often as v1: 1,000 of 20,000 requests against 9,000 of 180,000; ratio 1"},
		"slower at the quantile": {map[float64]uint64{0.1: 100, 0.25: 50, 0.5: 5}, analysis.Fail, []string{"latency p95"},
			"that v2 takes longer than 100ms, 250ms or 500ms more than 1.1 times as often as v1: 2,000 of 20,000 requests"},
		"slower only beyond it": {map[float64]uint64{0.1: 100, 0.25: 25, 0.5: 20}, analysis.Fail, []string{"latency p95"},
			"takes longer than 100ms, 250ms or 500ms more than 1.1 times as often as v1"},
		"a little slower beyond it": {map[float64]uint64{0.1: 100, 0.25: 25, 0.5: 6}, analysis.Pass, nil, "takes longer than 250ms less than 1.5 times"},
	} {
		t.Run(name, func(t *testing.T) {
			v := add(t, start(t, c), edgeByEdge(40, test.canary)...)
			if v.Verdict != test.verdict || !strings.Contains(v.Summary, test.summary) {
				t.Errorf("%s: %s", v.Verdict, v.Summary)
			}
			if diff := cmp.Diff(test.causes, v.Causes); diff != "" {
				t.Errorf("causes (-want +got):\n%s", diff)
			}
		})
	}
}

// The evidence of several edges is their average, and no more than one of alpha.
func TestQuantileAveragesItsEdges(t *testing.T) {
	canary := map[float64]uint64{0.1: 120, 0.25: 33, 0.5: 8}
	c, err := slow(0.95).Choose(took(4500, map[float64]uint64{0.1: 900, 0.25: 225, 0.5: 45}))
	if err != nil {
		t.Fatal(err)
	}
	together := add(t, start(t, c), edgeByEdge(3, canary)...).Metrics[1]
	var weights, logE []float64
	for _, e := range c.Metrics[1].Edges {
		one := analysis.Default()
		one.Metrics = []analysis.Metric{{Name: metrics.EdgeName(e.Seconds), Weight: 1, Does: "is slow"}}
		a := start(t, one)
		var v analysis.Verdict
		for _, i := range edgeByEdge(3, canary) {
			if one.Counts(i.Metric) {
				v = add(t, a, i)
			}
		}
		weights, logE = append(weights, e.Weight), append(logE, float64(v.Metrics[0].Rollback.LogEvidence))
		if e.Seconds == 0.25 {
			if diff := cmp.Diff(v.Metrics[0].NonInferiority, together.NonInferiority); diff != "" {
				t.Errorf("a pass is not by the edge of the quantile (-alone +together):\n%s", diff)
			}
		}
	}
	want, err := stats.LogAverage(weights, logE)
	if err != nil {
		t.Fatal(err)
	}
	if got := float64(together.Rollback.LogEvidence); math.Abs(got-want) > 1e-12 {
		t.Errorf("log evidence %v, want %v", got, want)
	}
	if together.Outlook == nil || together.Outlook.Verdict != analysis.Fail {
		t.Errorf("outlook %+v", together.Outlook)
	}
}

// Until its edges are chosen a quantile is judged by nothing, and says so.
func TestQuantileIsSettledInTime(t *testing.T) {
	open := slow(0.95)
	a := start(t, open)
	a.Explain("latency p95", "nobody knows")
	v := add(t, a, repeat(40, counts(900, 18, 900, 18))...)
	if v.Verdict != analysis.Inconclusive || v.Summary != "Nothing is known of latency p95: nobody knows." || v.Metrics[1].Reason != "nobody knows" {
		t.Errorf("%s: %s", v.Verdict, v.Summary)
	}
	if err := a.Add(at(40, "latency p95", counts(9, 1, 9, 1))); err == nil {
		t.Error("an open quantile was counted")
	}
	c, err := open.Choose(took(4500, map[float64]uint64{0.1: 900, 0.25: 225, 0.5: 45}))
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Settle(c); err != nil {
		t.Fatal(err)
	}
	for n := range 40 {
		v = add(t, a, at(n, metrics.EdgeName(0.25), counts(4500, 225, 500, 25)))
	}
	if v.Verdict != analysis.Pass || v.Method.Hash != c.Hash() || v.Metrics[0].Stable.Requests != 36_000 {
		t.Errorf("%s by %s: %s", v.Verdict, v.Method.Hash, v.Summary)
	}
}

func TestEdgesAreValid(t *testing.T) {
	for name, change := range map[string]func(*analysis.Metric){
		"quantile": func(m *analysis.Metric) { m.Quantile = 1 },
		"weights":  func(m *analysis.Metric) { m.Edges = []analysis.Edge{{0.1, 0.5}, {0.2, 0.4}} },
		"edge":     func(m *analysis.Metric) { m.Edges = []analysis.Edge{{0, 1}} },
		"weight":   func(m *analysis.Metric) { m.Edges = []analysis.Edge{{0.1, 1}, {0.2, 0}} },
	} {
		c := slow(0.95)
		change(&c.Metrics[1])
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), `"latency p95"`) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
