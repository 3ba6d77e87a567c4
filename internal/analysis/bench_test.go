package analysis_test

import (
	"testing"
	"time"

	"github.com/canaryctl/canaryctl/internal/analysis"
	"github.com/canaryctl/canaryctl/internal/metrics"
	"github.com/canaryctl/canaryctl/internal/stats"
)

// threeMetrics are errors and two latencies, judged as usual.
func threeMetrics() analysis.Config {
	c := analysis.Default()
	c.Metrics = []analysis.Metric{
		{Name: analysis.Errors, Weight: 0.5, Does: "fails"},
		analysis.Latency(250*time.Millisecond, 0.25),
		analysis.Latency(time.Second, 0.25),
	}
	gate := analysis.DefaultGate()
	c.Pods = &gate
	return c
}

// One interval of three metrics of each of 1,000 releases, and the decision, as
// somebody who drives so many releases does every few seconds.
func BenchmarkThousandReleases(b *testing.B) {
	const releases = 1000
	c := threeMetrics()
	all := make([]*analysis.Analysis, releases)
	for i := range all {
		a, err := analysis.New(c, versions())
		if err != nil {
			b.Fatal(err)
		}
		a.WatchPods(second(0))
		all[i] = a
	}
	pods := []analysis.Pod{pod("v1-a", 0), pod("v1-b", 0), pod("v2-a", 0)}
	strata := []stats.Counts{counts(900, 9, 100, 1)}
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		start := second(15 * n)
		for _, a := range all {
			for _, m := range c.Metrics {
				i := metrics.Interval{Metric: m.Name, Start: start, End: start.Add(15 * time.Second), Strata: strata}
				if err := a.Add(i); err != nil {
					b.Fatal(err)
				}
			}
			a.See(start, pods)
			if a.Outcome() == analysis.Fail {
				b.Fatal("a good canary failed")
			}
		}
		n++
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/releases/float64(len(c.Metrics)), "µs/metric")
}

// One reading by the default method, of a source that tells of given-up requests, as
// an engine takes one every second.
func BenchmarkReading(b *testing.B) {
	a, err := analysis.New(analysis.Default(), versions())
	if err != nil {
		b.Fatal(err)
	}
	if err := a.Expect(analysis.Expectation{Share: 0.1, From: second(0)}); err != nil {
		b.Fatal(err)
	}
	answered, ended := []stats.Counts{counts(900, 9, 100, 1)}, []stats.Counts{counts(905, 5, 100, 0)}
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		i := metrics.Interval{Metric: analysis.Errors, Start: second(n), End: second(n + 1), Strata: answered}
		if err := a.Add(i); err != nil {
			b.Fatal(err)
		}
		i.Metric, i.Strata = analysis.GivenUp, ended
		if err := a.Add(i); err != nil {
			b.Fatal(err)
		}
		if n++; a.Outcome() == analysis.Fail {
			b.Fatal("a good canary failed")
		}
	}
}

// The verdict with all its words and bounds, after an hour of intervals.
func BenchmarkVerdict(b *testing.B) {
	a, err := analysis.New(threeMetrics(), versions())
	if err != nil {
		b.Fatal(err)
	}
	for n := range 240 {
		for _, m := range threeMetrics().Metrics {
			if err := a.Add(at(n, m.Name, counts(900, 9, 100, 1))); err != nil {
				b.Fatal(err)
			}
		}
	}
	for b.Loop() {
		if _, err := a.Verdict(); err != nil {
			b.Fatal(err)
		}
	}
}
