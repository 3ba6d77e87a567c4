package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Objects as people have them, which are not those of the guide: versions that are
// not called as their Pods are labelled, several Services behind one route, several
// routes to one Service, rules of their own.

// put applies documents to a namespace.
func put(t *testing.T, ns string, documents ...string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "objects.yaml")
	if err := os.WriteFile(file, []byte(strings.Join(documents, "\n---\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	sh(t, "kubectl apply -n "+ns+" -f "+file)
}

// apply applies documents to a namespace, and waits for the Deployments in them.
func apply(t *testing.T, ns string, documents ...string) {
	t.Helper()
	put(t, ns, documents...)
	sh(t, "kubectl -n "+ns+" wait deployment --all --for=condition=Available --timeout=90s")
}

// deployment has a Pod of the demo service that says which version it is.
func deployment(name, version, labels string) string {
	return fmt.Sprintf(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: %[1]s, labels: {%[3]s}}
spec:
  replicas: 1
  selector: {matchLabels: {%[3]s}}
  template:
    metadata: {labels: {%[3]s}}
    spec:
      containers:
        - name: shop
          image: versioned-echo:%[2]s
          ports: [{name: http, containerPort: 8080}]
          env: [{name: APP_VERSION, value: %[2]s}]
          readinessProbe: {httpGet: {path: /health, port: http}, periodSeconds: 1}`, name, version, labels)
}

func service(name, selector string) string {
	return fmt.Sprintf(`
apiVersion: v1
kind: Service
metadata: {name: %s}
spec: {selector: {%s}, ports: [{name: http, port: 80, targetPort: http}]}`, name, selector)
}

func rule(host, subsets string) string {
	return fmt.Sprintf(`
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: %[1]s}
spec: {host: %[1]s, subsets: [%[2]s]}`, host, subsets)
}

func virtualService(name, spec string) string {
	return fmt.Sprintf(`
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: %s}
spec: {%s}`, name, spec)
}

// answering waits until a host's answers are of these versions and no other.
func answering(t *testing.T, host string, versions ...string) {
	t.Helper()
	eventually(t, 15*time.Second, func() (bool, string) {
		got := map[string]bool{}
		for range 60 {
			v, err := request(t.Context(), host)
			if err != nil {
				return false, err.Error()
			}
			got[v] = true
		}
		for _, v := range versions {
			if !got[v] {
				return false, fmt.Sprintf("no answer is of %s: %v", v, got)
			}
		}
		return len(got) == len(versions), fmt.Sprintf("answers are of %v", got)
	})
}

// use sends requests until the end.
func use(t *testing.T, host string) (end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		for ctx.Err() == nil {
			if _, err := request(ctx, host); err != nil && ctx.Err() == nil {
				t.Error(err)
				return
			}
		}
	})
	return func() { cancel(); wg.Wait() }
}

// objects are the routes of a namespace and what goes with them, without what the API
// server adds.
func objects(t *testing.T, ns string) string {
	t.Helper()
	return sh(t, "kubectl get virtualservices,destinationrules,services -n "+ns+
		` -o jsonpath='{range .items[*]}{.kind} {.metadata.name} {.metadata.labels} {.metadata.annotations} {.spec}{"\n"}{end}'`).Stdout
}

// untouched fails unless the objects are as they were, byte for byte.
func untouched(t *testing.T, ns, before string) {
	t.Helper()
	if diff := cmp.Diff(before, objects(t, ns)); diff != "" {
		t.Errorf("the objects are not as they were (-before +after):\n%s", diff)
	}
}

// names are those of a namespace's objects of some kinds.
func names(t *testing.T, ns, kinds string) string {
	t.Helper()
	return sh(t, "kubectl get "+kinds+" -o name -n "+ns).Stdout
}

func says(t *testing.T, r fmt.Stringer, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(r.String(), text) {
			t.Errorf("it does not say %q:\n%s", text, r)
		}
	}
}

// The subset v1 selects Pods that say R18_943 of themselves.
func TestSubsetNotCalledAsItsPods(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	apply(t, ns, deployment("shop-r18-943", "R18_943", "app: shop, version: R18_943"), service("shop", "app: shop"),
		rule("shop", "{name: v1, labels: {version: R18_943}}"),
		virtualService("shop", "hosts: [shop], http: [{route: [{destination: {host: shop, subset: v1}}]}]"))
	host, cc := "shop."+ns, "canaryctl -n "+ns+" "
	says(t, sh(t, cc+"status"), "v1       stable  versioned-echo:R18_943  1/1")
	sh(t, cc+"create-canary --image versioned-echo:R18_944")
	sh(t, cc+"set-traffic 50 50")
	answering(t, host, "R18_943", "r18-944")
	used := use(t, host)
	eventually(t, time.Minute, func() (bool, string) {
		r := try(t, cc+"analyze --metrics-source pods --interval 1s --wait 5s")
		return !strings.Contains(r.Stdout, " 0 of 0 "), r.String()
	})
	used()
	sh(t, cc+"promote")
	sh(t, cc+"delete-canary --version v1")
	if r := sh(t, "kubectl get deployments -n "+ns+" -o name"); strings.Contains(r.Stdout, "943") {
		t.Errorf("the Deployment of v1 stays:\n%s", r)
	}
	answering(t, host, "r18-944")
}

// The subsets are roles, and the Pods have no label version.
func TestSubsetsByRole(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	apply(t, ns, deployment("shop", "v1", "app: shop, role: primary"), service("shop", "app: shop"),
		rule("shop", "{name: primary, labels: {role: primary}}, {name: canary, labels: {role: canary}}"),
		virtualService("shop", "hosts: [shop], http: [{route: [{destination: {host: shop, subset: primary}, weight: 100}, {destination: {host: shop, subset: canary}, weight: 0}]}]"))
	cc := "canaryctl -n " + ns + " "
	sh(t, cc+"create-canary --image versioned-echo:v2")
	says(t, sh(t, cc+"status"), "primary  stable  versioned-echo:v1  1/1", "canary   canary  versioned-echo:v2  1/1")
	sh(t, cc+"set-traffic 50 50")
	answering(t, "shop."+ns, "v1", "canary")
	sh(t, cc+"rollback")
	answering(t, "shop."+ns, "v1")
}

// A label that says the same text as the version is none: the Service selects it.
func TestLabelWithTheTextOfTheVersion(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	apply(t, ns, deployment("shop-v1", "v1", "app: shop, version: v1, api: v1"), service("shop", "app: shop, api: v1"),
		rule("shop", "{name: v1, labels: {version: v1}}"),
		virtualService("shop", "hosts: [shop], http: [{route: [{destination: {host: shop, subset: v1}}]}]"))
	cc := "canaryctl -n " + ns + " "
	sh(t, cc+"create-canary --image versioned-echo:v2")
	sh(t, cc+"set-traffic 50 50")
	answering(t, "shop."+ns, "v1", "v2")
	sh(t, cc+"delete-canary --yes")

	sh(t, "kubectl -n "+ns+` patch service shop --type=merge -p '{"spec":{"selector":{"version":"v1"}}}'`)
	r := try(t, cc+"create-canary --image versioned-echo:v2")
	says(t, r, "the Service would not select the version's Pods: the Service selects version=v1", "take version out of the Service's selector")
	if r := sh(t, "kubectl get deployments -n "+ns+" -o name"); strings.Contains(r.Stdout, "v2") {
		t.Errorf("something was made:\n%s", r)
	}
}

// shopAndCart are two Services behind one VirtualService.
func shopAndCart() []string {
	return []string{
		deployment("shop-v1", "v1", "app: shop, version: v1"), service("shop", "app: shop"), rule("shop", "{name: v1, labels: {version: v1}}"),
		deployment("cart-v1", "v1", "app: cart, version: v1"), service("cart", "app: cart"), rule("cart", "{name: v1, labels: {version: v1}}"),
		virtualService("public", `hosts: [shop, cart], http: [
			{match: [{authority: {prefix: cart}}], route: [{destination: {host: cart, subset: v1}}]},
			{route: [{destination: {host: shop, subset: v1}}]}]`),
	}
}

// One VirtualService leads to two Services, each with releases of its own.
func TestTwoServicesBehindOneRoute(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	apply(t, ns, shopAndCart()...)
	cc := "canaryctl -n " + ns + " "
	for _, app := range []string{"shop", "cart"} {
		sh(t, cc+"create-canary --app "+app+" --image versioned-echo:v2")
		sh(t, cc+"set-traffic 50 50 --app "+app)
	}
	answering(t, "shop."+ns, "v1", "v2")
	answering(t, "cart."+ns, "v1", "v2")
	sh(t, cc+"rollback --vs public --host cart")
	answering(t, "cart."+ns, "v1")
	answering(t, "shop."+ns, "v1", "v2")
	sh(t, cc+"promote --app shop --retire")
	answering(t, "shop."+ns, "v2")
	answering(t, "cart."+ns, "v1")
	says(t, sh(t, cc+"status --app cart"), "v1       stable  versioned-echo:v1  1/1    0         100%", "v2       canary  versioned-echo:v2  1/1    0         0%")
}

// Two VirtualServices lead to one Service, and are moved together.
func TestTwoRoutesToOneService(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	apply(t, ns, deployment("shop-v1", "v1", "app: shop, version: v1"), service("shop", "app: shop"), service("door", "app: shop"),
		rule("shop", "{name: v1, labels: {version: v1}}"),
		virtualService("shop", "hosts: [shop], http: [{route: [{destination: {host: shop, subset: v1}}]}]"),
		virtualService("door", fmt.Sprintf("hosts: [door], http: [{route: [{destination: {host: shop.%s.svc.cluster.local, subset: v1}}]}]", ns)))
	spec := func(name string) string {
		return sh(t, "kubectl get virtualservice "+name+" -n "+ns+" -o jsonpath='{.spec}'").Stdout
	}
	before := spec("door")
	cc := "canaryctl -n " + ns + " "
	says(t, sh(t, cc+"create-canary --image versioned-echo:v2"), "likewise, for it sends to the same versions")
	sh(t, cc+"set-traffic 50 50 --vs shop")
	answering(t, "shop."+ns, "v1", "v2")
	answering(t, "door."+ns, "v1", "v2")
	sh(t, cc+"rollback --vs shop")
	answering(t, "door."+ns, "v1")
	sh(t, cc+"delete-canary")
	if after := spec("door"); after != before {
		t.Errorf("the other route is %s, and was %s", after, before)
	}
	sh(t, cc+"create-canary --image versioned-echo:v2")
	sh(t, cc+"promote --retire --vs door")
	answering(t, "shop."+ns, "v2")
	answering(t, "door."+ns, "v2")
}

// A rule of the user's own sends testers to the canary.
func TestOwnRuleToTheCanary(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	apply(t, ns, deployment("shop-v1", "v1", "app: shop, version: v1"), deployment("shop-v2", "v2", "app: shop, version: v2"), service("shop", "app: shop"),
		rule("shop", "{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}"),
		virtualService("shop", `hosts: [shop], http: [
			{name: testers, match: [{headers: {x-tester: {exact: "yes"}}}], route: [{destination: {host: shop, subset: v2}}]},
			{route: [{destination: {host: shop, subset: v1}, weight: 50}, {destination: {host: shop, subset: v2}, weight: 50}]}]`))
	cc := "canaryctl -n " + ns + " "
	const named = `requests go to v2 whatever the weights are: spec.http[0] "testers" (header x-tester)`
	says(t, sh(t, cc+"rollback"), named, "--all-rules")
	says(t, sh(t, cc+"status"), named)
	answering(t, "shop."+ns, "v1")
	says(t, sh(t, cc+"rollback --all-rules"), "to v1 now")
	sh(t, cc+"delete-canary")
	if r := sh(t, "kubectl get deployments -n "+ns+" -o name"); strings.Contains(r.Stdout, "v2") {
		t.Errorf("v2 stays:\n%s", r)
	}
}
