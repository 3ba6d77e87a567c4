package istio_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"pgregory.net/rapid"
	"sigs.k8s.io/yaml"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/kube"
	"github.com/canaryctl/canaryctl/internal/kube/kubetest"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

// every is a route with rules of all protocols, in all the spellings of a host.
const every = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: echo}
spec:
  hosts: [echo]
  http:
    - match: [{headers: {x-version: {exact: v2}}}]
      route: [{destination: {host: echo, subset: v2}}]
    - match: [{uri: {prefix: /admin}}]
      route: [{destination: {host: echo, subset: v1}, weight: 100}]
    - match: [{uri: {prefix: /other}}]
      route:
        - {destination: {host: elsewhere, subset: v1}, weight: 60}
        - {destination: {host: elsewhere, subset: v2}, weight: 40}
    - redirect: {uri: /moved}
    - retries: {attempts: 3}
      unknown: {a: [1, null, 2.50, "x"]}
      route:
        - {destination: {host: echo.default.svc.cluster.local, subset: v1}, weight: 100}
        - {destination: {host: echo.default.svc.cluster.local, subset: v2}}
  tcp:
    - route:
        - {destination: {host: echo.default.svc, subset: v2}, weight: 25}
        - {destination: {host: echo.default.svc, subset: v1}, weight: 75}
  tls:
    - match: [{sniHosts: [echo], port: 443}]
      route:
        - {destination: {host: echo, subset: v1}, weight: 100}
        - {destination: {host: echo, subset: v2}, weight: 0}
