package istio_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/kube"
	"github.com/canaryctl/canaryctl/internal/kube/kubetest"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

// routed is a VirtualService with these destinations, of the host's versions by their
// names and of others by theirs, as "v1=80 legacy=20"; "v1" has no weight.
func routed(destinations string) string {
	var b strings.Builder
	b.WriteString("apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: echo}\nspec:\n  hosts: [echo]\n  http:\n    - route:\n")
	for destination := range strings.FieldsSeq(destinations) {
		name, weight, weighted := strings.Cut(destination, "=")
		to := "{host: echo, subset: " + name + "}"
		if name == "legacy" {
			to = "{host: legacy}"
		}
		fmt.Fprintf(&b, "        - {destination: %s", to)
		if weighted {
			fmt.Fprintf(&b, ", weight: %s", weight)
		}
		b.WriteString("}\n")
	}
	return b.String() + `---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: echo}
spec:
  host: echo
  subsets: [{name: v1, labels: {version: v1}}]
`
}

// told is the reverse of routed.
func told(s *kubetest.Server) string {
	spec, _ := virtualService(s).Object["spec"].(map[string]any)
	rules, _ := spec["http"].([]any)
	rule, _ := rules[0].(map[string]any)
	route, _ := rule["route"].([]any)
	var all []string
	for _, entry := range route {
		m, _ := entry.(map[string]any)
		destination, _ := m["destination"].(map[string]any)
		name := fmt.Sprint(destination["host"])
		if subset, ok := destination["subset"]; ok {
			name = fmt.Sprint(subset)
		}
		if weight, ok := m["weight"]; ok {
			name += fmt.Sprintf("=%v", weight)
		}
		all = append(all, name)
	}
	return strings.Join(all, " ")
}

// Weights are shares of their sum: a canary comes, gets shares of the traffic one after
// the other, and goes, and the route is as it was.
func TestWeightsAreShares(t *testing.T) {
	for before, steps := range map[string][]struct {
		canary canary.Percent
		want   string
	}{
		"v1":                {{0, "v1=100 v2=0"}, {10, "v1=90 v2=10"}, {0.5, "v1=995 v2=5"}, {50, "v1=500 v2=500"}, {0, "v1=1000 v2=0"}},
		"v1=100":            {{0, "v1=100 v2=0"}, {10, "v1=90 v2=10"}, {0.5, "v1=995 v2=5"}, {50, "v1=50 v2=50"}, {0, "v1=100 v2=0"}},
		"v1=1":              {{0, "v1=1 v2=0"}, {5, "v1=95 v2=5"}, {33.3, "v1=667 v2=333"}, {0, "v1=1 v2=0"}},
		"v1=0":              {{0, "v1=100 v2=0"}, {20, "v1=80 v2=20"}, {0, "v1=100 v2=0"}},
		"v1=1000":           {{0, "v1=1000 v2=0"}, {0.1, "v1=999 v2=1"}, {10, "v1=900 v2=100"}, {0, "v1=1000 v2=0"}},
		"v1=80 legacy=20":   {{0, "v1=80 legacy=20 v2=0"}, {25, "v1=60 legacy=20 v2=20"}, {1, "v1=396 legacy=100 v2=4"}, {0, "v1=80 legacy=20 v2=0"}},
		"legacy=1 v1=2":     {{0, "legacy=1 v1=2 v2=0"}, {50, "legacy=1 v1=1 v2=1"}, {10, "legacy=5 v1=9 v2=1"}, {0, "legacy=1 v1=2 v2=0"}},
		"v1=100 legacy=0":   {{0, "v1=100 legacy=0 v2=0"}, {10, "v1=90 legacy=0 v2=10"}, {0, "v1=100 legacy=0 v2=0"}},
		"v1=9 other=0 v3=0": {{0, "v1=9 other=0 v3=0 v2=0"}, {10, "v1=90 other=0 v3=0 v2=10"}, {0, "v1=9 other=0 v3=0 v2=0"}},
	} {
		t.Run(before, func(t *testing.T) {
			s := kubetest.New(t, routed(before))
			router := newRouter(t, s)
			route, err := router.Find(t.Context(), traffic.Query{Namespace: "default", Route: "echo", Host: "echo"})
			if err != nil {
				t.Fatal(err)
			}
			spec := virtualService(s).Object["spec"]
			if route, err = router.Admit(t.Context(), route, traffic.Admission{Version: "v2"}, traffic.Write{}); err != nil {
				t.Fatal(err)
			}
			for _, step := range steps {
				w := canary.ToCanary(step.canary)
				if route, err = router.Split(t.Context(), route, traffic.Change{Weights: w}, traffic.Write{}); err != nil {
					t.Fatal(err)
				}
				if got := told(s); got != step.want || route.Weights != w {
					t.Errorf("%s: %s, read as %s, want %s", w, got, route.Weights, step.want)
				}
			}
			if _, err = router.Dismiss(t.Context(), route, "v2", traffic.Write{}); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(spec, virtualService(s).Object["spec"]); diff != "" {
				t.Errorf("it is not as it was (-before +after):\n%s", diff)
			}
		})
	}
}

