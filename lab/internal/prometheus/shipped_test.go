package prometheus

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

func shipped(t *testing.T) *ruleObject {
	t.Helper()
	text, err := os.ReadFile("../../../k8s/monitoring/prometheusrule.yaml")
	if err != nil {
		t.Fatal(err)
	}
	spec, err := yaml.YAMLToJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	object := &ruleObject{}
	if err := json.Unmarshal(spec, object); err != nil {
		t.Fatal(err)
	}
	return object
}

// TestShippedWeights evaluates the recorded weights of routes as kube-state-metrics
// tells of them: as they are written, and zero where none is.
func TestShippedWeights(t *testing.T) {
	p := newTest(t)
	p.rules.load([]*ruleObject{shipped(t)})
	for route, weights := range map[string]map[string]float64{
		"hundred": {"v1": 90, "v2": 10}, "equal": {"v1": 1, "v2": 1}, "fine": {"v1": 999, "v2": 1}, "idle": {"v1": 3, "v2": 0},
		"alone": {"v1": 7}, "unwritten": {"v1": 0}, "zeros": {"v1": 0, "v2": 0},
	} {
		for version, weight := range weights {
			p.fill(t, steps(weight, weight, 1), "__name__", "canary_route_weight", "job", "kube-state-metrics",
				"namespace", "default", "route", route, "host", route+".default.svc.cluster.local", "version", version)
		}
	}
	// The others of a rule have their share of all requests, and not of the host's.
	for host, weights := range map[string]map[string]float64{"shared": {"v1": 60, "v2": 20}, "legacy": {"": 20}} {
		for version, weight := range weights {
			p.fill(t, steps(weight, weight, 1), "__name__", "canary_route_weight", "job", "kube-state-metrics",
				"namespace", "default", "route", "shared", "host", host, "version", version)
		}
	}
	p.evaluateAll(t, epoch())
	var got []string
	for _, line := range ask(t, p.client(t), `version:route_weight:ratio{destination_version!=""}`, 0) {
		labels, value, _ := strings.Cut(line, " => ")
		got = append(got, label(labels, "destination_service_name")+" "+label(labels, "destination_version")+" "+value)
	}
	slices.Sort(got)
	want := []string{
		"alone v1 1", "equal v1 0.5", "equal v2 0.5", "fine v1 0.999", "fine v2 0.001", "hundred v1 0.9", "hundred v2 0.1",
		"idle v1 1", "idle v2 0", "shared v1 0.75", "shared v2 0.25", "unwritten v1 1",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("recorded weights (-want +got):\n%s", diff)
	}
}

// evaluateAll evaluates the rules, none of which may fail.
func (p *Prometheus) evaluateAll(t *testing.T, at time.Time) {
	t.Helper()
	p.rules.evaluate(t.Context(), at)
	for _, g := range p.rules.groups {
		for _, one := range g.rules {
			if one.err != nil {
				t.Errorf("%s%s: %v", one.Alert, one.Record, one.err)
			}
		}
	}
}

// label is the value of a label of a printed series.
func label(series, name string) string {
	_, rest, _ := strings.Cut(series, name+`="`)
	value, _, _ := strings.Cut(rest, `"`)
	return value
}

// TestShippedRules evaluates the rules that people apply, over a minute of
// traffic with a canary that fails.
func TestShippedRules(t *testing.T) {
	p := newTest(t)
	p.rules.load([]*ruleObject{shipped(t)})
	series := func(version, code string, by float64) {
		p.fill(t, steps(0, by*600, by), "__name__", "istio_requests_total", "reporter", "destination", "response_code", code,
			"destination_service_namespace", "default", "destination_service_name", "web", "destination_version", version)
	}
	series("v1", "200", 9)
	series("v2", "200", 1)
	series("v2", "500", 1)
	for second := 60; second <= 300; second++ {
		p.evaluateAll(t, epoch().Add(time.Duration(second)*time.Second))
	}
	got := strings.Join(ask(t, p.client(t), `ALERTS{alertname="CanaryErrors",alertstate="firing"}`, 300), "\n")
	if !strings.Contains(got, `destination_version="v2"`) || strings.Contains(got, `destination_version="v1"`) {
		t.Errorf("firing: %q, want v2 alone", got)
	}
	alerts, err := p.client(t).Alerts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range alerts.Alerts {
		if a.Labels["alertname"] == "CanaryErrors" && a.Annotations["summary"] != "web v2 answers 50% of its requests with an error" {
			t.Errorf("summary: %s", a.Annotations["summary"])
		}
	}
}