`

func TestSplitChangesOnlyWeightsOfRulesWithBothVersions(t *testing.T) {
	s := kubetest.New(t, every)
	router := newRouter(t, s)
	route, err := router.Find(t.Context(), traffic.Query{Namespace: "default", Route: "echo"})
	if err == nil {
		t.Fatalf("found host %s, although the object splits two", route.Host)
	}
	route, err = router.Find(t.Context(), traffic.Query{Namespace: "default", Route: "echo", Host: "echo"})
	if err != nil {
		t.Fatal(err)
	}
	var sent []byte
	show := func(_, _, _ string, body []byte) { sent = body }
	if _, err := router.Split(t.Context(), route, traffic.Change{Weights: canary.Weights{Stable: 70, Canary: 30}}, traffic.Write{Show: show}); err != nil {
		t.Fatal(err)
	}
	var operations []struct{ Op, Path string }
	if err := json.Unmarshal(sent, &operations); err != nil {
		t.Fatal(err)
	}
	var changed []string
	for _, o := range operations {
		if o.Op != "test" {
			changed = append(changed, o.Op+" "+o.Path)
		}
	}
	want := []string{
		"replace /spec/http/4/route/0/weight", "add /spec/http/4/route/1/weight",
		"replace /spec/tcp/0/route/0/weight", "replace /spec/tcp/0/route/1/weight",
		"replace /spec/tls/0/route/0/weight", "replace /spec/tls/0/route/1/weight",
	}
	if diff := cmp.Diff(want, changed); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	expected := strings.NewReplacer(
		"local, subset: v1}, weight: 100", "local, subset: v1}, weight: 70", "local, subset: v2}}", "local, subset: v2}, weight: 30}",
		"svc, subset: v2}, weight: 25", "svc, subset: v2}, weight: 30", "svc, subset: v1}, weight: 75", "svc, subset: v1}, weight: 70",
		"- {destination: {host: echo, subset: v1}, weight: 100}", "- {destination: {host: echo, subset: v1}, weight: 70}",
		"weight: 0}", "weight: 30}",
	).Replace(every)
	if diff := cmp.Diff(specOf(t, expected), virtualService(s).Object["spec"]); diff != "" {
		t.Errorf("spec (-want +got):\n%s", diff)
	}
}

func specOf(t *testing.T, text string) any {
	t.Helper()
	data, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	o := &unstructured.Unstructured{}
	if err := o.UnmarshalJSON(data); err != nil {
		t.Fatal(err)
	}
	return o.Object["spec"]
}

// TestWeightsAlwaysSumTo100 plays releases: whatever is done in whatever order,
// and whatever of it is refused, no rule ever has weights that sum to anything
// but 100.
func TestWeightsAlwaysSumTo100(t *testing.T) {
	rapid.Check(t, func(p *rapid.T) {
		s := kubetest.New(cleanup{t, p}, one)
		router := newRouter(t, s)
		for range rapid.IntRange(1, 12).Draw(p, "steps") {
			route, err := router.Find(t.Context(), traffic.Query{Namespace: "default", Route: "echo", Host: "echo"})
			if err != nil {
				p.Fatalf("find: %v", err)
			}
			switch rapid.IntRange(0, 6).Draw(p, "action") {
			case 6:
				beside := traffic.Beside{Mirror: canary.Percent(rapid.IntRange(0, 50).Draw(p, "mirror"))}
				if rapid.Bool().Draw(p, "header") {
					beside.Header = &canary.Header{Name: "x-user", Value: rapid.SampledFrom([]string{"tester", "other"}).Draw(p, "value")}
				}
				_, _ = router.Split(t.Context(), route, traffic.Change{Weights: canary.AllStable(), Beside: &beside}, traffic.Write{})
			case 0:
				version := rapid.SampledFrom([]string{"v1", "v2", "v3"}).Draw(p, "admitted")
				_, _ = router.Admit(t.Context(), route, traffic.Admission{Version: version}, traffic.Write{})
			case 1:
				version := rapid.SampledFrom([]string{"v1", "v2", "v3"}).Draw(p, "dismissed")
				if after, err := router.Dismiss(t.Context(), route, version, traffic.Write{}); err == nil {
					_, _ = router.Remember(t.Context(), after, forgotten(after, version), traffic.Write{})
				}
			case 2:
				promoted := route.Place().Promoted()
				if promoted.Stable != "" {
					_, _ = router.Split(t.Context(), route, traffic.Change{Weights: canary.AllCanary(), Position: &promoted}, traffic.Write{})
				}
			default:
				stable := canary.Percent(rapid.IntRange(-10, 110).Draw(p, "stable"))
				onTrial := canary.Percent(rapid.IntRange(-10, 110).Draw(p, "canary"))
				if rapid.Bool().Draw(p, "valid") {
					onTrial = 100 - stable
				}
				_, _ = router.Split(t.Context(), route, traffic.Change{Weights: canary.Weights{Stable: stable, Canary: onTrial}}, traffic.Write{})
			}
			if err := validWeights(virtualService(s)); err != nil {
				p.Fatal(err)
			}
		}
		route, err := router.Find(t.Context(), traffic.Query{Namespace: "default", Route: "echo", Host: "echo"})
		if err != nil {
			p.Fatalf("find: %v", err)
		}
		if _, err := router.Split(t.Context(), route, traffic.Change{Weights: canary.AllStable()}, traffic.Write{}); err == nil {
			if text := dump(t, s); strings.Contains(text, "canaryctl-header") || strings.Contains(text, "mirrors") {
				p.Fatalf("after a rollback something leads to the canary:\n%s", text)
			}
		}
	})
}

func forgotten(r traffic.Route, version string) traffic.Change {
	p := r.Place().Without(version)
	return traffic.Change{Position: &p}
}

// cleanup closes what one run of a property opened when that run ends.
type cleanup struct {
	*testing.T
	p *rapid.T
}

func (c cleanup) Cleanup(f func()) { c.p.Cleanup(f) }

// validWeights is what Istio's own validation asks of a rule, for any number of
// destinations.
func validWeights(vs *unstructured.Unstructured) error {
	rules, _, _ := unstructured.NestedSlice(vs.Object, "spec", "http")
	for i, r := range rules {
		route, _ := r.(map[string]any)["route"].([]any)
		sum := int64(0)
		for _, d := range route {
			weight, ok := d.(map[string]any)["weight"].(int64)
			if !ok && len(route) == 1 {
				weight = 100
			}
			if weight < 0 {
				return fmt.Errorf("http[%d] has a negative weight: %v", i, route)
			}
			sum += weight
		}
		if sum != 100 {
			return fmt.Errorf("the weights of http[%d] sum to %d: %v", i, sum, route)
		}
	}
	return nil
}

func TestInvalidObjectIsNotTakenForAConflict(t *testing.T) {
	s := kubetest.New(t, every)
	s.Fail(func(r kubetest.Request) error {
		if r.Verb != "patch" {
			return nil
		}
		return apierrors.NewGenericServerResponse(http.StatusUnprocessableEntity, "patch", schema.GroupResource{Resource: r.Resource}, r.Name, "spec.http: Invalid value", 0, false)
	})
	router := newRouter(t, s)
	route, err := router.Find(t.Context(), traffic.Query{Namespace: "default", Route: "echo", Host: "echo"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = router.Split(t.Context(), route, traffic.Change{Weights: canary.Weights{Stable: 70, Canary: 30}}, traffic.Write{})
	if errors.Is(err, traffic.ErrConflict) || !apierrors.IsInvalid(err) {
		t.Errorf("a refused object: %v, want the server's own error", err)
	}
	if n := writes(s); n != 1 {
		t.Errorf("it was sent %d times, want once", n)
	}
}

func TestThirdVersion(t *testing.T) {
	third := func(weight int) string {
		return fmt.Sprintf(`
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: echo
  annotations: {canaryctl.io/position: '{"stable":"v2","canary":"v3","previous":"v1"}'}
spec:
  hosts: [echo]
  http:
    - route:
        - {destination: {host: echo, subset: v1}, weight: %d}
        - {destination: {host: echo, subset: v2}, weight: %d}
        - {destination: {host: echo, subset: v3}, weight: 0}
`, weight, 100-weight)
	}
	for weight, want := range map[int]error{0: nil, 5: traffic.ErrNotSplit} {
		s := kubetest.New(t, third(weight))
		router := newRouter(t, s)
		route, err := router.Find(t.Context(), traffic.Query{Namespace: "default", Route: "echo"})
		if err != nil {
			t.Fatal(err)
		}
		_, err = router.Split(t.Context(), route, traffic.Change{Weights: canary.Weights{Stable: 90, Canary: 10}}, traffic.Write{})
		if !errors.Is(err, want) {
			t.Errorf("a third version with weight %d: %v, want %v", weight, err, want)
		}
		if err := validWeights(s.Get(kube.VirtualServices(), "default", "echo")); err != nil {
			t.Error(err)
		}
	}
}
