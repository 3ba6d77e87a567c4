package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/canaryctl/canaryctl/test/labtest"
)

// TestAnalyzeWithoutPrometheus takes the Prometheus away from under a watch of a
// canary that passes. The verdict is inconclusive for as long, and says why;
// then the watch goes on by itself, and has missed nothing.
func TestAnalyzeWithoutPrometheus(t *testing.T) {
	t.Parallel()
	prometheus, err := labtest.NewDoor(lab.Prometheus)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = prometheus.Shut() })
	s := judged(t, labtest.Trial{Weight: 30}, 80)[0]
	w := watch(t, "canaryctl analyze -w --interval 1s --negligible 5% -o json --prometheus-url "+prometheus.URL+" "+s.flags, s.env)
	passes := func(v verdict) bool { return v.Verdict == "pass" }
	before := w.until(time.Minute, "pass", passes)
	route := specs(t, s.namespace)

	if err := prometheus.Shut(); err != nil {
		t.Fatal(err)
	}
	silent := w.until(time.Minute, "sign that Prometheus is gone", func(v verdict) bool { return v.Reason != "" })
	if silent.Verdict != "inconclusive" || !strings.Contains(silent.Reason, "refused") || !strings.Contains(silent.Summary, silent.Reason) {
		t.Errorf("without Prometheus: %+v", silent)
	}
	if silent.requests() < before.requests() {
		t.Errorf("%d requests of the canary were known, and %d once Prometheus is gone", before.requests(), silent.requests())
	}
	if diff := cmp.Diff(route, specs(t, s.namespace)); diff != "" {
		t.Errorf("the route changed (-before +after):\n%s", diff)
	}

	if err := prometheus.Open(); err != nil {
		t.Fatal(err)
	}
	after := w.until(time.Minute, "pass again", passes)
	if after.Reason != "" || after.requests() <= silent.requests() {
		t.Errorf("after Prometheus came back: %+v, when it went: %+v", after, silent)
	}
	w.interrupt()
}
