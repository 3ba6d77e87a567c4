package prometheus

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/canaryctl/canaryctl/internal/metrics"
)

func TestSurvey(t *testing.T) {
	f := newHistory(t)
	pod := "cart-v1-5d9c7b8f6d-abcde"
	code := func(value string) map[string]string {
		return map[string]string{"__name__": "http_requests_total", "namespace": "shop", "pod": pod, "route": "/", "code": value}
	}
	f.put(at(code("200"), -30, 1, -25, 2), at(code("500"), -30, 1),
		at(bucket(pod, "0.1"), -10, 1), at(bucket(pod, "+Inf"), -10, 1),
		at(map[string]string{"__name__": "http_requests_in_flight", "namespace": "shop", "pod": pod}, -5, 1),
		at(map[string]string{"__name__": "http_server_requests_seconds_count", "namespace": "shop", "pod": "cart-v2-5d9c7b8f6d-abcde"}, -1, 1),
		at(map[string]string{"__name__": "http_requests_total", "namespace": "shop", "pod": "cart-v1-beta-5d9c7b8f6d-abcde"}, -1, 1)) // another's
	p, err := metrics.FindProfile("app")
	if err != nil {
		t.Fatal(err)
	}
	config := SurveyConfig{Profile: p, Release: release("cart"), Guard: quick(), Now: time.Now}
	got, err := f.server(t).Survey(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	want := []metrics.Found{
		{Metric: "errors", Name: "http_requests_total", Used: true, Versions: []metrics.FoundVersion{
			{Version: "v1", Series: 2, Pods: 1, Age: 25 * time.Second}, {Version: "v2"}}},
		{Metric: "errors", Name: "http_server_requests_seconds_count", Versions: []metrics.FoundVersion{
			{Version: "v1"}, {Version: "v2", Series: 1, Pods: 1, Age: time.Second}}},
		{Metric: "latency", Name: "http_request_duration_seconds", Used: true, Versions: []metrics.FoundVersion{
			{Version: "v1", Series: 2, Pods: 1, Age: 10 * time.Second}, {Version: "v2"}}},
		{Metric: "unanswered", Name: "http_requests_in_flight", Used: true, Versions: []metrics.FoundVersion{
			{Version: "v1", Series: 1, Pods: 1, Age: 5 * time.Second}, {Version: "v2"}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("found (-want +got):\n%s", diff)
	}
	if f.methods[0] != http.MethodGet || len(f.asked) != 3 {
		t.Errorf("asked %q by %s, want one query for each metric, and for what is open", f.asked, f.methods)
	}
	f.fails = 9
	if _, err := f.server(t).Survey(t.Context(), config); !errors.Is(err, metrics.ErrUnavailable) {
		t.Errorf("a server that fails: %v", err)
	}
}
