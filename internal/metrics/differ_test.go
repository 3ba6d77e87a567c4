package metrics

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/canaryctl/canaryctl/internal/stats"
)

// clock is some second of the test's day.
func clock(seconds float64) time.Time {
	return time.Unix(1_700_000_000, 0).Add(time.Duration(seconds * float64(time.Second)))
}

// counter is a sample of a counter of one Pod: total requests, bad of them.
func counter(pod, version string, at float64, total, bad uint64) Sample {
	return Sample{Series: pod + " all", Target: pod, Pod: pod, Version: version, At: clock(at), Total: total, Bad: Errors(bad)}
}

// seen is the part of an interval that the rules are about.
type seen struct {
	From, To float64
	stats.Counts
}

func summary(intervals []Interval) []seen {
	var all []seen
	for _, i := range intervals {
		if i.Metric == MetricGivenUp {
			continue // of the same requests
		}
		for _, c := range i.Strata {
			all = append(all, seen{i.Start.Sub(clock(0)).Seconds(), i.End.Sub(clock(0)).Seconds(), c})
		}
	}
	return all
}

func counts(from, to float64, stable, stableBad, canary, canaryBad uint64) seen {
	return seen{from, to, stats.Counts{StableTotal: stable, StableBad: stableBad, CanaryTotal: canary, CanaryBad: canaryBad}}
}