// Somebody puts a rule before others while the canary is there, and the canary comes
// twice: each rule has its own weights again.
func TestWeightsAreRestoredWhereTheRuleIs(t *testing.T) {
	s := kubetest.New(t, strings.Replace(routed("v1"), "http:\n", "http:\n    - match: [{uri: {prefix: /heavy}}]\n      route: [{destination: {host: echo, subset: v1}, weight: 1000}]\n", 1))
	router := newRouter(t, s)
	guest := func() {
		vs := virtualService(s)
		rules, _, _ := unstructured.NestedSlice(vs.Object, "spec", "http")
		rule := map[string]any{"match": []any{map[string]any{"port": int64(len(rules))}}, "route": []any{map[string]any{"destination": map[string]any{"host": "guest"}}}}
		if err := unstructured.SetNestedSlice(vs.Object, append([]any{rule}, rules...), "spec", "http"); err != nil {
			t.Fatal(err)
		}
		s.Put(vs)
	}
	before, _, _ := unstructured.NestedSlice(virtualService(s).Object, "spec", "http")
	for range 2 {
		r, err := router.Admit(t.Context(), found2(t, router, traffic.Query{Host: "echo"}), traffic.Admission{Version: "v2"}, traffic.Write{})
		if err != nil {
			t.Fatal(err)
		}
		guest()
		if _, err := router.Dismiss(t.Context(), r, "v2", traffic.Write{}); err != nil {
			t.Fatal(err)
		}
		after, _, _ := unstructured.NestedSlice(virtualService(s).Object, "spec", "http")
		if diff := cmp.Diff(before, after[len(after)-2:]); diff != "" {
			t.Errorf("the rules are not as they were (-before +after):\n%s", diff)
		}
	}
}

// What somebody else wrote means what it does to the router.
func TestWeightsOfOthers(t *testing.T) {
	for destinations, want := range map[string]string{
		"v1=1 v2=1":              "50/50",
		"v1=999 v2=1":            "99.9/0.1",
		"v1=9999 v2=1":           "99.9/0.1",
		"v1=3 v2=0":              "100/0",
		"v1=0 v2=7":              "0/100",
		"v1=60 v2=20 legacy=20":  "75/25",
		"v1=100 v2":              "100/0",
		"v1=50 legacy=900 v2=50": "50/50",
	} {
		s := kubetest.New(t, routed(destinations))
		route, err := newRouter(t, s).Find(t.Context(), traffic.Query{Namespace: "default", Route: "echo", Host: "echo"})
		if err != nil || route.Weights.String() != want || route.Weights.Validate() != nil {
			t.Errorf("%s: %s, %v, want %s", destinations, route.Weights, err, want)
		}
	}
}

// A version that is alone in a rule gets all of it, whatever its weight says.
func TestAloneGetsEverything(t *testing.T) {
	s := kubetest.New(t, strings.Replace(routed("v1=100 v2=0"), "http:\n", "http:\n    - match: [{uri: {prefix: /new}}]\n      route: [{destination: {host: echo, subset: v2}, weight: 0}]\n", 1))
	router := newRouter(t, s)
	route, err := router.Find(t.Context(), traffic.Query{Namespace: "default", Route: "echo", Host: "echo"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = router.Dismiss(t.Context(), route, "v2", traffic.Write{}); err == nil || !strings.Contains(err.Error(), "sends it all that it matches") {
		t.Errorf("it was taken out: %v", err)
	}
}

// The canary's Pods are called as stable's are: with the same trafficPolicy.
func TestSubsetIsATwin(t *testing.T) {
	s := kubetest.New(t, one)
	router := newRouter(t, s)
	route, err := router.Find(t.Context(), traffic.Query{Namespace: "default", Route: "echo", Host: "echo"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := router.Admit(t.Context(), route, traffic.Admission{Version: "v2"}, traffic.Write{}); err != nil {
		t.Fatal(err)
	}
	spec, _ := s.Get(kube.DestinationRules(), "default", "echo").Object["spec"].(map[string]any)
	subsets, _ := spec["subsets"].([]any)
	want := map[string]any{
		"name": "v2", "labels": map[string]any{"version": "v2", "tier": "web"},
		"trafficPolicy": map[string]any{"connectionPool": map[string]any{"http": map[string]any{"maxRetries": int64(3)}}},
	}
	if diff := cmp.Diff(want, subsets[len(subsets)-1]); diff != "" {
		t.Errorf("subset (-want +got):\n%s", diff)
	}
}

// Nothing that was remembered has to be what there is now.
func TestWeightsThatAreAllZero(t *testing.T) {
	s := kubetest.New(t, `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: echo
  annotations: {canaryctl.io/position: '{"app":"echo","stable":"v1","canary":"v2","added":["weights:http/95cb9b4f84ceff13=100","destination"]}'}
spec:
  hosts: [echo]
  http:
    - route:
        - {destination: {host: echo, subset: v1}, weight: 0}
        - {destination: {host: echo, subset: v2}, weight: 0}
`)
	router := newRouter(t, s)
	r, err := router.Split(t.Context(), found2(t, router, traffic.Query{Route: "echo"}), traffic.Change{Weights: canary.ToCanary(20)}, traffic.Write{})
	if err != nil || r.Weights.Canary != 20 {
		t.Errorf("%s: %v", r.Weights, err)
	}
}
