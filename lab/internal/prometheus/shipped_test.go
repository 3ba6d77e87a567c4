package prometheus

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"
)

// TestShippedRules evaluates the rules that people apply, over a minute of
// traffic with a canary that fails.
func TestShippedRules(t *testing.T) {
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
	p := newTest(t)
	p.rules.load([]*ruleObject{object})
	series := func(version, code string, by float64) {
		p.fill(t, steps(0, by*600, by), "__name__", "istio_requests_total", "reporter", "destination", "response_code", code,
			"destination_service_namespace", "default", "destination_service_name", "web", "destination_version", version)
	}
	series("v1", "200", 9)
	series("v2", "200", 1)
	series("v2", "500", 1)
	for second := 60; second <= 300; second++ {
		p.rules.evaluate(t.Context(), epoch().Add(time.Duration(second)*time.Second))
	}
	for _, g := range p.rules.groups {
		for _, one := range g.rules {
			if one.err != nil {
				t.Errorf("%s%s: %v", one.Alert, one.Record, one.err)
			}
		}
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
