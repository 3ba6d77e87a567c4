package istio_test

import (
	"context"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/kube/kubetest"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

// cart is a release of another host in the object of "one": a split, a header rule and a
// mirror.
const cart = `
    - name: canaryctl-header-x-cart
      match: [{headers: {x-cart: {exact: "yes"}}}]
      route: [{destination: {host: cart, subset: v2}}]
    - match: [{uri: {prefix: /cart}}]
      mirrors: [{destination: {host: cart, subset: v2}, percentage: {value: 5}}]
      route:
        - {destination: {host: cart, subset: v1}, weight: 70}
        - {destination: {host: cart, subset: v2}, weight: 30}
`

// beside is "one" with another host's release in it, remembered in annotations that
// begin with a prefix.
func beside(prefix, position string) string {
	text := strings.Replace(one, "  http:\n", "  http:"+strings.TrimRight(cart, " \n")+"\n", 1)
	annotations := "{note: \"10% of what?\", " + prefix + "canaryctl.io/position: '" + position + "', " +
		prefix + "canaryctl.io/plan: '{}', " + prefix + `canaryctl.io/history: '[{"id":"c1","outcome":"promoted","from":"v0","to":"v1"}]'}`
	return strings.Replace(text, `{note: "10% of what?"}`, annotations, 1)
}

// Whatever is done to one host of an object, nothing of another's release in it changes.
func TestContractBesideAnotherHost(t *testing.T) {
	const release = `"release":{"id":"c2","phase":"stepping"}`
	for name, text := range map[string]string{
		"in the plain annotations, as they were written once": beside("", `{"app":"cart","stable":"v1","canary":"v2",`+release+`}`),
		"in the plain annotations, which name it":             beside("", `{"app":"basket","stable":"v1","canary":"v2","host":"cart.default.svc",`+release+`}`),
		"in annotations of its own":                           beside("cart.default.svc.", `{"app":"cart","stable":"v1","canary":"v2",`+release+`}`),
	} {
		t.Run(name, func(t *testing.T) {
			contract(t, func(t testing.TB) *kubetest.Server {
				s := kubetest.New(t, text)
				before := ofCart(t, s)
				t.Cleanup(func() {
					if diff := cmp.Diff(before, ofCart(t, s)); diff != "" {
						t.Errorf("the other host's release was changed (-before +after):\n%s", diff)
					}
				})
				return s
			})
		})
	}
}

// ofCart is all of the object that belongs to the other host, and what a router reads
// of it.
func ofCart(t testing.TB, s *kubetest.Server) map[string]any {
	t.Helper()
	vs := virtualService(s)
	own := map[string]any{}
	rules, _, _ := unstructured.NestedSlice(vs.Object, "spec", "http")
	var list []any
	for _, rule := range rules {
		route := rule.(map[string]any)["route"].([]any)
		if host, _, _ := unstructured.NestedString(route[0].(map[string]any), "destination", "host"); host == "cart" {
			list = append(list, rule)
		}
	}
	own["rules"] = list
	ctx := context.WithoutCancel(t.Context()) // a clean-up reads it, too
	r, err := newRouter(t, s).Find(ctx, traffic.Query{Namespace: "default", Route: "echo", Host: "cart"})
	if err != nil {
		t.Fatal(err)
	}
	own["weights"], own["position"], own["notes"], own["beside"] = r.Weights, r.Position, r.Notes, r.Beside
	return own
}

func TestWhoseThePlainAnnotationsAre(t *testing.T) {
	for _, test := range []struct {
		name, position string
		cart, echo     bool // who has them
	}{
		{"named", `{"app":"echo","stable":"v1","host":"cart.default.svc"}`, true, false},
		{"by the application", `{"app":"echo","stable":"v1"}`, false, true},
		{"by the versions", `{"app":"x","stable":"v1","canary":"v2"}`, true, false},
		{"of a version that both have", `{"app":"x","stable":"v1"}`, false, false},
		{"of no version of the object", `{"app":"x","stable":"v7"}`, false, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			router := newRouter(t, kubetest.New(t, beside("", test.position)))
			for host, want := range map[string]bool{"cart": test.cart, "echo": test.echo} {
				r, err := router.Find(t.Context(), traffic.Query{Namespace: "default", Route: "echo", Host: host})
				if err != nil {
					t.Fatal(err)
				}
				if got := r.Position != nil; got != want || (r.Apart == "") != want {
					t.Errorf("%s has the position: %t, want %t; its annotations begin with %q", host, got, want, r.Apart)
				}
			}
		})
	}
}

