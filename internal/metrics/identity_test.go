package metrics

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func version(t testing.TB, i Identity, r Release, labels map[string]string) string {
	t.Helper()
	owner, err := i.Owner(r)
	if err != nil {
		t.Fatal(err)
	}
	v, _ := owner.Version(labels)
	return v
}

func TestPodsAreTheirVersions(t *testing.T) {
	r := Release{Namespace: "shop", App: "cart", Stable: "v1", Canary: "v2"}
	for pod, want := range map[string]string{
		"cart-v1-5d9c7b8f6d-abcde": "v1", "cart-v2-5d9c7b8f6d-abcde": "v2", "cart-v1-beta-5d9c7b8f6d-abcde": "",
		"cart-v10-5d9c7b8f6d-abcde": "", "my-cart-v1-5d9c7b8f6d-abcde": "", "cart-v1": "", "": "",
	} {
		if got := version(t, byPod(), r, map[string]string{"namespace": "shop", "pod": pod}); got != want {
			t.Errorf("Pod %q is of %q, want %q", pod, got, want)
		}
		if got := r.PodOf("v1", pod); got != (want == "v1") {
			t.Errorf("Pod %q is of v1: %t", pod, got)
		}
	}
	if v := version(t, byPod(), r, map[string]string{"namespace": "other", "pod": "cart-v1-5d9c7b8f6d-abcde"}); v != "" {
		t.Errorf("a Pod of another namespace is of %s", v)
	}
}

// Which version a gateway's series is of.
func TestGatewaysTellVersions(t *testing.T) {
	r := Release{Namespace: "shop", App: "cart", Service: "cart", Stable: "v1", Canary: "v2"}
	nginx := func(service, canary string) map[string]string {
		return map[string]string{"namespace": "shop", "service": service, "canary": canary}
	}
	exported := func(service, canary string) map[string]string {
		return map[string]string{"namespace": "ingress-nginx", "service": "controller-metrics",
			"exported_namespace": "shop", "exported_service": service, "canary": canary}
	}
	cluster := func(name string) map[string]string { return map[string]string{"envoy_cluster_name": name} }
	istio := func(service, version string) map[string]string {
		return map[string]string{"destination_service_namespace": "shop", "destination_service_name": service, "destination_version": version}
	}
	for _, test := range []struct {
		what, profile string
		labels        map[string]string
		want          string
	}{
		{"the main Ingress", "ingress-nginx", nginx("cart-v1", ""), "v1"},
		{"the canary Ingress", "ingress-nginx", nginx("cart-v1", "shop-cart-v2-80"), "v2"},
		{"the manifests' Services", "ingress-nginx", nginx("cart-ingress-v1", "shop-cart-ingress-v2-http"), "v2"},
		{"a port with a dash", "ingress-nginx", nginx("cart-v1", "shop-cart-v2-http-web"), "v2"},
		{"after a promotion", "ingress-nginx", nginx("cart-v2", ""), "v2"},
		{"a longer version", "ingress-nginx", nginx("cart-v1", "shop-cart-v2-beta-80"), ""},
		{"another application", "ingress-nginx", nginx("cart-db-v1", ""), ""},
		{"another application's canary", "ingress-nginx", nginx("cart-db-v1", "shop-cart-db-v2-80"), ""},
		{"another namespace's canary", "ingress-nginx", nginx("cart-v1", "shop2-cart-v2-80"), ""},
		{"a scrape that renames", "ingress-nginx-exported", exported("cart-v1", ""), "v1"},
		{"a scrape that renames, canary", "ingress-nginx-exported", exported("cart-v1", "shop-cart-v2-80"), "v2"},
		{"a scrape that renames is not the other", "ingress-nginx", exported("cart-v1", ""), ""},
		{"a merged backend", "gateway", cluster("service/shop/cart-v2/80/http"), "v2"},
		{"names of backends", "gateway", cluster("shop/cart-v1"), "v1"},
		{"names of all backends of a rule", "gateway", cluster("shop/cart-v1|shop/cart-v2"), ""},
		{"a rule", "gateway", cluster("httproute/shop/cart/rule/0"), ""},
		{"another Service", "gateway", cluster("service/shop/cart-v2-beta/80/http"), ""},
		{"one Service for all", "istio", istio("cart", "v2"), "v2"},
		{"a Service for each", "istio-source", istio("cart-v2", "v2"), "v2"},
		{"the other version's Service", "istio", istio("cart-v1", "v2"), ""},
	} {
		p, err := FindProfile(test.profile)
		if err != nil {
			t.Fatal(err)
		}
		if got := version(t, p.Identity, r, test.labels); got != test.want {
			t.Errorf("%s: %v is of %q, want %q", test.what, test.labels, got, test.want)
		}
	}
}

