package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/canaryctl/canaryctl/internal/canary"
)

// Weights are shares of their sum, and the only destination of a rule gets everything.

// weighed is a route of shop with these destinations, of versions by their names and of
// another Service by "legacy": "v1=80 legacy=20"; "v1" has no weight.
func weighed(destinations string) string {
	var route []string
	for destination := range strings.FieldsSeq(destinations) {
		name, weight, weighted := strings.Cut(destination, "=")
		to := "host: shop, subset: " + name
		if name == "legacy" {
			to = "host: legacy"
		}
		entry := "{destination: {" + to + "}"
		if weighted {
			entry += ", weight: " + weight
		}
		route = append(route, entry+"}")
	}
	return virtualService("shop", "hosts: [shop], http: [{route: ["+strings.Join(route, ", ")+"]}]")
}

// shopAndLegacy is v1 of a shop, and what it is to replace.
func shopAndLegacy(destinations string) []string {
	all := []string{
		deployment("shop-v1", "v1", "app: shop, version: v1"), service("shop", "app: shop"),
		rule("shop", "{name: v1, labels: {version: v1}}"), weighed(destinations),
	}
	if strings.Contains(destinations, "legacy") {
		all = append(all, deployment("legacy", "legacy", "app: legacy"), service("legacy", "app: legacy"))
	}
	return all
}

// answerers are those of the destinations that get requests.
func answerers(destinations string) []string {
	var all []string
	for destination := range strings.FieldsSeq(destinations) {
		name, weight, _ := strings.Cut(destination, "=")
		if weight != "0" || destination == destinations {
			all = append(all, name)
		}
	}
	return all
}

// wantShares fails unless status says that the route gives the versions these shares.
func wantShares(t *testing.T, ns string, want map[string]canary.Percent) {
	t.Helper()
	var status struct {
		Versions []struct {
			Version string
			Weight  *canary.Percent
		}
	}
	decode(t, sh(t, "canaryctl status -o json -n "+ns).Stdout, &status)
	got := map[string]canary.Percent{}
	for _, v := range status.Versions {
		if v.Weight != nil {
			got[v.Version] = *v.Weight
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the shares that status says (-want +got):\n%s", diff)
	}
}

// A canary comes, gets shares, and goes, and the route is as it was.
func TestObjectsOfAnyWeight(t *testing.T) {
	for name, destinations := range map[string]string{
		"none":          "v1",
		"one":           "v1=1",
		"zero":          "v1=0",
		"thousand":      "v1=1000",
		"third":         "v1=80 legacy=20",
		"third of four": "legacy=3 v1=1",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ns := namespace(t)
			apply(t, ns, shopAndLegacy(destinations)...)
			host, cc, usual := "shop."+ns, "canaryctl -n "+ns+" ", answerers(destinations)
			answering(t, host, usual...)
			wantShares(t, ns, map[string]canary.Percent{"v1": 100})
			before := objects(t, ns)

			sh(t, cc+"create-canary --image versioned-echo:v2")
			answering(t, host, usual...)
			sh(t, cc+"set-traffic 50 50")
			answering(t, host, append(usual, "v2")...)
			sh(t, cc+"set-traffic 99.5 0.5")
			wantShares(t, ns, map[string]canary.Percent{"v1": 99.5, "v2": .5})
			sh(t, cc+"rollback")
			answering(t, host, usual...)
			sh(t, cc+"delete-canary")
			untouched(t, ns, before)
		})
	}
}

// Somebody else wrote the weights, for two versions.
func TestObjectsWeighedByOthers(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	host, cc := "shop."+ns, "canaryctl -n "+ns+" "
	apply(t, ns, deployment("shop-v1", "v1", "app: shop, version: v1"), deployment("shop-v2", "v2", "app: shop, version: v2"),
		service("shop", "app: shop"), rule("shop", "{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}"))
	for _, c := range []struct {
		destinations string
		canary       canary.Percent
	}{
		{"v1=999 v2=1", .1},
		{"v1=2 v2=1", 33.3},
		{"v1=1 v2=1", 50},
	} {
		put(t, ns, weighed(c.destinations))
		wantShares(t, ns, map[string]canary.Percent{"v1": canary.ToCanary(c.canary).Stable, "v2": c.canary})
	}
	answering(t, host, "v1", "v2")
	says(t, sh(t, cc+"rollback"), "was v1 50%, v2 50%")
	answering(t, host, "v1")

	// A version that the route merely names is in no canary's way.
	put(t, ns, weighed("v1=3 v2=0"))
	wantShares(t, ns, map[string]canary.Percent{"v1": 100, "v2": 0})
	before := objects(t, ns)
	sh(t, cc+"create-canary --image versioned-echo:v3")
	sh(t, cc+"set-traffic 50 50")
	answering(t, host, "v1", "v3")
	sh(t, cc+"rollback")
	sh(t, cc+"delete-canary")
	untouched(t, ns, before)
}

// A release goes its way whatever the weights were.
func TestObjectsOfAnyWeightAreReleased(t *testing.T) {
	for name, destinations := range map[string]string{"thousand": "v1=1000", "third": "v1=4 legacy=1"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ns := namespace(t)
			apply(t, ns, shopAndLegacy(destinations)...)
			host, usual := "shop."+ns, answerers(destinations)
			answering(t, host, usual...)
			plan := filepath.Join(t.TempDir(), "plan.yaml")
			if err := os.WriteFile(plan, []byte("apiVersion: canaryctl.io/v1alpha1\nkind: Plan\nspec:"+quick), 0o600); err != nil {
				t.Fatal(err)
			}
			used := use(t, host)
			sh(t, fmt.Sprintf("canaryctl -n %s release --image versioned-echo:v2 -f %s --metrics-source pods", ns, plan))
			answering(t, host, append(usual[1:], "v2")...)
			used()
		})
	}
}
