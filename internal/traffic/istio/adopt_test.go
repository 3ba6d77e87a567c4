package istio_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/canaryctl/canaryctl/internal/kube/kubetest"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

// plainly sends to echo in every way there is, and to others.
const plainly = `
apiVersion: v1
kind: Service
metadata: {name: echo}
spec: {selector: {app: echo}, ports: [{name: http, port: 80}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: echo}
spec:
  hosts: [echo]
  http:
    - match: [{uri: {prefix: /other}}]
      mirror: {host: echo}
      route: [{destination: {host: elsewhere}}]
    - mirrors: [{destination: {host: elsewhere}}, {destination: {host: echo}, percentage: {value: 5}}]
      retries: {attempts: 3}
      unknown: {a: [1, null, 2.50, "x"]}
      route:
        - {destination: {host: echo.default.svc.cluster.local, port: {number: 80}}, weight: 90}
        - {destination: {host: elsewhere}, weight: 10}
  tcp:
    - route: [{destination: {host: echo}}]
  tls:
    - match: [{sniHosts: [echo], port: 443}]
      route: [{destination: {host: echo}}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: echo}
spec:
  host: echo.default.svc
  trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}
  subsets: []
`

var echo = traffic.Query{Namespace: "default"}

func survey(t *testing.T, s *kubetest.Server, q traffic.Query) (traffic.Adopter, traffic.Survey) {
	t.Helper()
	router := newRouter(t, s)
	seen, err := router.Survey(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return router, seen
}

// Every destination that leads to the host is named, and nothing else is changed; that
// and the subset are taken back byte for byte.
func TestNameAndDefineThereAndBack(t *testing.T) {
	s := kubetest.New(t, plainly)
	before := dump(t, s)
	router, seen := survey(t, s, echo)
	if len(seen.Senders) != 1 || seen.Senders[0].Bare != 5 || seen.Host != "echo" {
		t.Fatalf("it sees %+v", seen)
	}
	if _, err := router.Define(t.Context(), seen, "v1", map[string]string{"version": "v1"}, traffic.Write{}); err != nil {
		t.Fatal(err)
	}
	if _, err := router.Name(t.Context(), seen, "echo", "v1", traffic.Write{}); err != nil {
		t.Fatal(err)
	}
	route, err := newRouter(t, s).Find(t.Context(), traffic.Query{Namespace: "default"})
	if err != nil || route.Stable != "v1" {
		t.Errorf("the route is %+v, %v", route, err)
	}
	_, seen = survey(t, s, echo)
	if seen.Senders[0].Bare != 0 || seen.Senders[0].Adopted == nil || seen.Definitions[0].Adopted == nil {
		t.Errorf("it sees %+v", seen)
	}
	if _, err := router.Unname(t.Context(), seen, "echo", traffic.Write{}); err != nil {
		t.Fatal(err)
	}
	if _, err := router.Undefine(t.Context(), seen, "echo", traffic.Write{}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, dump(t, s)); diff != "" {
		t.Errorf("there and back (-before +after):\n%s", diff)
	}
}

// Where a destination named the version before, and rules were moved since, nobody can
// tell which is which.
func TestUnnameRefusesWhatItCannotTell(t *testing.T) {
	half := strings.Replace(plainly, "tcp:\n    - route: [{destination: {host: echo}}]", "tcp:\n    - route: [{destination: {host: echo, subset: v1}}]", 1)
	s := kubetest.New(t, half)
	router, seen := survey(t, s, echo)
	if _, err := router.Name(t.Context(), seen, "echo", "v1", traffic.Write{}); err != nil {
		t.Fatal(err)
	}
	vs := virtualService(s)
	spec := vs.Object["spec"].(map[string]any)
	spec["http"] = spec["http"].([]any)[1:]
	s.Put(vs)
	before := dump(t, s)
	router, seen = survey(t, s, echo)
	if _, err := router.Unname(t.Context(), seen, "echo", traffic.Write{}); !errors.Is(err, traffic.ErrConflict) {
		t.Errorf("error %v, want %v", err, traffic.ErrConflict)
	}
	if diff := cmp.Diff(before, dump(t, s)); diff != "" {
		t.Errorf("it changed something (-before +after):\n%s", diff)
	}
}

// Of several Services of the same Pods, the one that is sent to is meant.
func TestSurveyFindsTheService(t *testing.T) {
	headless := `
---
apiVersion: v1
kind: Service
metadata: {name: a-headless}
spec: {selector: {app: echo}, clusterIP: None}
`
	_, seen := survey(t, kubetest.New(t, plainly+headless), echo)
	if seen.Host != "echo" {
		t.Errorf("it means %s", seen.Host)
	}
	_, seen = survey(t, kubetest.New(t, plainly+headless), traffic.Query{Namespace: "default", Host: "a-headless"})
	if seen.Host != "a-headless" {
		t.Errorf("asked for another, it means %s", seen.Host)
	}
	other := strings.Replace(headless, "app: echo", "app: other", 1)
	if _, err := newRouter(t, kubetest.New(t, plainly+other)).Survey(t.Context(), echo); !errors.Is(err, traffic.ErrAmbiguous) {
		t.Errorf("error %v, want %v", err, traffic.ErrAmbiguous)
	}
	_, seen = survey(t, kubetest.New(t, plainly+other), traffic.Query{Namespace: "default", Route: "echo"})
	if seen.Host != "echo" {
		t.Errorf("by its route, it means %s", seen.Host)
	}
}

// A rule for many hosts would not hold for the host any more.
func TestSurveyRefusesBesideAWideRule(t *testing.T) {
	wide := strings.Replace(plainly, "host: echo.default.svc\n", "host: '*.default.svc.cluster.local'\n", 1)
	if _, err := newRouter(t, kubetest.New(t, wide)).Survey(t.Context(), echo); !errors.Is(err, traffic.ErrUnsupported) {
		t.Errorf("error %v, want %v", err, traffic.ErrUnsupported)
	}
}

// An attempt that was cut short may make its object after the next one looked: that is
// what was to be made. Somebody's own object of the name is not.
func TestMadeMeanwhile(t *testing.T) {
	s := kubetest.New(t, `
apiVersion: v1
kind: Service
metadata: {name: echo}
spec: {selector: {app: echo}, ports: [{name: http, port: 80}]}
`)
	router, seen := survey(t, s, traffic.Query{Namespace: "default", Host: "echo"})
	first, err := router.Name(t.Context(), seen, "", "v1", traffic.Write{})
	if err != nil {
		t.Fatal(err)
	}
	again, err := router.Name(t.Context(), seen, "", "v1", traffic.Write{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first, again); diff != "" {
		t.Errorf("the second one says (-first +second):\n%s", diff)
	}
	if _, err := router.Name(t.Context(), seen, "", "v2", traffic.Write{}); err == nil || !strings.Contains(err.Error(), "already exists") {
		t.Errorf("another object of the name: %v", err)
	}
}