// Some label for the track says who is stable, and no version.
func TestRolesTellVersions(t *testing.T) {
	all, err := ParseProfiles([]byte(`
- name: track
  identity:
    - {role: stable, labels: {app: "{app}", track: stable|}}
    - {role: canary, labels: {app: "{app}", track: canary}}
  errors: [{name: x, bad: {code: 5..}}]
`))
	if err != nil {
		t.Fatal(err)
	}
	r := Release{App: "cart", Stable: "v7", Canary: "v8"}
	for track, want := range map[string]string{"stable": "v7", "": "v7", "canary": "v8", "x": ""} {
		if got := version(t, all[0].Identity, r, map[string]string{"app": "cart", "track": track}); got != want {
			t.Errorf("track %q is of %q, want %q", track, got, want)
		}
	}
	want := map[string]string{"app": "cart|pay", "track": "canary|stable|"}
	if diff := cmp.Diff(want, all[0].Identity.Matchers([]Release{r, {App: "pay", Stable: "a", Canary: "b"}})); diff != "" {
		t.Errorf("matchers (-want +got):\n%s", diff)
	}
}

// Whatever a mark takes, the query for it selects; and a series is of one version.
func TestMatchersSelectWhatOwnersTake(t *testing.T) {
	all, err := Profiles()
	if err != nil {
		t.Fatal(err)
	}
	values := []string{"", "shop", "cart", "v1", "v2", "cart-v1", "cart-ingress-v2", "shop-cart-v2-80", "cart-v2-5d9c7b8f6d-abcde",
		"service/shop/cart-v1/80/http", "shop/cart-v2"}
	r := Release{Namespace: "shop", App: "cart", Service: "cart", Stable: "v1", Canary: "v2"}
	for _, p := range all {
		matchers := p.Identity.Matchers([]Release{r, {Namespace: "b", App: "b", Service: "b", Stable: "1", Canary: "2"}})
		owner, err := p.Identity.Owner(r)
		if err != nil {
			t.Fatal(err)
		}
		taken := 0
		var try func(labels map[string]string, left []string)
		try = func(labels map[string]string, left []string) {
			if len(left) > 0 {
				for _, v := range values {
					labels[left[0]] = v
					try(labels, left[1:])
				}
				return
			}
			if _, ok := owner.Version(labels); !ok {
				return
			}
			taken++
			for label, pattern := range matchers {
				if m, err := whole(pattern); err != nil || !m.MatchString(labels[label]) {
					t.Errorf("%s: %v is taken and not selected by %s=~%q (%v)", p.Name, labels, label, pattern, err)
				}
			}
		}
		var labels []string
		for label := range p.Identity[0].Labels {
			labels = append(labels, label)
		}
		try(map[string]string{}, labels)
		if taken == 0 {
			t.Errorf("%s takes none of the series", p.Name)
		}
	}
}

func BenchmarkOwner(b *testing.B) {
	p, err := FindProfile("istio")
	if err != nil {
		b.Fatal(err)
	}
	owner, err := p.Identity.Owner(Release{Namespace: "shop", App: "cart", Service: "cart", Stable: "v1", Canary: "v2"})
	if err != nil {
		b.Fatal(err)
	}
	labels := map[string]string{"destination_service_namespace": "shop", "destination_version": "v2"}
	for i := 0; b.Loop(); i++ {
		labels["destination_service_name"] = fmt.Sprint("service-", i%10)
		if _, ok := owner.Version(labels); ok {
			b.Fatal("it is another's")
		}
	}
}
