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
