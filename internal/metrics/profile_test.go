package metrics

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/canaryctl/canaryctl/internal/stats"
)

// strata is what the canary alone answered.
func strata(name string, total, bad uint64) stats.Counts {
	return stats.Counts{Stratum: name, CanaryTotal: total, CanaryBad: bad}
}

// What a series counts as, by profile: the spellings of the client libraries.
func TestProfilesReadWhatLibrariesWrite(t *testing.T) {
	r := Release{Namespace: "shop", App: "cart", Service: "cart", Stable: "v1", Canary: "v2"}
	pod := func(more ...string) map[string]string {
		labels := map[string]string{"namespace": "shop", "pod": "cart-v2-5d9c7b8f6d-abcde"}
		for i := 0; i < len(more); i += 2 {
			labels[more[i]] = more[i+1]
		}
		return labels
	}
	mesh := func(reporter, code string) map[string]string {
		return map[string]string{"reporter": reporter, "destination_service_namespace": "shop", "destination_service_name": "cart",
			"destination_version": "v2", "response_code": code, "instance": "x"}
	}
	for _, test := range []struct {
		what, profile, name string
		labels              map[string]string
		want                *seen
	}{
		{"versioned-echo", "app", "http_requests_total", pod("route", "/", "code", "503"), &seen{5, 6, strata("/", 3, 3)}},
		{"success", "app", "http_requests_total", pod("route", "/", "code", "404"), &seen{5, 6, strata("/", 3, 0)}},
		{"another label", "app", "http_requests_total", pod("path", "/buy", "status", "500"), &seen{5, 6, strata("/buy", 3, 3)}},
		{"a probe", "app", "http_requests_total", pod("route", "/health", "code", "500"), nil},
		{"OpenTelemetry", "app", "http_server_request_duration_seconds_count", pod("http_route", "/buy", "http_response_status_code", "500"), &seen{5, 6, strata("/buy", 3, 3)}},
		{"Spring", "app", "http_server_requests_seconds_count", pod("uri", "/buy", "status", "500", "outcome", "SERVER_ERROR"), &seen{5, 6, strata("/buy", 3, 3)}},
		{"Spring's own pages", "app", "http_server_requests_seconds_count", pod("uri", "/actuator/prometheus", "status", "500"), nil},
		{"mesh", "istio", "istio_requests_total", mesh("destination", "500"), &seen{5, 6, strata("", 3, 3)}},
		{"waypoint", "istio", "istio_requests_total", mesh("waypoint", "200"), &seen{5, 6, strata("", 3, 0)}},
		{"gateway", "istio-source", "istio_requests_total", mesh("source", "503"), &seen{5, 6, strata("", 3, 3)}},
		{"the sender", "istio", "istio_requests_total", mesh("source", "500"), &seen{5, 6, strata("", 3, 3)}},
		{"the other reporter", "istio-source", "istio_requests_total", mesh("destination", "500"), nil},
	} {
		t.Run(test.what, func(t *testing.T) {
			p, err := FindProfile(test.profile)
			if err != nil {
				t.Fatal(err)
			}
			owner, err := p.Identity.Owner(r)
			if err != nil {
				t.Fatal(err)
			}
			version, ok := owner.Version(test.labels)
			if !ok || version != "v2" {
				t.Fatalf("version %q, %t: want v2", version, ok)
			}
			m, err := NewMeter(p, DifferConfig{Metric: MetricErrors, Release: r}, clock(5))
			if err != nil {
				t.Fatal(err)
			}
			point := Point{Name: test.name, Labels: test.labels, Version: version, At: clock(4), Value: 40}
			later := point
			later.At, later.Value = clock(6), 43
			var want []seen
			if test.want != nil {
				want = []seen{*test.want}
			}
			if diff := cmp.Diff(want, summary(m.Read([]Point{point, later}))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestMeterKeepsToOneSpelling(t *testing.T) {
	p, err := FindProfile("app")
	if err != nil {
		t.Fatal(err)
	}
	m, err := NewMeter(p, DifferConfig{Metric: MetricErrors, Release: Release{Stable: "v1", Canary: "v2"}}, clock(0))
	if err != nil {
		t.Fatal(err)
	}
	both := func(at, value float64) []Point {
		labels := map[string]string{"pod": "a", "code": "200"}
		return []Point{{Name: "http_requests_total", Labels: labels, Version: "v1", At: clock(at), Value: value},
			{Name: "http_server_requests_seconds_count", Labels: labels, Version: "v1", At: clock(at), Value: value}}
	}
	m.Read(both(0, 10))
	if diff := cmp.Diff([]seen{counts(0, 5, 7, 0, 0, 0)}, summary(m.Read(both(5, 17)))); diff != "" {
		t.Errorf("one request is counted once (-want +got):\n%s", diff)
	}
}

func TestProfilesThatCannotBe(t *testing.T) {
	for text, want := range map[string]string{
		`- {errors: [{name: x, bad: {code: 5..}}]}`: "it has no name",
		`- {name: p}`: "it names no metric",
		`- {name: p, errors: [{name: 'x{}', bad: {code: 5..}}]}`:         "no name of a metric",
		`- {name: p, errors: [{name: x}]}`:                               "bad must say",
		`- {name: p, errors: [{name: x, bad: {code: '('}}]}`:             "label code",
		`- {name: p, latency: [{name: x}]}`:                              "scale must say",
		`- {name: p, latency: [{name: x, scale: 1, bad: {a: b}}]}`:       "has no counters and no bad",
		`- {name: p, latency: [{name: x, scale: 1}], where: {a: '[a-'}}`: "label a",
		`- {name: p, latency: [{name: x, scale: 1}], where: {a|b: c}}`:   `"a|b" is no name of a label`,
		`- {nome: p}`: "unknown field",
		`[]`:          "there is none",
		`- {name: p, latency: [{name: x, scale: 1}]}
- {name: p, latency: [{name: x, scale: 1}]}`: "it is there twice",
		`- {name: p, identity: [], latency: [{name: x, scale: 1}]}`:                                        "identity is empty",
		`- {name: p, identity: [{labels: {ns: "{namespace}"}}], latency: [{name: x, scale: 1}]}`:           "put {version}, {deployment} or {pod}",
		`- {name: p, identity: [{labels: {v: "{vers}"}}], latency: [{name: x, scale: 1}]}`:                 "nothing is called {vers}",
		`- {name: p, identity: [{labels: {v: "({version}"}}], latency: [{name: x, scale: 1}]}`:             "label v",
		`- {name: p, identity: [{labels: {a-b: "{version}"}}], latency: [{name: x, scale: 1}]}`:            `"a-b" is no name of a label`,
		`- {name: p, identity: [{role: baseline, labels: {track: a}}], latency: [{name: x, scale: 1}]}`:    `role "baseline"`,
		`- {name: p, identity: [{role: canary, labels: {track: canary}}], latency: [{name: x, scale: 1}]}`: "only one of stable and canary",
		`- {name: p, latency: [{name: x, scale: 1}], open: [{}]}`:                                          "name a gauge, or two counters",
		`- {name: p, latency: [{name: x, scale: 1}], open: [{gauge: g, started: s, ended: e}]}`:            "name a gauge, or two counters",
		`- {name: p, latency: [{name: x, scale: 1}], open: [{started: s}]}`:                                "name a gauge, or two counters",
		`- {name: p, latency: [{name: x, scale: 1}], open: [{gauge: g, ended: e}]}`:                        "name a gauge, or two counters",
		`- {name: p, latency: [{name: x, scale: 1}], open: [{gauge: g, not: {a: b}}]}`:                     "a gauge counts all requests",
		`- {name: p, latency: [{name: x, scale: 1}], open: [{gauge: 'sum(g)'}]}`:                           "no name of a metric",
		`- {name: p, latency: [{name: x, scale: 1}], open: [{started: s, ended: e, not: {a: '('}}]}`:       "label a",
		`- {name: p, latency: [{name: x, scale: 1}], open: [{gauge: g, identity: [{labels: {a: b}}]}]}`:    "put {version}, {deployment} or {pod}",
		`- {name: p, errors: [{counters: {total: t}}]}`:                                                    "bad must say what failed",
		`- {name: p, errors: [{counters: {bad: b}}]}`:                                                      "either total or good",
		`- {name: p, errors: [{counters: {bad: b, good: g, total: t}}]}`:                                   "either total or good",
		`- {name: p, errors: [{counters: {bad: b, good: g}, name: x}]}`:                                    "counters stand alone",
		`- {name: p, errors: [{counters: {bad: 'rate(b[5m])', good: g}}]}`:                                 "it is no selector",
		`- {name: p, errors: [{counters: {bad: 'b{v="{version}"}', good: g}}]}`:                            "goes into identity",
	} {
		_, err := ParseProfiles([]byte(text))
		if !errors.Is(err, ErrProfile) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	if _, err := FindProfile("linkerd"); err == nil || !strings.Contains(err.Error(), "there are istio, istio-source, istio-destination, app") {
		t.Errorf("an unknown profile: %v", err)
	}
}
