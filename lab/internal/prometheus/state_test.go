package prometheus

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

func TestSharesOf(t *testing.T) {
	type shares = map[string]map[string]float64
	for route, want := range map[string]shares{
		"[{destination: {host: web, subset: v1}}]":                                                                        {"web": {"v1": 100}},
		"[{destination: {host: web, subset: v1}, weight: 0}]":                                                             {"web": {"v1": 100}},
		"[{destination: {host: web, subset: v1}, weight: 1}]":                                                             {"web": {"v1": 100}},
		"[{destination: {host: web, subset: v1}, weight: 1}, {destination: {host: web, subset: v2}, weight: 1}]":          {"web": {"v1": 50, "v2": 50}},
		"[{destination: {host: web, subset: v1}, weight: 999}, {destination: {host: web, subset: v2}, weight: 1}]":        {"web": {"v1": 99.9, "v2": .1}},
		"[{destination: {host: web, subset: v1}, weight: 3}, {destination: {host: web, subset: v2}}]":                     {"web": {"v1": 100, "v2": 0}},
		"[{destination: {host: web, subset: v1}, weight: 60}, {destination: {host: legacy}, weight: 20}]":                 {"web": {"v1": 75}},
		"[{destination: {host: web, subset: v1}, weight: 1}, {destination: {host: cart, subset: v1}, weight: 3}]":         {"web": {"v1": 25}, "cart": {"v1": 75}},
		"[{destination: {host: web, subset: v1}}, {destination: {host: web, subset: v2}}]":                                {"web": {"v1": 0, "v2": 0}},
		"[{destination: {host: web, subset: v1}, weight: 1}, {destination: {host: web, subset: v1, port: 2}, weight: 1}]": {"web": {"v1": 100}},
	} {
		text, err := yaml.YAMLToJSON([]byte(route))
		if err != nil {
			t.Fatal(err)
		}
		var destinations []destination
		if err := json.Unmarshal(text, &destinations); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, sharesOf(destinations)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", route, diff)
		}
	}
}
