package analysis_test

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/canaryctl/canaryctl/internal/analysis"
	"github.com/canaryctl/canaryctl/internal/metrics"
	"github.com/canaryctl/canaryctl/internal/stats"
)

func versions() analysis.Versions { return analysis.Versions{Stable: "v1", Canary: "v2"} }

// at is the interval of 15 s that is the n-th, from 0.
func at(n int, metric string, strata ...stats.Counts) metrics.Interval {
	start := time.Unix(1_800_000_000, 0).Add(time.Duration(n) * 15 * time.Second)
	return metrics.Interval{Metric: metric, Start: start, End: start.Add(15 * time.Second), Strata: strata}
}

func counts(n1, e1, n2, e2 uint64) stats.Counts {
	return stats.Counts{StableTotal: n1, StableBad: e1, CanaryTotal: n2, CanaryBad: e2}
}

// repeat is one interval of errors again and again.
func repeat(times int, c stats.Counts) []metrics.Interval {
	var intervals []metrics.Interval
	for n := range times {
		intervals = append(intervals, at(n, analysis.Errors, c))
	}
	return intervals
}

func start(t *testing.T, c analysis.Config) *analysis.Analysis {
	t.Helper()
	a, err := analysis.New(c, versions())
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func add(t *testing.T, a *analysis.Analysis, intervals ...metrics.Interval) analysis.Verdict {
	t.Helper()
	for _, i := range intervals {
		if err := a.Add(i); err != nil {
			t.Fatal(err)
		}
	}
	v, err := a.Verdict()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestSentences(t *testing.T) {
	loose := analysis.Default()
	loose.Negligible = 0.01
	for name, test := range map[string]struct {
		config    analysis.Config
		intervals []metrics.Interval
		verdict   analysis.Outcome
		summary   string
	}{
		"fail": {analysis.Default(), repeat(4, counts(3000, 3, 400, 5)), analysis.Fail,
			"Evidence 2,400:1 (200:1 needed) that v2 fails more than 1.1 times as often as v1: " +
				"20 of 1,600 requests against 12 of 12,000; ratio 12, between 4 and 44."},
		"pass": {analysis.Default(), repeat(40, counts(900, 18, 900, 18)), analysis.Pass,
			"Evidence over 1,000,000:1 (20:1 needed) that v2 fails less than 1.5 times as often as v1: " +
				"720 of 36,000 requests against 720 of 36,000; ratio 1, between 0.83 and 1.2."},
		"not yet": {analysis.Default(), repeat(4, counts(900, 5, 100, 1)), analysis.Inconclusive,
			"Not known yet: 4 of 400 requests against 20 of 3,600; ratio 1.8, between 0.16 and 8.1. " +
				"Evidence 0.92:1 (200:1 needed) that v2 fails more than 1.1 times as often as v1; " +
				"evidence 0.52:1 (20:1 needed) that v2 fails less than 1.5 times as often as v1; " +
				"how much longer it takes at this traffic cannot be told."},
		"no error at all": {analysis.Default(), repeat(4, counts(900, 0, 100, 0)), analysis.Inconclusive,
			"Not known yet: not one bad request, in 400 of v2 and 3,600 of v1. " +
				"There is nothing to compare; to pass, it takes a level of bad requests that is negligible."},
		"no error at all, and few would not matter": {loose, repeat(10, counts(900, 0, 100, 0)), analysis.Pass,
			"Evidence 2,000:1 (20:1 needed) that v2 fails less than 1.5 times as often as v1, or for less than 1% of its requests: " +
				"0 of 1,000 requests against 0 of 9,000."},
		"nothing": {analysis.Default(), nil, analysis.Inconclusive, "No request of either version was counted yet."},
		"no canary": {analysis.Default(), repeat(2, counts(900, 1, 0, 0)), analysis.Inconclusive,
			"No request of v2 was counted yet, and 1,800 of v1."},
		"no stable": {analysis.Default(), repeat(2, counts(0, 0, 900, 1)), analysis.Inconclusive,
			"No request of v1 was counted yet, and 1,800 of v2."},
	} {
		t.Run(name, func(t *testing.T) {
			v := add(t, start(t, test.config), test.intervals...)
			if v.Verdict != test.verdict {
				t.Errorf("verdict %s, want %s", v.Verdict, test.verdict)
			}
			if diff := cmp.Diff(test.summary, v.Summary); diff != "" {
				t.Errorf("summary (-want +got):\n%s", diff)
			}
		})
	}
}

// Once harm was shown it stays shown; a pass is by the evidence of now.
func TestLateFailureTakesThePassBack(t *testing.T) {
	a := start(t, analysis.Default())
	n := 0
	feed := func(until analysis.Outcome, c stats.Counts) {
		t.Helper()
		for range 400 {
			v := add(t, a, at(n, analysis.Errors, c))
			n++
			if v.Verdict == until {
				return
			}
		}
		t.Fatalf("never %s", until)
	}
	feed(analysis.Pass, counts(900, 18, 900, 18))
	feed(analysis.Inconclusive, counts(900, 18, 900, 72))
	feed(analysis.Fail, counts(900, 18, 900, 72))
	if v := add(t, a, at(n, analysis.Errors, counts(90000, 1800, 90000, 0))); v.Verdict != analysis.Fail {
		t.Errorf("after a failure that was shown: %s", v.Verdict)
	}
}

func TestMetricsTogether(t *testing.T) {
	c := analysis.Default()
	c.Metrics = []analysis.Metric{
		{Name: analysis.Errors, Weight: 0.5, Does: "fails"},
		{Name: "latency le=0.25", Weight: 0.5, Does: "takes longer than 250 ms"},
	}
	a := start(t, c)
	var v analysis.Verdict
	for n := range 40 {
		v = add(t, a, at(n, analysis.Errors, counts(900, 18, 900, 18)), at(n, "latency le=0.25", counts(900, 9, 900, 90)))
	}
	if v.Verdict != analysis.Fail {
		t.Errorf("verdict %s, want fail", v.Verdict)
	}
	if diff := cmp.Diff([]string{"latency le=0.25"}, v.Causes); diff != "" {
		t.Errorf("causes (-want +got):\n%s", diff)
	}
	if !strings.Contains(v.Summary, "that v2 takes longer than 250 ms more than 1.1 times as often as v1") || strings.Contains(v.Summary, "fails") {
		t.Errorf("summary names the wrong metric: %s", v.Summary)
	}
	got := []analysis.Outcome{v.Metrics[0].Verdict, v.Metrics[1].Verdict}
	if diff := cmp.Diff([]analysis.Outcome{analysis.Pass, analysis.Fail}, got); diff != "" {
		t.Errorf("verdict of each (-want +got):\n%s", diff)
	}
}

// Where no metric condemns the canary by itself, the words say what all do together.
func TestMetricsOnlyTogether(t *testing.T) {
	c := analysis.Default()
	c.Metrics = []analysis.Metric{
		{Name: analysis.Errors, Weight: 0.5, Does: "fails"},
		{Name: "latency le=0.25", Weight: 0.5, Does: "takes longer than 250 ms"},
	}
	a := start(t, c)
	var v analysis.Verdict
	for n := 0; n < 1000 && v.Verdict != analysis.Fail; n++ {
		v = add(t, a, at(n, analysis.Errors, counts(900, 9, 100, 3)), at(n, "latency le=0.25", counts(900, 9, 100, 3)))
	}
	if v.Metrics[0].Rollback.Peak >= v.Metrics[0].Rollback.Threshold {
		t.Fatalf("by itself: %+v", v.Metrics[0].Rollback)
	}
	const want = "less than it takes by itself, and with all else that speaks against v2 it is enough: 180:1 (100:1 needed)."
	if v.Verdict != analysis.Fail || !strings.Contains(v.Summary, want) {
		t.Errorf("%s: %s, want %s", v.Verdict, v.Summary, want)
	}
}

func TestEveryMetricMustPass(t *testing.T) {
	c := analysis.Default()
	c.Metrics = []analysis.Metric{{Name: "errors", Weight: 0.5, Does: "fails"}, {Name: "slow", Weight: 0.5, Does: "is slow"}}
	a := start(t, c)
	var v analysis.Verdict
	for n := range 40 {
		v = add(t, a, at(n, "errors", counts(900, 18, 900, 18)))
	}
	if v.Verdict != analysis.Inconclusive || v.Metrics[0].Verdict != analysis.Pass {
		t.Errorf("verdict %s, errors %s; a metric without data cannot pass", v.Verdict, v.Metrics[0].Verdict)
	}
}

// A mix of routes that differs between the versions is no regression.
func TestStrata(t *testing.T) {
	v := add(t, start(t, analysis.Default()), at(0, analysis.Errors,
		stats.Counts{Stratum: "/cart", StableTotal: 9000, StableBad: 9, CanaryTotal: 100, CanaryBad: 0},
		stats.Counts{Stratum: "/pay", StableTotal: 1000, StableBad: 50, CanaryTotal: 900, CanaryBad: 90}))
	strata := v.Metrics[0].Strata
	if len(strata) != 2 || strata[0].Share != 0 || strata[1].Share != 1 {
		t.Fatalf("strata %+v: want all evidence from /pay", strata)
	}
	if diff := cmp.Diff(analysis.Arm{Requests: 900, Bad: 90}, strata[1].Canary); diff != "" {
		t.Errorf("canary of /pay (-want +got):\n%s", diff)
	}
	if r := float64(v.Metrics[0].Ratio.Estimate); math.Abs(r-2) > 0.05 {
		t.Errorf("ratio %v: the totals' would be 15, each route's is 2", r)
	}
}

// Bursts between Pods of stable make every later request count for less.
func TestDispersionIsLearntFromStablePods(t *testing.T) {
	uneven := at(0, analysis.Errors, counts(1000, 50, 100, 5))
	uneven.Pods = map[string][]stats.PodCounts{
		"v1": {{Pod: "a", Total: 500, Bad: 50}, {Pod: "b", Total: 500}},
		"v2": {{Pod: "c", Total: 100, Bad: 5}},
	}
	a := start(t, analysis.Default())
	if v := add(t, a, uneven); v.Metrics[0].Dispersion != 50 {
		t.Errorf("dispersion %v, want 50", v.Metrics[0].Dispersion)
	}
	fixed := analysis.Default()
	fixed.Dispersion = 1
	if v := add(t, start(t, fixed), uneven); v.Metrics[0].Dispersion != 1 {
		t.Errorf("dispersion %v, and 1 was asked for", v.Metrics[0].Dispersion)
	}
}

func TestAddRefuses(t *testing.T) {
	first := at(1, analysis.Errors, counts(10, 1, 10, 0))
	for name, test := range map[string]struct {
		interval metrics.Interval
		is       error
		says     string
	}{
		"other metric":    {at(2, "slow", counts(10, 0, 10, 0)), nil, `"slow": the configuration has no such metric`},
		"clock went back": {at(0, analysis.Errors, counts(10, 0, 10, 0)), stats.ErrClock, "clock did not move forward"},
		"impossible":      {at(2, analysis.Errors, counts(10, 0, 10, 11)), stats.ErrCounts, "11 bad of 10 canary requests"},
	} {
		t.Run(name, func(t *testing.T) {
			a := start(t, analysis.Default())
			before := add(t, a, first)
			err := a.Add(test.interval)
			if err == nil || !strings.Contains(err.Error(), test.says) || test.is != nil && !errors.Is(err, test.is) {
				t.Fatalf("error %v, want one that says %q", err, test.says)
			}
			if diff := cmp.Diff(before, add(t, a)); diff != "" {
				t.Errorf("the verdict changed (-before +after):\n%s", diff)
			}
		})
	}
}

// Without news a pass is no longer one; a failure stays.
func TestHold(t *testing.T) {
	good := start(t, analysis.Default())
	add(t, good, repeat(40, counts(900, 18, 900, 18))...)
	good.Hold("Prometheus does not answer")
	v := add(t, good)
	if v.Verdict != analysis.Inconclusive || !strings.HasPrefix(v.Summary, "Nothing new is known: Prometheus does not answer. ") {
		t.Errorf("%s: %s", v.Verdict, v.Summary)
	}
	good.Hold("")
	if v := add(t, good); v.Verdict != analysis.Pass {
		t.Errorf("after it answered again: %s", v.Verdict)
	}
	bad := start(t, analysis.Default())
	add(t, bad, repeat(40, counts(900, 18, 900, 90))...)
	bad.Hold("Prometheus does not answer")
	if v := add(t, bad); v.Verdict != analysis.Fail {
		t.Errorf("a failure that was shown became %s", v.Verdict)
	}
}