// The rules of operation, one after the other. Counting begins at second 0.
func TestDiffer(t *testing.T) {
	a, b := "a", "b" // a runs v1, stable; b runs v2, the canary
	v1 := func(at float64, total, bad uint64) Sample { return counter(a, "v1", at, total, bad) }
	v2 := func(at float64, total, bad uint64) Sample { return counter(b, "v2", at, total, bad) }
	born := func(s Sample, at float64) Sample { s.Born = clock(at); return s }
	by := func(s Sample, reader string) Sample { s.Reader = reader; return s }
	named := func(s Sample, series string) Sample { s.Series = series; return s }

	for _, test := range []struct {
		name    string
		warmUp  time.Duration
		samples []Sample
		want    []seen
	}{
		{"history does not count", 0, []Sample{v1(-9, 70, 1), v2(-8, 50, 2), v1(-4, 100, 1), v2(-3, 60, 2), v1(1, 110, 1), v2(2, 61, 3)},
			[]seen{counts(0, 2, 10, 0, 1, 1)}},
		{"differences do", 0, []Sample{v1(0, 100, 1), v2(0, 50, 2), v1(5, 190, 2), v2(5, 60, 4)},
			[]seen{counts(0, 5, 90, 1, 10, 2)}},
		{"an interval waits for both versions, and begins where the last ended", 0,
			[]Sample{v1(-5, 0, 0), v2(-2, 0, 0), v1(5, 90, 0), v2(8, 10, 1), v1(15, 180, 1), v2(18, 20, 1)},
			[]seen{counts(0, 8, 90, 0, 10, 1), counts(8, 18, 90, 1, 10, 0)}},
		{"order of arrival does not matter", 0,
			[]Sample{v2(5, 60, 4), v1(5, 190, 2), v2(0, 50, 2), v1(0, 100, 1)},
			[]seen{counts(0, 5, 90, 1, 10, 2)}},
		{"reset: what it has is new", 0, []Sample{v1(0, 100, 1), v2(0, 50, 2), v1(5, 30, 0), v2(5, 60, 2)},
			[]seen{counts(0, 5, 30, 0, 10, 0)}},
		{"reset of the errors alone", 0, []Sample{v1(0, 10, 5), v2(0, 0, 0), v1(5, 20, 3), v2(5, 1, 0)},
			[]seen{counts(0, 5, 20, 3, 1, 0)}},
		{"reset behind a greater value, told by its birth", 0,
			[]Sample{v1(0, 100, 1), v2(0, 50, 2), born(v1(5, 130, 1), 2), v2(5, 60, 2)},
			[]seen{counts(0, 5, 130, 1, 10, 0)}},
		{"a Pod that appears begins from 0", 0,
			[]Sample{v1(0, 100, 0), v1(5, 110, 0), v2(5, 7, 3)}, []seen{counts(0, 5, 10, 0, 7, 3)}},
		{"a series that appears begins from 0: the first error", 0,
			[]Sample{v1(0, 100, 0), v2(0, 9, 0), v1(5, 110, 0), v2(5, 9, 0), named(v2(5, 2, 2), "b 500")},
			[]seen{counts(0, 5, 10, 0, 2, 2)}},
		{"an old Pod that is found late does not", 0,
			[]Sample{v1(0, 100, 0), v1(5, 110, 0), born(v2(5, 5000, 70), -60), v1(10, 120, 0), v2(10, 5004, 71)},
			[]seen{counts(0, 5, 10, 0, 0, 0), counts(5, 10, 10, 0, 4, 1)}},
		{"a Pod that has gone is not waited for long", 0,
			[]Sample{v1(-5, 0, 0), v2(-5, 0, 0), counter("c", "v1", -5, 0, 0), counter("c", "v1", 0, 0, 0), v1(0, 0, 0), v2(0, 0, 0),
				v1(5, 10, 0), v2(5, 1, 0), v1(10, 20, 0), v2(10, 2, 0), v1(15, 30, 0), v2(15, 3, 0)},
			[]seen{counts(0, 15, 30, 0, 3, 0)}},
		{"nor one that was read once", 0,
			[]Sample{v1(-5, 0, 0), v2(-5, 0, 0), v1(0, 0, 0), v2(0, 0, 0), counter("c", "v2", 1, 3, 3), v1(5, 10, 0), v2(5, 1, 0),
				v1(10, 20, 0), v2(10, 2, 0), v1(15, 30, 0), v2(15, 3, 0)},
			[]seen{counts(0, 5, 10, 0, 4, 3), counts(5, 15, 20, 0, 2, 0)}},
		{"what it answered until then counts", 0,
			[]Sample{v1(0, 0, 0), v2(0, 0, 0), counter("c", "v1", 0, 0, 0), v1(5, 10, 0), v2(5, 1, 0), counter("c", "v1", 5, 4, 4)},
			[]seen{counts(0, 5, 14, 4, 1, 0)}},
		{"a missed scrape loses nothing", 0,
			[]Sample{v1(-5, 0, 0), v2(-5, 0, 0), v1(0, 0, 0), v2(0, 0, 0), v1(5, 10, 0), v1(10, 20, 0), v2(10, 2, 1)},
			[]seen{counts(0, 10, 20, 0, 2, 1)}},
		{"a gap is dropped for both", 0,
			[]Sample{v1(-5, 0, 0), v2(-5, 0, 0), v1(0, 0, 0), v2(0, 0, 0), v1(300, 9000, 0), v2(301, 1000, 900), counter("c", "v2", 302, 800, 800),
				v1(360, 9010, 1), v2(360, 1002, 900), counter("c", "v2", 360, 801, 800),
				v1(390, 9020, 2), v2(390, 1004, 900), counter("c", "v2", 390, 802, 800)},
			[]seen{counts(310, 360, 10, 1, 3, 0), counts(360, 390, 10, 1, 3, 0)}},
		{"after a gap all have two turns, however slow they are", 0,
			[]Sample{v1(-30, 0, 0), v2(-25, 0, 0), v1(-10, 0, 0), v2(-5, 0, 0), v1(300, 9000, 0), v2(319, 1000, 900), counter("c", "v2", 335, 800, 800),
				v2(339, 1001, 900), v1(340, 9010, 1), counter("c", "v2", 355, 801, 800), v2(359, 1002, 900), v1(360, 9020, 1)},
			[]seen{counts(340, 360, 10, 0, 2, 0)}},
		{"nobody knows how slow they are", 0,
			[]Sample{v1(0, 0, 0), v2(0, 0, 0), v1(300, 9000, 0), v2(301, 1000, 900), v1(359, 9010, 0), v2(359, 1001, 900), v1(365, 9020, 0), v2(365, 1002, 900)},
			[]seen{counts(360, 365, 10, 0, 1, 0)}},
		{"one who was not waited for goes on where it is", 0,
			[]Sample{v1(-5, 0, 0), v2(-5, 0, 0), v1(0, 0, 0), v2(0, 0, 0), v1(5, 10, 0), v1(10, 20, 0), v1(15, 30, 0), v1(20, 40, 0), v2(20, 100, 99), v1(25, 50, 0), v2(25, 101, 99)},
			[]seen{counts(0, 15, 30, 0, 0, 0), counts(15, 20, 10, 0, 0, 0), counts(20, 25, 10, 0, 1, 0)}},
		{"duplicates and a clock that goes back change nothing", 0,
			[]Sample{v1(0, 100, 1), v2(0, 50, 2), v1(0, 100, 1), v1(5, 190, 2), v1(5, 190, 2), v2(5, 60, 4), v1(5, 500, 400)},
			[]seen{counts(0, 5, 90, 1, 10, 2)}},
		{"two who read one counter count it once", 0,
			[]Sample{by(v1(0, 100, 0), "x"), by(v1(1, 101, 0), "y"), v2(0, 0, 0), by(v1(5, 110, 0), "x"), v2(5, 1, 0), by(v1(6, 105, 0), "y")},
			[]seen{counts(0, 5, 10, 0, 1, 0)}},
		{"the second is believed once the first is gone", 0,
			[]Sample{by(v1(0, 100, 0), "x"), v2(0, 0, 0), by(v1(5, 110, 0), "x"), v2(5, 1, 0),
				by(v1(60, 150, 0), "y"), v2(60, 2, 0), by(v1(65, 160, 0), "y"), v2(65, 3, 0)},
			[]seen{counts(0, 5, 10, 0, 1, 0), counts(5, 60, 40, 0, 1, 0), counts(60, 65, 10, 0, 1, 0)}},
		{"the first seconds of a Pod may be left out", 7 * time.Second,
			[]Sample{v1(0, 100, 0), v1(5, 110, 0), v2(5, 7, 3), v1(10, 120, 0), v2(10, 17, 4), v1(15, 130, 0), v2(15, 27, 4)},
			[]seen{counts(0, 5, 10, 0, 0, 0), counts(5, 10, 10, 0, 0, 0), counts(10, 15, 10, 0, 10, 0)}},
		{"impossible counts are left out for both", 0,
			[]Sample{v1(0, 0, 0), v2(0, 0, 0), v1(5, 10, 0), v2(5, 3, 5)}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := DifferConfig{Metric: MetricErrors, Release: Release{Stable: "v1", Canary: "v2"}, WarmUp: test.warmUp}
			if diff := cmp.Diff(test.want, summary(NewDiffer(c, clock(0)).Read(test.samples))); diff != "" {
				t.Errorf("intervals (-want +got):\n%s", diff)
			}
			// The same samples as they come in: the same intervals.
			if test.name == "order of arrival does not matter" {
				return
			}
			one := NewDiffer(c, clock(0))
			var got []Interval
			for _, batch := range batches(test.samples) {
				got = append(got, one.Read(batch)...)
			}
			if diff := cmp.Diff(test.want, summary(got)); diff != "" {
				t.Errorf("one time after the other (-want +got):\n%s", diff)
			}
		})
	}
}