// Two releases begin in one object, and each ends without a trace.
func TestTwoReleasesInOneObject(t *testing.T) {
	s := kubetest.New(t, two)
	router := newRouter(t, s)
	before := maps.Clone(virtualService(s).Object)
	admit := func(host string) traffic.Route {
		r, err := router.Find(t.Context(), traffic.Query{Namespace: "default", Route: "echo", Host: host})
		if err == nil {
			r, err = router.Admit(t.Context(), r, traffic.Admission{Version: "v2"}, traffic.Write{})
		}
		if err == nil {
			r, err = router.Split(t.Context(), r, traffic.Change{Weights: canary.ToCanary(40)}, traffic.Write{})
		}
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	shop, cart := admit("shop"), admit("cart")
	if shop.Apart != "shop.default.svc" || cart.Apart != "cart.default.svc" {
		t.Errorf("their annotations begin with %q and %q", shop.Apart, cart.Apart)
	}
	for _, r := range []traffic.Route{shop, cart} {
		r, err := router.Split(t.Context(), r, traffic.Change{Weights: canary.AllStable()}, traffic.Write{})
		if err == nil {
			r, err = router.Dismiss(t.Context(), r, "v2", traffic.Write{})
		}
		if err == nil {
			_, err = router.Remember(t.Context(), r, forgotten(r, "v2"), traffic.Write{})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	after := virtualService(s)
	if diff := cmp.Diff(before["spec"], after.Object["spec"]); diff != "" || len(after.GetAnnotations()) != 0 {
		t.Errorf("annotations %v are left, and (-before +after):\n%s", after.GetAnnotations(), diff)
	}
}

// The history of a host stays its own when another comes into the object.
func TestHistoryStaysTheHosts(t *testing.T) {
	s := kubetest.New(t, one)
	router := newRouter(t, s)
	find := func(host string) traffic.Route {
		r, err := router.Find(t.Context(), traffic.Query{Namespace: "default", Route: "echo", Host: host})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	r, err := router.Admit(t.Context(), find("echo"), traffic.Admission{Version: "v2"}, traffic.Write{})
	if err == nil {
		r, err = router.Dismiss(t.Context(), r, "v2", traffic.Write{})
	}
	over := forgotten(r, "v2")
	over.Notes = map[string]string{canary.HistoryAnnotation: `[{"id":"e1","outcome":"rolled-back","from":"v1","to":"v2"}]`}
	if err == nil {
		_, err = router.Remember(t.Context(), r, over, traffic.Write{})
	}
	if err != nil {
		t.Fatal(err)
	}
	vs := virtualService(s)
	rules, _, _ := unstructured.NestedSlice(vs.Object, "spec", "http")
	cart := map[string]any{"route": []any{
		map[string]any{"destination": map[string]any{"host": "cart", "subset": "v1"}, "weight": int64(50)},
		map[string]any{"destination": map[string]any{"host": "cart", "subset": "v2"}, "weight": int64(50)},
	}, "match": []any{map[string]any{"uri": map[string]any{"prefix": "/cart"}}}}
	_ = unstructured.SetNestedSlice(vs.Object, append([]any{cart}, rules...), "spec", "http")
	s.Put(vs)
	if notes := find("echo").Notes; notes[canary.HistoryAnnotation] == "" {
		t.Errorf("echo has the notes %v", notes)
	}
	if notes := find("cart").Notes; len(notes) > 0 {
		t.Errorf("cart has the notes %v", notes)
	}
}

const two = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: echo}
spec:
  hosts: [public.example.com]
  http:
    - match: [{uri: {prefix: /cart}}]
      route: [{destination: {host: cart, subset: v1}}]
    - route: [{destination: {host: shop, subset: v1}}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: shop}
spec: {host: shop, subsets: [{name: v1, labels: {version: v1}}]}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: cart}
spec: {host: cart, subsets: [{name: v1, labels: {version: v1}}]}
`
