package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// What is not supported is named as that before anything is made.

// runBy is a Deployment's template, run by something else.
func runBy(kind, deployment string) string {
	return strings.Replace(strings.Replace(deployment, "kind: Deployment", "kind: "+kind, 1), "  replicas: 1\n", map[string]string{"StatefulSet": "  serviceName: shop\n"}[kind], 1)
}

func TestObjectsRefused(t *testing.T) {
	usual := []string{service("shop", "app: shop"), rule("shop", "{name: v1, labels: {version: v1}}"), weighed("v1")}
	stable := deployment("shop-v1", "v1", "app: shop, version: v1")
	for _, c := range []struct {
		name    string
		objects []string
		more    string // of every command
		says    string // NS is the namespace
	}{
		{"statefulset", append(usual, runBy("StatefulSet", stable)), "", "StatefulSet NS/shop-v1 runs the Pods of v1, and a canary of that kind is not supported yet"},
		{"daemonset", append(usual, runBy("DaemonSet", stable)), "", "DaemonSet NS/shop-v1 runs the Pods of v1, and a canary of that kind is not supported yet"},
		{"delegating", append(usual, stable, virtualService("edge", "hosts: [www.example.com], gateways: [istio-system/public], http: [{match: [{uri: {prefix: /shop}}], delegate: {name: shop}}, {redirect: {uri: /shop}}]")),
			"--vs edge", "it delegates to VirtualService NS/shop\nhint: name that with --vs shop\n"},
		{"httproute", []string{stable, service("shop-v1", "app: shop, version: v1"), `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: shop}
spec:
  parentRefs: [{name: public}]
  hostnames: [shop.example.com]
  rules: [{backendRefs: [{name: shop-v1, port: 80, weight: 1}, {name: shop-v2, port: 80, weight: 0}]}]`},
			"", "HTTPRoute NS/shop sends requests to shop-v1, shop-v2, and a route of that kind is not supported yet"},
		{"ingress", []string{stable, service("shop", "app: shop"), `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: shop}
spec: {rules: [{host: shop.example.com, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: shop, port: {name: http}}}}]}}]}`},
			"", "Ingress NS/shop sends requests to shop, and a route of that kind is not supported yet"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ns := namespace(t)
			put(t, ns, c.objects...)
			before, run := objects(t, ns), names(t, ns, "deployments,statefulsets,daemonsets")
			for _, command := range []string{"create-canary --image versioned-echo:v2", "release --image versioned-echo:v2 --dry-run", "release --image versioned-echo:v2"} {
				r := try(t, fmt.Sprintf("canaryctl -n %s %s %s", ns, command, c.more))
				if r.Code != 1 {
					t.Errorf("exit %d, want 1", r.Code)
				}
				if want := strings.ReplaceAll(c.says, "NS", ns); !strings.Contains(r.Stderr, want) {
					t.Errorf("it does not say %q:\n%s", want, r)
				}
			}
			untouched(t, ns, before)
			if after := names(t, ns, "deployments,statefulsets,daemonsets"); after != run {
				t.Errorf("something was made:\n%s", after)
			}
		})
	}
}

// A canary of a kind that is made by hand gets traffic, and is not said to be gone.
func TestObjectsOfAStatefulSetByHand(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	put(t, ns, runBy("StatefulSet", deployment("shop-v1", "v1", "app: shop, version: v1")), runBy("StatefulSet", deployment("shop-v2", "v2", "app: shop, version: v2")),
		service("shop", "app: shop"), rule("shop", "{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}"), weighed("v1=100 v2=0"))
	sh(t, fmt.Sprintf("kubectl -n %[1]s rollout status sts/shop-v1 --timeout=60s && kubectl -n %[1]s rollout status sts/shop-v2 --timeout=60s", ns))
	host, cc := "shop."+ns, "canaryctl -n "+ns+" "
	answering(t, host, "v1")
	sh(t, cc+"set-traffic 50 50")
	answering(t, host, "v1", "v2")
	sh(t, cc+"rollback")
	answering(t, host, "v1")
	says(t, sh(t, cc+"delete-canary --yes"), "the Pods of v2 stay: StatefulSet "+ns+"/shop-v2 runs the Pods of v2")
}

// The gateway team's namespace has the route: it says so from either side, and what is
// urgent works.
func TestObjectsRouteOfAnotherNamespace(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	gateway := namespaceNamed(t, ns+"-gateway")
	full := "shop." + ns + ".svc.cluster.local"
	apply(t, ns, deployment("shop-v1", "v1", "app: shop, version: v1"), deployment("shop-v2", "v2", "app: shop, version: v2"), service("shop", "app: shop"),
		strings.Replace(rule("shop", "{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}"), "host: shop", "host: "+full, 1))
	put(t, gateway, virtualService("public", fmt.Sprintf(`hosts: [%[1]s.example.com], gateways: [istio-system/public], http: [{route: [
		{destination: {host: %[2]s, subset: v1}, weight: 50}, {destination: {host: %[2]s, subset: v2}, weight: 50}]}]`, ns, full)))
	answering(t, ns+".example.com", "v1", "v2")

	const refusal = "a route in another namespace than its Pods is not supported yet"
	for command, want := range map[string]string{
		"-n " + ns + " status":                                           "VirtualService " + gateway + "/public routes to shop of this namespace, and " + refusal,
		"-n " + ns + " create-canary --image versioned-echo:v3":          "VirtualService " + gateway + "/public routes to shop of this namespace, and " + refusal,
		"-n " + gateway + " create-canary --image versioned-echo:v3":     "the Pods of " + full + " are in namespace " + ns + ", and " + refusal,
		"-n " + gateway + " release --image versioned-echo:v3 --dry-run": "the Pods of " + full + " are in namespace " + ns + ", and " + refusal,
		"-n " + gateway + " set-traffic 90 10":                           "the Pods of " + full + " are in namespace " + ns,
	} {
		r := try(t, "canaryctl "+command)
		if r.Code != 1 {
			t.Errorf("exit %d, want 1", r.Code)
		}
		says(t, r, want)
	}
	says(t, sh(t, "canaryctl -n "+gateway+" status"), "the Pods of "+full+" are in namespace "+ns)
	sh(t, "canaryctl rollback -n "+gateway)
	answering(t, ns+".example.com", "v1")
	if all := names(t, ns, "deployments"); strings.Contains(all, "v3") {
		t.Errorf("something was made:\n%s", all)
	}
}
