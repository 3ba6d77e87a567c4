package istio_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/kube/kubetest"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

// rolled is a route as Argo Rollouts has it in the middle of a step; METADATA marks
// its objects.
const rolled = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: echo VS}
spec:
  hosts: [echo]
  http:
    - route:
        - {destination: {host: echo, subset: stable}, weight: 90}
        - {destination: {host: echo, subset: canary}, weight: 10}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: echo DR}
spec:
  host: echo
  subsets:
    - {name: stable, labels: {app: echo, rollouts-pod-template-hash: aaa}}
    - {name: canary, labels: {app: echo, rollouts-pod-template-hash: bbb}}
---
apiVersion: v1
kind: Service
metadata: {name: echo SVC}
spec: {selector: {app: echo}}
`

const (
	byRollout   = `, annotations: {argo-rollouts.argoproj.io/managed-by-rollouts: shop}`
	byFlagger   = `, ownerReferences: [{apiVersion: flagger.app/v1beta1, kind: Canary, name: shop, uid: "1", controller: true}]`
	byManager   = `, managedFields: [{manager: rollouts-controller, operation: Update, apiVersion: networking.istio.io/v1alpha3, fieldsType: FieldsV1, fieldsV1: {"f:spec": {"f:http": {}}}}]`
	byStatus    = `, managedFields: [{manager: rollouts-controller, operation: Update, apiVersion: networking.istio.io/v1alpha3, fieldsType: FieldsV1, fieldsV1: {"f:metadata": {}}}]`
	rolloutHint = "move traffic with: kubectl argo rollouts promote|abort shop -n default"
)

// marked is the route with marks on its objects.
func marked(vs, dr, service string) string {
	return strings.NewReplacer(" VS", vs, " DR", dr, " SVC", service).Replace(rolled)
}

// rollout is a Rollout that moves traffic by the named VirtualService.
func rollout(namespace, route string) string {
	return `
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: shop, namespace: ` + namespace + `}
spec: {strategy: {canary: {trafficRouting: {istio: {virtualServices: [{name: ` + route + `}]}}}}}
`
}

// writesOf are all the ways to write a route.
func writesOf(t *testing.T, router traffic.Router, route traffic.Route) map[string]error {
	split := func(w canary.Weights) error {
		_, err := router.Split(t.Context(), route, traffic.Change{Weights: w}, traffic.Write{})
		return err
	}
	_, admit := router.Admit(t.Context(), route, traffic.Admission{Version: "canary"}, traffic.Write{})
	_, remember := router.Remember(t.Context(), route, traffic.Change{Notes: map[string]string{canary.PlanAnnotation: "x"}}, traffic.Write{})
	idle := route
	idle.Weights = canary.AllStable()
	_, dismiss := router.Dismiss(t.Context(), idle, "canary", traffic.Write{})
	_, withdraw := router.Withdraw(t.Context(), idle, "canary", traffic.Write{})
	return map[string]error{
		"admit": admit, "dismiss": dismiss, "withdraw": withdraw, "remember": remember,
		"more": split(canary.Weights{Stable: 40, Canary: 60}), "less": split(canary.Weights{Stable: 95, Canary: 5}),
		"roll back": split(canary.AllStable()),
	}
}

// What another tool writes is put back by it within milliseconds: a write would
// look successful and be void. So it is refused, with the tool's own command.
func TestForeignRoute(t *testing.T) {
	for _, test := range []struct {
		name    string
		objects []string
		prepare func(*kubetest.Server)
		says    string
		hint    string
		lets    string // writes that it does not keep from being made
	}{
		{name: "VirtualService with the annotation", objects: []string{marked(byRollout, "", "")}, says: `VirtualService default/echo: route is managed by something else: the Argo Rollout "shop" writes its weights`, hint: rolloutHint},
		{name: "VirtualService that the controller wrote", objects: []string{marked(byManager, "", ""), rollout("default", "echo")}, says: `VirtualService default/echo: route is managed by something else: the Argo Rollout "shop" writes its weights`, hint: rolloutHint},
		{name: "VirtualService of a Rollout of another namespace", objects: []string{marked(byManager, "", ""), rollout("apps", "echo.default")}, says: `the Argo Rollout "shop" writes its weights`, hint: "move traffic with: kubectl argo rollouts promote|abort shop -n apps"},
		{name: "VirtualService that the controller wrote, and Rollouts may not be read", objects: []string{marked(byManager, "", ""), rollout("default", "echo")},
			prepare: func(s *kubetest.Server) { s.Forbid("list", "rollouts") },
			says:    `Argo Rollouts wrote it last (field manager "rollouts-controller"), and of which Rollout cannot be looked up`, hint: "kubectl argo rollouts promote|abort NAME -n default"},
		{name: "VirtualService of Flagger", objects: []string{marked(byFlagger, "", "")}, says: `Flagger's Canary "shop" writes its weights`, hint: "kubectl describe canaries.flagger.app shop -n default"},
		// A rollback reads the VirtualService and nothing else.
		{name: "DestinationRule with the annotation", objects: []string{marked("", byRollout, "")}, says: `DestinationRule default/echo: route is managed by something else: the Argo Rollout "shop" writes its subsets`, hint: rolloutHint, lets: "remember, roll back"},
		{name: "DestinationRule of Flagger", objects: []string{marked("", byFlagger, "")}, says: `Flagger's Canary "shop" writes its subsets`, hint: "kubectl describe canaries.flagger.app shop", lets: "remember, roll back"},
		{name: "Service with the annotation", objects: []string{marked("", "", byRollout)}, says: `Service default/echo: route is managed by something else: the Argo Rollout "shop" writes its selector`, hint: rolloutHint, lets: "admit, remember, roll back"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := kubetest.New(t, test.objects...)
			if test.prepare != nil {
				test.prepare(s)
			}
			router := newRouter(t, s)
			route, err := router.Find(t.Context(), traffic.Query{Namespace: "default", Route: "echo"})
			if err != nil {
				t.Fatal(err)
			}
			if err := router.Owned(t.Context(), route); !errors.Is(err, traffic.ErrForeign) {
				t.Errorf("whose it is: %v", err)
			}
			for what, err := range writesOf(t, router, route) {
				switch {
				case strings.Contains(test.lets, what):
					if errors.Is(err, traffic.ErrForeign) {
						t.Errorf("%s is refused: %v", what, err)
					}
				case !errors.Is(err, traffic.ErrForeign):
					t.Errorf("%s is not refused as another's: %v", what, err)
				case !strings.Contains(err.Error(), test.says) || !strings.Contains(hint.Of(err), test.hint):
					t.Errorf("%s: %v\nhint: %s\nshould say %q, with hint %q", what, err, hint.Of(err), test.says, test.hint)
				}
			}
		})
	}
}

