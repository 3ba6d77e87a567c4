package analysis_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"gonum.org/v1/gonum/stat/distuv"

	"github.com/canaryctl/canaryctl/internal/analysis"
	"github.com/canaryctl/canaryctl/internal/metrics"
	"github.com/canaryctl/canaryctl/internal/stats"
)

// withLimit is the default method with a limit of the canary's errors.
func withLimit(share float64) analysis.Config {
	c := analysis.Default()
	c.Metrics[0].Weight = 0
	c.Limits = []analysis.Limit{{Metric: analysis.Errors, Share: share}}
	return c.Weighed()
}

func TestLimits(t *testing.T) {
	for name, test := range map[string]struct {
		counts  stats.Counts
		times   int
		verdict analysis.Outcome
		causes  []string
		limit   string
	}{
		"above, as stable is": {counts(900, 108, 100, 12), 10, analysis.Fail, []string{"limit errors"},
			"v2 fails 12% of its requests, above the limit of 1%: 120 of 1,000, evidence over 1,000,000:1 (400:1 needed)"},
		"above, without a request of stable": {counts(0, 0, 100, 12), 10, analysis.Fail, []string{"limit errors"},
			"v2 fails 12% of its requests, above the limit of 1%: 120 of 1,000, evidence over 1,000,000:1 (400:1 needed)"},
		"above and worse": {counts(900, 9, 100, 12), 10, analysis.Fail, []string{"limit errors", "errors"},
			"v2 fails 12% of its requests, above the limit of 1%: 120 of 1,000, evidence over 1,000,000:1 (400:1 needed)"},
		"a little above, no worse than stable": {counts(4000, 50, 4000, 42), 10, analysis.Inconclusive, nil,
			"v2 fails 1.05% of its requests, above the limit of 1%, which may be chance: 420 of 40,000, evidence 0.16:1 (400:1 needed)"},
		"within": {counts(4000, 30, 4000, 30), 10, analysis.Pass, nil,
			"v2 fails 0.75% of its requests, within the limit of 1%: 300 of 40,000"},
		"no canary": {counts(4000, 30, 0, 0), 10, analysis.Inconclusive, nil,
			"No request of v2 was counted yet against the limit of 1%"},
	} {
		t.Run(name, func(t *testing.T) {
			v := add(t, start(t, withLimit(0.01)), repeat(test.times, test.counts)...)
			if v.Verdict != test.verdict || !slices.Equal(v.Causes, test.causes) {
				t.Errorf("verdict %s because of %q, want %s because of %q", v.Verdict, v.Causes, test.verdict, test.causes)
			}
			if diff := cmp.Diff(test.limit, v.Limits[0].Summary); diff != "" {
				t.Errorf("summary of the limit (-want +got):\n%s", diff)
			}
			if told := strings.Contains(v.Summary, v.Limits[0].Summary); told != (v.Limits[0].Verdict == v.Verdict && v.Limits[0].Canary.Requests > 0) {
				t.Errorf("the limit is %s, and the whole says: %s", v.Limits[0].Verdict, v.Summary)
			}
		})
	}
}

// That p95 is below 250 ms is a limit of 5% on slower requests, also where slow
// requests are not compared with stable's.
func TestLimitOfLatency(t *testing.T) {
	c := analysis.Default()
	c.Metrics[0].Weight = 0
	c.Limits = []analysis.Limit{{Metric: "latency le=0.25", Share: 0.05}}
	a := start(t, c.Weighed())
	for n := range 10 {
		add(t, a, at(n, analysis.Errors, counts(900, 9, 100, 1)), at(n, "latency le=0.25", counts(900, 90, 100, 20)))
	}
	v := add(t, a)
	want := "v2 takes longer than 250ms for 20% of its requests, above the limit of 5%: 200 of 1,000, evidence over 1,000,000:1 (400:1 needed)."
	if v.Verdict != analysis.Fail || v.Summary != want {
		t.Errorf("%s: %s\nwant %s", v.Verdict, v.Summary, want)
	}
}

// What was above a limit once has failed for good, and the sentence says of when.
func TestLimitStaysExceeded(t *testing.T) {
	a := start(t, withLimit(0.01))
	add(t, a, repeat(10, counts(900, 0, 100, 12))...)
	for n := range 200 {
		add(t, a, at(10+n, analysis.Errors, counts(900, 0, 100, 0)))
	}
	v := add(t, a)
	if v.Verdict != analysis.Fail || !strings.Contains(v.Limits[0].Summary, "v2 fails 0.571% of its requests, and was above the limit of 1%") {
		t.Errorf("%s: %s", v.Verdict, v.Limits[0].Summary)
	}
}

