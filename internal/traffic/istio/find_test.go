package istio_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/kube/kubetest"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

// several is a namespace with routes of three applications, one of which has a
// canary, and a Service that is not called like its application.
const several = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: cart}
spec:
  hosts: [cart]
  http: [{route: [{destination: {host: cart, subset: v1}}]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: checkout
  annotations: {canaryctl.io/position: '{"app":"checkout","stable":"blue","canary":"green","added":["destination"]}'}
spec:
  hosts: [checkout]
  http:
    - route:
        - {destination: {host: checkout, subset: green}, weight: 20}
        - {destination: {host: checkout, subset: blue}, weight: 80}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web}
spec:
  hosts: [web]
  http: [{route: [{destination: {host: web-svc, subset: v1}}]}]
---
apiVersion: v1
kind: Service
metadata: {name: web-svc}
spec: {selector: {app: web}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: plain}
spec:
  hosts: [plain]
  http: [{route: [{destination: {host: plain}}]}]
`

func TestFind(t *testing.T) {
	for _, test := range []struct {
		name  string
		query traffic.Query
		want  string // route, host, stable, canary, weights
		err   error
		says  string
	}{
		{"by name", traffic.Query{Route: "checkout"}, "checkout checkout blue green 80/20", nil, ""},
		{"by host", traffic.Query{Host: "cart"}, "cart cart v1  100/0", nil, ""},
		{"by qualified host", traffic.Query{Host: "cart.default.svc.cluster.local"}, "cart cart v1  100/0", nil, ""},
		{"by name and qualified host", traffic.Query{Route: "cart", Host: "cart.default.svc"}, "cart cart v1  100/0", nil, ""},
		{"by host of another cluster domain", traffic.Query{Host: "cart.default.svc.corp.example."}, "cart cart v1  100/0", nil, ""},
		{"by app", traffic.Query{App: "cart"}, "cart cart v1  100/0", nil, ""},
		{"by app that the Service selects", traffic.Query{App: "web"}, "web web-svc v1  100/0", nil, ""},
		{"the only one with a canary", traffic.Query{Split: true}, "checkout checkout blue green 80/20", nil, ""},
		{"several", traffic.Query{}, "", traffic.ErrAmbiguous, "cart (host cart), checkout (host checkout), web (host web-svc)"},
		{"host of another namespace", traffic.Query{Host: "cart.other.svc.cluster.local"}, "", traffic.ErrNoRoute, "cart, checkout"},
		{"unknown app", traffic.Query{App: "nobody"}, "", traffic.ErrNoRoute, `app "nobody"`},
		{"unknown host in a known route", traffic.Query{Route: "cart", Host: "web"}, "", traffic.ErrNoRoute, "it routes to cart"},
		{"no subset", traffic.Query{Host: "plain"}, "", traffic.ErrNotSplit, "without a subset"},
		{"no subset, by name", traffic.Query{Route: "plain"}, "", traffic.ErrNotSplit, "without a subset"},
	} {
		t.Run(test.name, func(t *testing.T) {
			router := newRouter(t, kubetest.New(t, several))
			test.query.Namespace = "default"
			r, err := router.Find(t.Context(), test.query)
			if !errors.Is(err, test.err) {
				t.Fatalf("error %v, want %v", err, test.err)
			}
			if err != nil {
				if !strings.Contains(err.Error(), test.says) || hint.Of(err) == "" {
					t.Errorf("the error %q with hint %q should say %q and what to do", err, hint.Of(err), test.says)
				}
				return
			}
			got := strings.Join([]string{r.Name, r.Host, r.Stable, r.Canary, r.Weights.String()}, " ")
			if got != test.want {
				t.Errorf("found %q, want %q", got, test.want)
			}
		})
	}
}

func TestOnlyARequestForTheNamedRoute(t *testing.T) {
	s := kubetest.New(t, several)
	if _, err := newRouter(t, s).Find(t.Context(), traffic.Query{Namespace: "default", Route: "checkout", Host: "checkout"}); err != nil {
		t.Fatal(err)
	}
	if n := len(s.Requests()); n != 1 {
		t.Errorf("it took %d requests, want 1: %v", n, s.Requests())
	}
}

// A position is believed as long as the route still has its stable version.
func TestPositionAgainstTheRoute(t *testing.T) {
	for _, test := range []struct {
		name           string
		position       string
		stable, canary string
	}{
		{"as recorded", `{"stable":"green","canary":"blue"}`, "green", "blue"},
		{"after a promotion", `{"stable":"blue","previous":"green"}`, "blue", ""},
		{"of a route rewritten since", `{"stable":"red","canary":"pink"}`, "green", "blue"},
		{"that is no position", `not JSON`, "green", "blue"},
	} {
		t.Run(test.name, func(t *testing.T) {
			text := strings.Replace(several, `{"app":"checkout","stable":"blue","canary":"green","added":["destination"]}`, test.position, 1)
			r, err := newRouter(t, kubetest.New(t, text)).Find(t.Context(), traffic.Query{Namespace: "default", Route: "checkout"})
			if err != nil {
				t.Fatal(err)
			}
			if r.Stable != test.stable || r.Canary != test.canary {
				t.Errorf("stable %q, canary %q; want %q and %q", r.Stable, r.Canary, test.stable, test.canary)
			}
		})
	}
}

// Release after release leaves its stable version's destination behind, without
// traffic. However many there are, they are not on trial, and nothing is refused.
func TestDestinationsLeftBehind(t *testing.T) {
	for _, test := range []struct {
		name             string
		position         string
		v1, v2, v3, v4   int
		stable, canary   string
		weights, refused string
	}{
		{name: "two releases ago", position: `{"stable":"v4","previous":"v3"}`, v4: 100, stable: "v4", weights: "100/0"},
		{name: "the previous one removed", position: `{"stable":"v4"}`, v4: 100, stable: "v4", weights: "100/0"},
		{name: "another gets traffic", position: `{"stable":"v4","previous":"v3"}`, v2: 10, v4: 90, stable: "v4", canary: "v2", weights: "90/10"},
		{name: "stable gets none", position: `{"stable":"v4"}`, v2: 100, stable: "v4", canary: "v2", weights: "0/100"},
		{name: "the annotations are gone", v2: 60, v3: 40, stable: "v2", canary: "v3", weights: "60/40"},
		{name: "they are gone, and nobody is on trial", v3: 100, stable: "v3", weights: "100/0"},
		{name: "three get traffic", v1: 10, v2: 50, v3: 40, refused: "between 3 versions (v1, v2, v3)"},
	} {
		t.Run(test.name, func(t *testing.T) {
			text := fmt.Sprintf(`
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: shop
  annotations: {canaryctl.io/position: '%s'}
spec:
  hosts: [shop]
  http:
    - route:
        - {destination: {host: shop, subset: v1}, weight: %d}
        - {destination: {host: shop, subset: v2}, weight: %d}
        - {destination: {host: shop, subset: v3}, weight: %d}
        - {destination: {host: shop, subset: v4}, weight: %d}
`, test.position, test.v1, test.v2, test.v3, test.v4)
			r, err := newRouter(t, kubetest.New(t, text)).Find(t.Context(), traffic.Query{Namespace: "default", Route: "shop"})
			if test.refused != "" {
				if !errors.Is(err, traffic.ErrNotSplit) || !strings.Contains(err.Error(), test.refused) {
					t.Fatalf("error %v, want one that says %q", err, test.refused)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if r.Stable != test.stable || r.Canary != test.canary || r.Weights.String() != test.weights {
				t.Errorf("stable %q, canary %q, weights %s; want %q, %q, %s", r.Stable, r.Canary, r.Weights, test.stable, test.canary, test.weights)
			}
		})
	}
}

func TestBackends(t *testing.T) {
	const service = `
apiVersion: v1
kind: Service
metadata: {name: echo}
spec: {selector: {app.kubernetes.io/name: echo}}
`
	for _, test := range []struct {
		name    string
		objects string
		version string
		want    map[string]string
	}{
		{"Service and subset", one + "---" + service, "v1", map[string]string{"app.kubernetes.io/name": "echo", "version": "v1", "tier": "web"}},
		{"version without a subset", one + "---" + service, "v2", map[string]string{"app.kubernetes.io/name": "echo", "version": "v2", "tier": "web"}},
		{"no Service, no DestinationRule", strings.Split(one, "---")[0], "v1", map[string]string{"app": "echo", "version": "v1"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			router := newRouter(t, kubetest.New(t, test.objects))
			route := traffic.Route{Namespace: "default", Name: "echo", Host: "echo", App: "echo", Stable: "v1", Weights: canary.AllStable()}
			got, err := router.Backends(t.Context(), route, test.version)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got[0].Selector()); diff != "" {
				t.Errorf("labels (-want +got):\n%s", diff)
			}
		})
	}
}

// A new version's subset selects like the stable one's, and without the stable
// one's traffic policy: that may be tuned to its Pods.
func TestAdmittedSubset(t *testing.T) {
	s := kubetest.New(t, one)
	router := newRouter(t, s)
	route, err := router.Find(t.Context(), traffic.Query{Namespace: "default", Route: "echo", Host: "echo"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := router.Admit(t.Context(), route, traffic.Admission{Version: "v2"}, traffic.Write{}); err != nil {
		t.Fatal(err)
	}
	got, err := router.Backends(t.Context(), route, "v2")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"app": "echo", "version": "v2", "tier": "web"}, got[0].Selector()); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
	var order []string
	for _, r := range s.Requests() {
		if r.Verb == "patch" {
			order = append(order, r.Resource)
		}
	}
	if diff := cmp.Diff([]string{"destinationrules", "virtualservices"}, order); diff != "" {
		t.Errorf("a destination before its subset answers 503 (-want +got):\n%s", diff)
	}
}