// batches splits samples where their time changes.
func batches(samples []Sample) [][]Sample {
	var all [][]Sample
	for i, s := range samples {
		if i == 0 || !s.At.Equal(samples[i-1].At) {
			all = append(all, nil)
		}
		all[len(all)-1] = append(all[len(all)-1], s)
	}
	return all
}

func TestDifferIgnoresWhatCameLate(t *testing.T) {
	d := NewDiffer(DifferConfig{Release: Release{Stable: "v1", Canary: "v2"}}, clock(0))
	d.Read([]Sample{counter("a", "v1", 0, 100, 0), counter("b", "v2", 0, 50, 0)})
	d.Read([]Sample{counter("a", "v1", 5, 110, 0), counter("b", "v2", 5, 51, 0)})
	d.Read([]Sample{counter("a", "v1", 3, 40, 40), counter("b", "v2", 3, 40, 40)}) // a clock went back
	got := d.Read([]Sample{counter("a", "v1", 10, 120, 0), counter("b", "v2", 10, 52, 1)})
	if diff := cmp.Diff([]seen{counts(5, 10, 10, 0, 1, 1)}, summary(got)); diff != "" {
		t.Errorf("intervals (-want +got):\n%s", diff)
	}
}

func TestDifferDoesNotWaitForWhoLeft(t *testing.T) {
	d := NewDiffer(DifferConfig{Release: Release{Stable: "v1", Canary: "v2"}}, clock(0))
	d.Read([]Sample{counter("a", "v1", 0, 100, 0), counter("b", "v2", 0, 50, 0), counter("c", "v2", 0, 50, 0)})
	d.Leave("c")
	got := d.Read([]Sample{counter("a", "v1", 1, 110, 0), counter("b", "v2", 1, 51, 0)})
	if diff := cmp.Diff([]seen{counts(0, 1, 10, 0, 1, 0)}, summary(got)); diff != "" {
		t.Errorf("intervals (-want +got):\n%s", diff)
	}
}