// Bursts between stable's Pods weaken the evidence of a limit as they do any other,
// and no interval adds more than the cap.
func TestLimitHasDispersionAndCap(t *testing.T) {
	even := add(t, start(t, withLimit(0.01)), repeat(3, counts(900, 0, 1000, 500))...)
	if got, most := float64(even.Limits[0].Rollback.LogEvidence), 3*math.Ln10; got > most+1e-9 {
		t.Errorf("evidence %v after three intervals, want at most %v", got, most)
	}
	a := start(t, withLimit(0.01))
	for n := range 5 {
		i := at(n, analysis.Errors, counts(1000, 50, 1000, 15))
		i.Pods = map[string][]stats.PodCounts{"v1": {{Pod: "a", Total: 500, Bad: 50}, {Pod: "b", Total: 500}}}
		add(t, a, i)
	}
	bursty := add(t, a).Limits[0].Rollback.LogEvidence
	calm := add(t, start(t, withLimit(0.01)), repeat(5, counts(1000, 50, 1000, 15))...).Limits[0].Rollback.LogEvidence
	if bursty >= calm {
		t.Errorf("evidence %v of a bursty service, %v of a calm one", bursty, calm)
	}
}

// A metric's own settings hold for it and no other.
func TestSettingsOfOneMetric(t *testing.T) {
	tolerance, margin, negligible := 1.0, 3.0, 0.02
	c := analysis.Default()
	c.Metrics[0].Weight = 0
	slow := analysis.Latency(time.Second, 0)
	slow.Tolerance, slow.Margin, slow.Negligible = &tolerance, &margin, &negligible
	c.Metrics = slices.Insert(c.Metrics, 1, slow)
	a := start(t, c.Weighed())
	for n := range 4 {
		add(t, a, at(n, analysis.Errors, counts(900, 5, 100, 1)), at(n, slow.Name, counts(900, 5, 100, 1)))
	}
	v := add(t, a)
	for i, want := range []string{"more than 1.1 times", "more than 2 times"} {
		if !strings.Contains(v.Metrics[i].Summary, want) {
			t.Errorf("%s does not say %q: %s", v.Metrics[i].Name, want, v.Metrics[i].Summary)
		}
	}
	if !strings.Contains(v.Metrics[1].Summary, "less than 3 times as often as v1, or for less than 2% of its requests") {
		t.Error(v.Metrics[1].Summary)
	}
	if v.Metrics[0].Promotion != nil || v.Metrics[0].Rollback.LogEvidence <= v.Metrics[1].Rollback.LogEvidence {
		t.Errorf("the settings of one metric rule the other: %+v", v.Metrics)
	}
}

// A canary that is exactly as bad as the tolerance and its limit allow is good. Of
// such releases α may fail, by either.
func TestFalseAlarmsWithALimit(t *testing.T) {
	const releases, intervals, stable, alpha = 1500, 120, 0.01, 0.01
	src := rand.NewPCG(7, 7)
	c := withLimit(1.1 * stable)
	c.OnsetIntervals = intervals
	bad := func(n, p float64) uint64 { return uint64(distuv.Binomial{N: n, P: p, Src: src}.Rand()) }
	var alarms int
	for range releases {
		a := start(t, c)
		for n := range intervals {
			if err := a.Add(at(n, analysis.Errors, counts(675, bad(675, stable), 75, bad(75, 1.1*stable)))); err != nil {
				t.Fatal(err)
			}
			if a.Outcome() == analysis.Fail {
				alarms++
				break
			}
		}
	}
	if rate := float64(alarms) / releases; rate > alpha+3*math.Sqrt(alpha*(1-alpha)/releases) {
		t.Errorf("%.2f%% of good releases failed", 100*rate)
	}
	t.Logf("%d of %d good releases failed", alarms, releases)
}

// What was counted is not counted again: neither the same interval, nor one that
// reaches into the last.
func TestIntervalsDoNotOverlap(t *testing.T) {
	a := start(t, withLimit(0.5))
	add(t, a, repeat(2, counts(900, 9, 100, 1))...)
	overlapping := at(2, analysis.Errors, counts(900, 9, 100, 1))
	overlapping.Start = overlapping.Start.Add(-5 * time.Second)
	for _, i := range []metrics.Interval{at(1, analysis.Errors, counts(900, 9, 100, 1)), overlapping} {
		if err := a.Add(i); !errors.Is(err, stats.ErrClock) {
			t.Errorf("error %v", err)
		}
	}
	if !a.End().Equal(at(1, analysis.Errors).End) {
		t.Errorf("ends at %s", a.End())
	}
	v := add(t, a, at(2, analysis.Errors, counts(900, 9, 100, 1)))
	if v.Metrics[0].Canary.Requests != 300 || v.Limits[0].Canary.Requests != 300 {
		t.Errorf("%+v and %+v", v.Metrics[0].Canary, v.Limits[0].Canary)
	}
}
