package canary_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/canaryctl/canaryctl/internal/canary"
)

func TestBackends(t *testing.T) {
	type labels = map[string]string
	shop := labels{"app": "shop"}
	named := canary.Backends{{"v1", shop, labels{"version": "R18"}}, {"v2", shop, labels{"version": "v2"}}}
	roles := canary.Backends{{"all", shop, nil}, {"canary", shop, labels{"role": "canary"}}}
	services := canary.Backends{{"v1", labels{"app": "shop", "slot": "a"}, nil}, {"v2", labels{"app": "shop", "slot": "b"}, nil}}
	for _, test := range []struct {
		name     string
		backends canary.Backends
		pod      labels
		want     string // "-" for none
	}{
		{"by the subset's labels", named, labels{"app": "shop", "version": "R18", "tier": "web"}, "v1"},
		{"a label that says the name is not enough", named, labels{"app": "shop", "version": "v1"}, "-"},
		{"another application's", named, labels{"app": "cart", "version": "v2"}, "-"},
		{"the one that asks for more", roles, labels{"app": "shop", "role": "canary"}, "canary"},
		{"the one that asks for less", roles, labels{"app": "shop", "role": "primary"}, "all"},
		{"by a Service of its own", services, labels{"app": "shop", "slot": "b"}, "v2"},
		{"that asks for nothing", canary.Backends{{"v1", nil, nil}}, labels{"app": "shop"}, "-"},
	} {
		got, ok := test.backends.VersionOf(test.pod)
		if ok != (test.want != "-") || ok && got != test.want {
			t.Errorf("%s: %v is of %q, %t; want %q", test.name, test.pod, got, ok, test.want)
		}
	}
	for _, test := range []struct {
		backends canary.Backends
		want     labels
	}{{named, shop}, {services, shop}, {named.Only("v1"), labels{"app": "shop", "version": "R18"}}, {nil, nil}} {
		if diff := cmp.Diff(test.want, test.backends.Common()); diff != "" {
			t.Errorf("labels in common (-want +got):\n%s", diff)
		}
	}
}
