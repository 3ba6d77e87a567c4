package istio_test

import (
	"testing"

	"github.com/canaryctl/canaryctl/internal/kube/kubetest"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

// Other rules for the same host send its requests past the split.
func TestUnsplit(t *testing.T) {
	const split = "- route: [{destination: {host: shop, subset: v1}, weight: 90}, {destination: {host: shop, subset: v2}, weight: 10}]"
	for name, test := range map[string]struct {
		rules string
		want  bool
	}{
		"one rule":                   {split, false},
		"a rule for stable alone":    {"- {match: [{uri: {prefix: /admin}}], route: [{destination: {host: shop, subset: v1}}]}\n  " + split, true},
		"a rule for both, by no one": {"- {match: [{uri: {prefix: /admin}}], route: [{destination: {host: shop}}]}\n  " + split, true},
		"a rule for another host":    {"- {match: [{uri: {prefix: /static}}], route: [{destination: {host: static}}]}\n  " + split, false},
		"a rule for the canary":      {"- {match: [{headers: {x-canary: {exact: y}}}], route: [{destination: {host: shop, subset: v2}}]}\n  " + split, false},
		"no canary":                  {"- route: [{destination: {host: shop, subset: v1}}]", false},
	} {
		t.Run(name, func(t *testing.T) {
			router := newRouter(t, kubetest.New(t, `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop, namespace: default}
spec:
  hosts: [shop]
  http:
  `+test.rules+"\n"))
			r, err := router.Find(t.Context(), traffic.Query{Namespace: "default", Route: "shop", Host: "shop"})
			if err != nil {
				t.Fatal(err)
			}
			if r.Unsplit != test.want {
				t.Errorf("unsplit %t, want %t", r.Unsplit, test.want)
			}
		})
	}
}
