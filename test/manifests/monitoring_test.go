package manifests

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

// Grafana's sidecar and the chart's Prometheus select by label; without it an
// object is accepted and ignored.
func TestMonitoringObjectsAreSelected(t *testing.T) {
	want := map[string]map[string]string{
		"ServiceMonitor versioned-echo": {"app": "versioned-echo", "release": "kps"},
		"PodMonitor istio-proxies":      {"app": "versioned-echo", "release": "kps"},
		"PrometheusRule canary":         {"app": "versioned-echo", "release": "kps"},
		"ConfigMap canary-dashboard":    {"app": "versioned-echo", "grafana_dashboard": "1"},
	}
	got := make(map[string]map[string]string)
	for _, o := range shipped(t) {
		if _, ok := want[o.Kind+" "+o.Name]; ok {
			got[o.Kind+" "+o.Name] = o.Labels
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
}

// The chart's values make kube-state-metrics export the series that the rules
// and the dashboard read.
func TestConfiguredWeightIsExported(t *testing.T) {
	text, err := os.ReadFile("../../scripts/kps-values.yaml")
	if err != nil {
		t.Fatal(err)
	}
	type metric struct {
		Name string `json:"name"`
		Each struct {
			Gauge struct {
				Path       []string            `json:"path"`
				LabelsFrom map[string][]string `json:"labelsFromPath"`
				ValueFrom  []string            `json:"valueFrom"`
			} `json:"gauge"`
		} `json:"each"`
	}
	var values struct {
		KSM struct {
			State struct {
				Enabled bool `json:"enabled"`
				Config  struct {
					Spec struct {
						Resources []struct {
							Prefix     string              `json:"metricNamePrefix"`
							LabelsFrom map[string][]string `json:"labelsFromPath"`
							Metrics    []metric            `json:"metrics"`
						} `json:"resources"`
					} `json:"spec"`
				} `json:"config"`
			} `json:"customResourceState"`
		} `json:"kube-state-metrics"`
	}
	if err := yaml.Unmarshal(text, &values); err != nil {
		t.Fatal(err)
	}
	if !values.KSM.State.Enabled {
		t.Fatal("customResourceState is off")
	}
	resource := values.KSM.State.Config.Spec.Resources[0]
	m := resource.Metrics[0]
	if name := resource.Prefix + "_" + m.Name; name != "canary_route_weight" {
		t.Errorf("the series is called %s", name)
	}
	want := map[string][]string{
		"namespace": {"metadata", "namespace"}, "route": {"metadata", "name"},
		"host": {"destination", "host"}, "version": {"destination", "subset"},
	}
	got := map[string][]string{"namespace": resource.LabelsFrom["namespace"], "route": resource.LabelsFrom["route"]}
	for label, path := range m.Each.Gauge.LabelsFrom {
		got[label] = path
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"weight"}, m.Each.Gauge.ValueFrom); diff != "" {
		t.Errorf("value (-want +got):\n%s", diff)
	}
}