// The record of who wrote a route outlives the tool.
func TestRouteThatAnotherToolLeft(t *testing.T) {
	for _, test := range []struct {
		name    string
		objects []string
		prepare func(*kubetest.Server)
	}{
		{"no mark at all", []string{marked("", "", "")}, nil},
		{"not its spec", []string{marked(byStatus, "", ""), rollout("default", "echo")}, nil},
		{"no Rollout any more", []string{marked(byManager, "", "")}, nil},
		{"a Rollout of another route", []string{marked(byManager, "", ""), rollout("default", "other"), rollout("apps", "echo")}, nil},
		{"no Argo Rollouts any more", []string{marked(byManager, "", "")}, func(s *kubetest.Server) { s.Unserve("argoproj.io") }},
		{"rights in the namespace alone", []string{marked(byManager, "", "")}, func(s *kubetest.Server) {
			s.Fail(func(r kubetest.Request) error {
				if r.Resource == "rollouts" && r.Namespace == "" {
					return errors.New("not the whole cluster")
				}
				return nil
			})
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := kubetest.New(t, test.objects...)
			if test.prepare != nil {
				test.prepare(s)
			}
			router := newRouter(t, s)
			route, err := router.Find(t.Context(), traffic.Query{Namespace: "default", Route: "echo"})
			if err != nil {
				t.Fatal(err)
			}
			after, err := router.Split(t.Context(), route, traffic.Change{Weights: canary.Weights{Stable: 40, Canary: 60}}, traffic.Write{})
			if err != nil || after.Weights.Canary != 60 {
				t.Errorf("split: %v %v", after.Weights, err)
			}
		})
	}
}

// To look whose a route is costs a rollback nothing.
func TestRequestsOfARollback(t *testing.T) {
	s := kubetest.New(t, marked("", byRollout, ""))
	router := newRouter(t, s)
	route, err := router.Find(t.Context(), traffic.Query{Namespace: "default", Route: "echo"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := router.Split(t.Context(), route, traffic.Change{Weights: canary.AllStable()}, traffic.Write{}); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range s.Requests() {
		got = append(got, r.String())
	}
	if diff := cmp.Diff([]string{"get virtualservices/echo", "patch virtualservices/echo"}, got); diff != "" {
		t.Error(diff)
	}
}

// A tool that splits between Services leaves no route to find; whose it is says
// more than that it names no subset.
func TestForeignRouteBetweenServices(t *testing.T) {
	const flagged = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop MARK}
spec:
  hosts: [shop]
  http:
    - route:
        - {destination: {host: shop-primary}, weight: 90}
        - {destination: {host: shop-canary}, weight: 10}
`
	for _, test := range []struct {
		name    string
		objects []string
		says    string
	}{
		{"Flagger", []string{strings.ReplaceAll(flagged, " MARK", byFlagger)}, `Flagger's Canary "shop"`},
		{"Argo Rollouts", []string{strings.ReplaceAll(flagged, " MARK", ""), `
apiVersion: v1
kind: Service
metadata: {name: shop-canary, annotations: {argo-rollouts.argoproj.io/managed-by-rollouts: shop}}
`}, `Service default/shop-canary: route is managed by something else: the Argo Rollout "shop"`},
	} {
		for _, q := range []traffic.Query{{}, {Route: "shop"}, {App: "shop"}, {Host: "shop-canary"}} {
			q.Namespace = "default"
			_, err := newRouter(t, kubetest.New(t, test.objects...)).Find(t.Context(), q)
			if !errors.Is(err, traffic.ErrForeign) || !strings.Contains(err.Error(), test.says) {
				t.Errorf("%s, %+v: %v", test.name, q, err)
			}
		}
	}
}
