package istio_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/kube/kubetest"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

// edge delegates within its namespace and beyond.
const edge = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: edge}
spec:
  hosts: [www.example.com]
  http:
    - {match: [{uri: {prefix: /shop}}], delegate: {name: shop-routes, namespace: NS}}
    - {match: [{uri: {prefix: /s}}], delegate: {name: shop-routes, namespace: NS}}
    - {match: [{uri: {prefix: /old}}], redirect: {uri: /shop}}
`

// gated is a route of the gateway's namespace to a Service of ours.
const gated = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: public, namespace: gateways}
spec:
  hosts: [shop.example.com]
  http: [{route: [{destination: {host: shop.default.svc.cluster.local, subset: v1}}]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: another, namespace: gateways}
spec:
  hosts: [another]
  http: [{route: [{destination: {host: shop, subset: v1}}, {destination: {host: shop.example.com}}]}]
`

const httpRoute = `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web}
spec:
  rules:
    - backendRefs: [{name: shop-v1, port: 80, weight: 1}, {name: shop-v2, port: 80, weight: 0}]
    - backendRefs: [{name: shop-v1, port: 80}, {name: far, namespace: away, port: 80}, {kind: Bucket, name: pictures}]
`

const ingress = `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web}
spec:
  defaultBackend: {service: {name: fallback, port: {number: 80}}}
  rules: [{host: shop.example.com, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: shop, port: {number: 80}}}}]}}]
`

const unrelated = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: cart}
spec:
  hosts: [cart]
  http: [{route: [{destination: {host: cart, subset: v1}}]}]
`

// What is there in place of a route that fits is named, with what to do about it.
func TestWhatIsThereInstead(t *testing.T) {
	delegates := func(namespace string) string { return strings.ReplaceAll(edge, "NS", namespace) }
	const elsewhere = "VirtualService gateways/public routes to shop of this namespace, and a route in another namespace than its Pods is not supported yet"
	const byGateway = "HTTPRoute default/web sends requests to shop-v1, shop-v2, and a route of that kind is not supported yet"
	const nothing = "it has no VirtualService"
	for _, test := range []struct {
		name    string
		objects []string
		query   traffic.Query
		prepare func(*kubetest.Server)
		err     error
		says    string
		hint    string
	}{
		{"delegates", []string{delegates("default")}, traffic.Query{Route: "edge"}, nil, traffic.ErrNotSplit, "VirtualService default/edge: route does not name both versions: it delegates to VirtualService default/shop-routes", "name that with --vs shop-routes"},
		{"delegates, asked for a host", []string{delegates("default")}, traffic.Query{Route: "edge", Host: "shop"}, nil, traffic.ErrNotSplit, "it delegates to VirtualService default/shop-routes", "name that with --vs shop-routes"},
		{"delegates to another namespace", []string{delegates("shops")}, traffic.Query{}, nil, traffic.ErrNotSplit, "it delegates to VirtualService shops/shop-routes", "name that with -n shops --vs shop-routes"},
		{"route of another namespace", []string{gated}, traffic.Query{}, nil, traffic.ErrNoRoute, elsewhere, "move it into namespace default"},
		{"route of another namespace, by name", []string{gated}, traffic.Query{Route: "public"}, nil, traffic.ErrUnsupported, `look for VirtualService "public" in namespace default: no route found: ` + elsewhere, "let it delegate to a VirtualService there"},
		{"route of another namespace, by app", []string{gated, unrelated}, traffic.Query{App: "shop"}, nil, traffic.ErrUnsupported, elsewhere, ""},
		{"route of another namespace, by host", []string{gated, unrelated}, traffic.Query{Host: "shop.default.svc.cluster.local"}, nil, traffic.ErrUnsupported, elsewhere, ""},
		{"route of another namespace for another app", []string{gated}, traffic.Query{App: "web"}, nil, traffic.ErrNoRoute, nothing, ""},
		{"route of another namespace that may not be read", []string{gated}, traffic.Query{}, func(s *kubetest.Server) {
			s.Fail(func(r kubetest.Request) error {
				if r.Namespace == "" {
					return errors.New("not the whole cluster")
				}
				return nil
			})
		}, traffic.ErrNoRoute, nothing, "name another namespace with -n"},
		{"HTTPRoute", []string{httpRoute}, traffic.Query{}, nil, traffic.ErrNoRoute, "look for a VirtualService in namespace default: no route found: " + byGateway, "apply one in its place, as k8s/base/virtualservice.yaml is"},
		{"HTTPRoute, by app", []string{httpRoute, unrelated}, traffic.Query{App: "shop"}, nil, traffic.ErrUnsupported, byGateway, ""},
		{"HTTPRoute, by host", []string{httpRoute}, traffic.Query{Host: "shop-v2"}, nil, traffic.ErrUnsupported, byGateway, ""},
		{"HTTPRoute, by its name", []string{httpRoute}, traffic.Query{Route: "web"}, nil, traffic.ErrUnsupported, byGateway, ""},
		{"HTTPRoute to another app", []string{httpRoute}, traffic.Query{App: "cart"}, nil, traffic.ErrNoRoute, nothing, ""},
		{"HTTPRoute that may not be read", []string{httpRoute}, traffic.Query{}, func(s *kubetest.Server) { s.Forbid("list", "httproutes") }, traffic.ErrNoRoute, nothing, ""},
		{"HTTPRoute without Istio", []string{httpRoute}, traffic.Query{}, func(s *kubetest.Server) { s.Unserve("networking.istio.io") }, traffic.ErrNotInstalled, byGateway, "install Istio 1.22 or newer"},
		{"Ingress", []string{ingress}, traffic.Query{}, nil, traffic.ErrUnsupported, "Ingress default/web sends requests to fallback, shop, and a route of that kind is not supported yet", ""},
		{"Ingress beside a route that is not meant", []string{ingress, unrelated}, traffic.Query{App: "shop"}, nil, traffic.ErrUnsupported, "Ingress default/web sends requests to", ""},
		{"nothing", nil, traffic.Query{}, nil, traffic.ErrNoRoute, nothing, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := kubetest.New(t, test.objects...)
			if test.prepare != nil {
				test.prepare(s)
			}
			test.query.Namespace = "default"
			_, err := newRouter(t, s).Find(t.Context(), test.query)
			if !errors.Is(err, test.err) || !strings.Contains(err.Error(), test.says) || !strings.Contains(hint.Of(err), test.hint) || hint.Of(err) == "" {
				t.Errorf("%v\nhint: %s\nshould be %q, say %q, with hint %q", err, hint.Of(err), test.err, test.says, test.hint)
			}
		})
	}
}

// A route that is there, to Pods that are not.
func TestRouteToAnotherNamespace(t *testing.T) {
	router := newRouter(t, kubetest.New(t, gated, unrelated))
	for _, test := range []struct{ namespace, name, host, elsewhere string }{
		{"gateways", "public", "", "default"},
		{"gateways", "another", "shop", ""},
		{"default", "cart", "", ""},
	} {
		route, err := router.Find(t.Context(), traffic.Query{Namespace: test.namespace, Route: test.name, Host: test.host})
		if err != nil || route.Elsewhere != test.elsewhere {
			t.Errorf("%s/%s: Pods in %q, want %q; %v", test.namespace, test.name, route.Elsewhere, test.elsewhere, err)
		}
	}
}
