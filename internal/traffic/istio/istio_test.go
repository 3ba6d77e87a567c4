package istio_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"go.uber.org/goleak"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/canaryctl/canaryctl/internal/kube"
	"github.com/canaryctl/canaryctl/internal/kube/kubetest"
	"github.com/canaryctl/canaryctl/internal/traffic"
	"github.com/canaryctl/canaryctl/internal/traffic/istio"
	"github.com/canaryctl/canaryctl/internal/traffic/routertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// one is a route with one version and everything that must survive: a pinned
// rule, retries, timeouts, and fields that no release of Istio has.
const one = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: echo
  labels: {team: payments}
  annotations: {note: "10% of what?"}
spec:
  hosts: [echo, echo.example.com]
  gateways: [mesh]
  http:
    - name: pinned
      match: [{headers: {x-user: {exact: tester}}}]
      route: [{destination: {host: elsewhere, subset: v9}}]
    - name: main
      match: [{uri: {prefix: /}}]
      retries: {attempts: 3, perTryTimeout: 2s}
      timeout: 7s
      futureField: {deep: [1, 2.5, null, "x"]}
      route:
        - destination: {host: echo, subset: v1, port: {number: 80}}
          headers: {response: {set: {x-route: main}}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: echo}
spec:
  host: echo.default.svc.cluster.local
  trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}
  subsets:
    - name: v1
      labels: {version: v1, tier: web}
      trafficPolicy: {connectionPool: {http: {maxRetries: 3}}}
`

func TestContract(t *testing.T) {
	contract(t, func(t testing.TB) *kubetest.Server { return kubetest.New(t, one) })
}

func contract(t *testing.T, cluster func(testing.TB) *kubetest.Server) {
	routertest.Suite{Header: true, Mirror: true, New: func(t testing.TB) routertest.Fixture { return fixture(t, cluster(t)) }}.Run(t)
}

func fixture(t testing.TB, s *kubetest.Server) routertest.Fixture {
	return routertest.Fixture{
		Router:     newRouter(t, s),
		Query:      traffic.Query{Namespace: "default", Route: "echo", Host: "echo"},
		Dump:       func() string { return dump(t, s) },
		Interfere:  func() { annotate(t, s, "somebody", "was here") },
		Interfered: func() bool { return virtualService(s).GetAnnotations()["somebody"] == "was here" },
		Overrule:   func(stable, onTrial int) { overrule(s, stable, onTrial) },
		Writes:     func() int { return writes(s) },
	}
}

func newRouter(t testing.TB, s *kubetest.Server) *istio.Router {
	t.Helper()
	client, err := dynamic.NewForConfig(s.Config())
	if err != nil {
		t.Fatal(err)
	}
	return istio.New(istio.Config{Client: client})
}

func virtualService(s *kubetest.Server) *unstructured.Unstructured {
	return s.Get(kube.VirtualServices(), "default", "echo")
}

// overrule is somebody else's write of the weights that the route "one" has.
func overrule(s *kubetest.Server, stable, onTrial int) {
	vs := virtualService(s)
	rules, _, _ := unstructured.NestedSlice(vs.Object, "spec", "http")
	route := rules[len(rules)-1].(map[string]any)["route"].([]any)
	route[0].(map[string]any)["weight"], route[1].(map[string]any)["weight"] = int64(stable), int64(onTrial)
	if err := unstructured.SetNestedSlice(vs.Object, rules, "spec", "http"); err != nil {
		panic(err)
	}
	s.Put(vs)
}

// annotate is somebody else's write, as kubectl annotate makes it.
func annotate(t testing.TB, s *kubetest.Server, name, value string) {
	t.Helper()
	client, err := dynamic.NewForConfig(s.Config())
	if err != nil {
		t.Error(err)
		return
	}
	patch := fmt.Sprintf(`{"metadata":{"annotations":{%q:%q}}}`, name, value)
	_, err = client.Resource(kube.VirtualServices()).Namespace("default").Patch(t.Context(), "echo", types.MergePatchType, []byte(patch), metav1.PatchOptions{FieldManager: "kubectl-annotate"})
	if err != nil {
		t.Error(err)
	}
}

func writes(s *kubetest.Server) int {
	n := 0
	for _, r := range s.Requests() {
		if r.Name == "echo-public" {
			continue // which follows
		}
		if r.Verb == "patch" || r.Verb == "update" || r.Verb == "create" || r.Verb == "delete" {
			n++
		}
	}
	return n
}

// bare takes off what a server adds.
func bare(o *unstructured.Unstructured) {
	o.SetManagedFields(nil)
	o.SetResourceVersion("")
	o.SetGeneration(0)
	o.SetUID("")
	o.SetCreationTimestamp(metav1.Time{})
}

// dump is both objects as JSON, key by key, without what a server adds.
func dump(t testing.TB, s *kubetest.Server) string {
	t.Helper()
	var b strings.Builder
	for _, resource := range []schema.GroupVersionResource{kube.VirtualServices(), kube.DestinationRules()} {
		for _, o := range s.List(resource, "default") {
			bare(&o)
			data, err := json.MarshalIndent(o.Object, "", " ")
			if err != nil {
				t.Fatal(err)
			}
			b.Write(data)
			b.WriteByte('\n')
		}
	}
	return b.String()
}
