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
