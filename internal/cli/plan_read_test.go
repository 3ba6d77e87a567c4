package cli

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/canaryctl/canaryctl/internal/analysis"
	"github.com/canaryctl/canaryctl/internal/metrics"
	"github.com/canaryctl/canaryctl/internal/stats"
)

// Pods remember nothing: what they answer between two readings is the traffic.
func TestPlanReadsPodsTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var narration bytes.Buffer
		o := &plan{Factory: NewFactory(Streams{Err: &narration})}
		began := time.Now()
		u, err := o.twoReadings(t.Context(), &played{counts: fails(9, 1)}, "v1")
		if err != nil || time.Since(began) != readingsApart {
			t.Fatalf("after %s: %v", time.Since(began), err)
		}
		want := usual{rate: 100, stable: analysis.Arm{Requests: 900, Bad: 9}, every: liveInterval, within: "in 10s"}
		if diff := cmp.Diff(want, u, cmp.AllowUnexported(usual{})); diff != "" {
			t.Errorf("traffic (-want +got):\n%s", diff)
		}
		if !strings.Contains(narration.String(), "they are read twice, 10s apart") {
			t.Errorf("narration %q", narration.String())
		}
		if _, err := o.twoReadings(t.Context(), &played{silent: map[int]error{1: metrics.ErrNoData}}, "v1"); !errors.Is(err, metrics.ErrNoData) {
			t.Errorf("silent Pods: %v", err)
		}
		if _, err := o.twoReadings(t.Context(), &played{}, "v1"); !errors.Is(err, metrics.ErrNoData) {
			t.Errorf("Pods without a request: %v", err)
		}
	})
}

// A service that got its traffic lately has the rate that it has now.
func TestUsualBeginsWithTheTraffic(t *testing.T) {
	var all []metrics.Interval
	at := time.Unix(0, 0)
	for _, requests := range []uint64{0, 0, 0, 300, 1000, 1000, 0} {
		end := at.Add(10 * time.Second)
		all = append(all, metrics.Interval{Metric: analysis.Errors, Start: at, End: end, Strata: []stats.Counts{{StableTotal: requests}}})
		at = end
	}
	u, err := usualOf(all, "v1")
	if want := 2000.0 / 30; err != nil || u.rate != want || u.stable.Requests != 2000 {
		t.Errorf("%v requests/s of %d, %v; want %v, with the pause in between and not the time before", u.rate, u.stable.Requests, err, want)
	}
	if _, err := usualOf(all[:3], "v1"); !errors.Is(err, metrics.ErrNoData) {
		t.Errorf("without any: %v", err)
	}
}
