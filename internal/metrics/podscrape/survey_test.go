package podscrape

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/canaryctl/canaryctl/internal/metrics"
)

func TestSurvey(t *testing.T) {
	c := newCluster(t)
	c.put(text, map[string]string{"v1/a": exposed(9, 1, 9, 10), "v1/b": exposed(9, 1, 9, 10), "v2/c": ""})
	profiles, err := metrics.Profiles()
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.scraper(t).Survey(t.Context(), profiles)
	if err == nil || err.Error() != "1 of 3 Pods did not answer; the first: pod c: port 8080/metrics answered 503 Service Unavailable" {
		t.Errorf("error %v", err)
	}
	want := make([][]metrics.Found, len(profiles))
	for i, p := range profiles {
		if p.Name == "app" { // probes are not counted
			want[i] = []metrics.Found{
				{Metric: "errors", Name: "http_requests_total", Used: true, Versions: []metrics.FoundVersion{{Version: "v1", Series: 4, Pods: 2}, {Version: "v2"}}},
				{Metric: "latency", Name: "http_request_duration_seconds", Used: true, Versions: []metrics.FoundVersion{{Version: "v1", Series: 4, Pods: 2}, {Version: "v2"}}},
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("found (-want +got):\n%s", diff)
	}
	c.refused = true
	if _, err := c.scraper(t).Survey(t.Context(), profiles); err == nil {
		t.Error("who may not list Pods is told nothing")
	}
}