func TestDifferComparesWhereBothVersionsHaveEdges(t *testing.T) {
	d := NewDiffer(DifferConfig{Metric: MetricLatency, Release: Release{Stable: "v1", Canary: "v2"}}, clock(0))
	at := func(pod, version string, seconds float64, total uint64, bad ...Bad) Sample {
		return Sample{Series: pod, Target: pod, Pod: pod, Version: version, Stratum: "/cart", At: clock(seconds), Total: total, Bad: bad}
	}
	got := d.Read([]Sample{
		at("a", "v1", 0, 0, Bad{.1, 0}, Bad{.25, 0}, Bad{1, 0}), at("b", "v2", 0, 0, Bad{.25, 0}, Bad{.5, 0}, Bad{1, 0}),
		at("a", "v1", 5, 90, Bad{.1, 9}, Bad{.25, 4}, Bad{1, 0}), at("b", "v2", 5, 10, Bad{.25, 3}, Bad{.5, 2}, Bad{1, 1}),
	})
	interval := func(metric string, stableBad, canaryBad uint64) Interval {
		return Interval{Metric: metric, Start: clock(0), End: clock(5),
			Strata: []stats.Counts{{Stratum: "/cart", StableTotal: 90, StableBad: stableBad, CanaryTotal: 10, CanaryBad: canaryBad}},
			Pods:   map[string][]stats.PodCounts{"v1": {{Pod: "a", Total: 90, Bad: stableBad}}, "v2": {{Pod: "b", Total: 10, Bad: canaryBad}}}}
	}
	want := []Interval{interval("latency le=0.25", 4, 3), interval("latency le=1", 0, 1)}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("intervals (-want +got):\n%s", diff)
	}
}

// What stable took before is told once, ahead of the first intervals, for the
// edges that all its series have.
func TestDifferTellsWhatWasBefore(t *testing.T) {
	at := func(pod, version string, seconds float64, total uint64, bad ...Bad) Sample {
		return Sample{Series: pod, Target: pod, Pod: pod, Version: version, At: clock(seconds), Total: total, Bad: bad}
	}
	c := DifferConfig{Metric: MetricLatency, Release: Release{Stable: "v1", Canary: "v2"}, Before: true}
	before := func(edge float64, total, bad uint64) Interval {
		return Interval{Metric: EdgeName(edge), End: clock(0), Strata: []stats.Counts{{StableTotal: total, StableBad: bad}}, Before: true}
	}
	old := []Sample{
		at("a", "v1", -15, 60, Bad{.1, 8}, Bad{.25, 4}, Bad{1, 1}), at("a", "v1", -5, 90, Bad{.1, 9}, Bad{.25, 4}, Bad{1, 1}),
		at("b", "v1", -4, 10, Bad{.25, 3}, Bad{1, 0}), at("c", "v2", -3, 70, Bad{.1, 70}, Bad{.25, 70}, Bad{1, 70}),
	}
	later := []Sample{at("a", "v1", 5, 91, Bad{.1, 9}, Bad{.25, 5}, Bad{1, 1}), at("b", "v1", 5, 10, Bad{.25, 3}, Bad{1, 0}),
		at("c", "v2", 5, 71, Bad{.1, 70}, Bad{.25, 70}, Bad{1, 70})}
	want := []Interval{before(.25, 100, 7), before(1, 100, 1)}

	d := NewDiffer(c, clock(0))
	if diff := cmp.Diff(want, d.Read(old)); diff != "" {
		t.Errorf("before (-want +got):\n%s", diff)
	}
	for _, i := range d.Read(later) {
		if i.Before {
			t.Errorf("told twice: %+v", i)
		}
	}
	together := NewDiffer(c, clock(0)).Read(append(old, later...))
	if diff := cmp.Diff(want, together[:2]); diff != "" || len(together) != 4 {
		t.Errorf("at once, %d intervals (-want +got):\n%s", len(together), diff)
	}

	// Nothing is known where stable was not read before, and nothing is said unasked.
	unasked := c
	unasked.Before = false
	for name, d := range map[string]*Differ{"unasked": NewDiffer(unasked, clock(0)), "too late": NewDiffer(c, clock(-60))} {
		for _, i := range append(d.Read(old), d.Read(later)...) {
			if i.Before {
				t.Errorf("%s: %+v", name, i)
			}
		}
	}
}

func TestEdgeNames(t *testing.T) {
	for _, edge := range []float64{0.005, 0.25, 1, 2.5} {
		if got, ok := EdgeOf(EdgeName(edge)); !ok || got != edge {
			t.Errorf("%g: %q is read as %g, %t", edge, EdgeName(edge), got, ok)
		}
	}
	for _, name := range []string{"errors", "latency", "latency p95", "latency le=x", "latency le=-1"} {
		if edge, ok := EdgeOf(name); ok {
			t.Errorf("%q is read as the edge %g", name, edge)
		}
	}
}
