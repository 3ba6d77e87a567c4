package release

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/canaryctl/canaryctl/internal/analysis"
	"github.com/canaryctl/canaryctl/internal/metrics"
	"github.com/canaryctl/canaryctl/internal/stats"
)

// TestKnownIsJSON: what is known can be told as a line of a record, also where the
// canary has answered nothing since the last reading.
func TestKnownIsJSON(t *testing.T) {
	began := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	e, err := newEvidence(analysis.Default(), analysis.Versions{Stable: "v1", Canary: "v2"}, began, began)
	if err != nil {
		t.Fatal(err)
	}
	for i, canary := range []uint64{0, 40} {
		start := began.Add(time.Duration(i) * time.Second)
		reading := func(metric string) metrics.Interval {
			return metrics.Interval{
				Metric: metric, Start: start, End: start.Add(time.Second),
				Strata: []stats.Counts{{StableTotal: 100, CanaryTotal: canary}},
			}
		}
		got := []metrics.Interval{reading(analysis.Errors), reading(metrics.EdgeName(0.1))}
		if err := e.hear(start.Add(time.Second), got); err != nil {
			t.Fatal(err)
		}
		known, err := e.words(func() time.Time { return start.Add(time.Second) }, got)
		if err != nil || known == nil {
			t.Fatalf("%v, %v", known, err)
		}
		if _, err := json.Marshal(known); err != nil {
			t.Errorf("the canary answered %d requests: %v", canary, err)
		}
		if has := known.P95 != nil; has != (canary > 0) {
			t.Errorf("the canary answered %d requests, and the latencies are told: %t", canary, has)
		}
	}
}

// TestFinal: the last that is told of a release has all its requests, also where making
// words takes so long that it is not done for every reading.
func TestFinal(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	slow := func() time.Time { now = now.Add(100 * time.Millisecond); return now }
	e, err := newEvidence(analysis.Default(), analysis.Versions{Stable: "v1", Canary: "v2"}, now, now)
	if err != nil {
		t.Fatal(err)
	}
	if e.final(slow) != nil || (*evidence)(nil).final(slow) != nil {
		t.Error("something is known before the first reading")
	}
	for i := range 3 {
		start := now.Add(time.Duration(i) * time.Millisecond)
		got := []metrics.Interval{{
			Metric: analysis.Errors, Start: start, End: start.Add(time.Millisecond),
			Strata: []stats.Counts{{StableTotal: 100, CanaryTotal: 40}},
		}}
		if err := e.hear(start, got); err != nil {
			t.Fatal(err)
		}
		if known, err := e.words(slow, got); err != nil || (known == nil) != (i > 0) {
			t.Fatalf("reading %d: %v, %v", i, known, err)
		}
	}
	if got := e.latest().Metrics[0].Canary.Requests; got != 40 {
		t.Errorf("before the end %d requests are told", got)
	}
	if got := e.final(slow).Metrics[0].Canary.Requests; got != 120 {
		t.Errorf("in the end %d requests are told, of 120", got)
	}
}
