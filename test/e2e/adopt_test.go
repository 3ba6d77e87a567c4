package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/canaryctl/canaryctl/internal/probe"
	"github.com/canaryctl/canaryctl/test/labtest"
)

// A shop that was never made for canaries: its Pods have one label, its Service selects
// that, and its route knows no versions.
const (
	plainShop = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop, labels: {app: shop}}
spec:
  replicas: 2
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec:
      containers:
        - name: shop
          image: versioned-echo:v1
          ports: [{name: http, containerPort: 8080}]
          env: [{name: APP_VERSION, value: v1}]
          readinessProbe: {httpGet: {path: /health, port: http}, periodSeconds: 1}`
	plainRoute = `hosts: [shop], http: [
  {name: checkout, match: [{uri: {prefix: /checkout}}], timeout: 2s, retries: {attempts: 3}, route: [{destination: {host: shop, port: {number: 80}}}]},
  {route: [{destination: {host: shop}}]}]`
	shopPlan = "apiVersion: canaryctl.io/v1alpha1\nkind: Plan\nspec:\n" + quick
)

// TestAdopt takes an application from a plain Deployment to a finished release under 200
// requests/s, of which none is lost, with the rights of the shipped Roles alone.
func TestAdopt(t *testing.T) {
	for name, documents := range map[string][]string{
		"route":    {plainShop, service("shop", "app: shop"), virtualService("shop", plainRoute)},
		"no-route": {plainShop, service("shop", "app: shop")},
		"policy": {plainShop, service("shop", "app: shop"), virtualService("shop", plainRoute),
			strings.Replace(rule("shop", ""), "subsets: []", "trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}}", 1)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ns := namespace(t)
			apply(t, ns, documents...)
			cc := asAdopter(t, ns)
			load := users(t, ns)
			says(t, cc("adopt --yes"), "label version=v1 on its Pods", "its 2 Pods are replaced once", "Deployment shop is version v1, which gets all requests")
			says(t, cc("adopt"), "nothing to do")
			cc("release --image versioned-echo:v2 --metrics-source pods -f - <<'EOF'\n" + shopPlan + "EOF\n")
			answering(t, "shop."+ns, "v2")
			says(t, cc("history"), "promoted")
			noneLost(t, load)
			r := try(t, "canaryctl adopt --undo --yes -n "+ns)
			says(t, r, "v2 is the stable version by now", "there is nothing to go back to")
		})
	}
}

// TestAdoptUndone leaves the objects as they were, under the same load, also when each
// was killed on the way and given again.
func TestAdoptUndone(t *testing.T) {
	for name, documents := range map[string][]string{
		"route":    {plainShop, service("shop", "app: shop"), virtualService("shop", plainRoute)},
		"no-route": {plainShop, service("shop", "app: shop")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ns := namespace(t)
			apply(t, ns, documents...)
			cc := asAdopter(t, ns)
			before := adoptable(t, ns)
			load := users(t, ns)
			try(t, "timeout -s KILL 1 canaryctl adopt --yes -n "+ns)
			cc("adopt --yes")
			cc("create-canary --image versioned-echo:v2")
			cc("set-traffic 50 50")
			cc("delete-canary --yes")
			try(t, "timeout -s KILL 3 canaryctl adopt --undo --yes -n "+ns)
			says(t, cc("adopt --undo --yes"), "as it was before adopt")
			answering(t, "shop."+ns, "v1")
			noneLost(t, load)
			if diff := cmp.Diff(before, adoptable(t, ns)); diff != "" {
				t.Errorf("adopt and its undo leave (-before +after):\n%s", diff)
			}
		})
	}
}

// users sends 200 requests/s to the shop.
func users(t *testing.T, ns string) *labtest.Traffic {
	t.Helper()
	c := probe.Default()
	c.Rate = 200
	load := lab.SendAs(t.Context(), "shop."+ns, c)
	t.Cleanup(func() {
		if _, err := load.Stop(); err != nil {
			t.Error(err)
		}
	})
	return load
}

// noneLost checks that every request was answered well.
func noneLost(t *testing.T, load *labtest.Traffic) {
	t.Helper()
	result, err := load.Stop()
	if err != nil {
		t.Fatal(err)
	}
	sent := uint64(0)
	for _, p := range result.Phases {
		if p.Failed() > 0 || p.Unknown != nil {
			t.Errorf("requests failed: %v, %v", p.Failures, p.Unknown)
		}
		for _, v := range p.Versions {
			sent += uint64(v.Requests)
			if v.Errors > 0 {
				t.Errorf("%s answered %d of %d requests with an error", v.Name, v.Errors, v.Requests)
			}
		}
	}
	t.Logf("%d requests were answered", sent)
}

// asAdopter is canaryctl with the Role, the optional one for adopt, and for Pods' metrics.
func asAdopter(t *testing.T, ns string) func(args string) labtest.Result {
	t.Helper()
	sh(t, "kubectl apply -n "+ns+" -f k8s/rbac -f k8s/rbac/optional/adopt.yaml -f k8s/rbac/optional/pods.yaml")
	path, err := lab.ServiceAccountKubeconfig(t.Context(), ns, "canaryctl", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return func(args string) labtest.Result {
		t.Helper()
		return sh(t, "canaryctl -n "+ns+" "+args, "KUBECONFIG="+path)
	}
}

// adoptable are the Deployments, Services and routes of a namespace, byte for byte, without
// what the server notes of each write.
func adoptable(t *testing.T, ns string) map[string]string {
	t.Helper()
	var list struct{ Items []map[string]any }
	decode(t, sh(t, "kubectl get deployments,services,virtualservices,destinationrules -o json -n "+ns).Stdout, &list)
	all := map[string]string{}
	for _, item := range list.Items {
		metadata := item["metadata"].(map[string]any)
		for _, field := range []string{"managedFields", "resourceVersion", "generation"} {
			delete(metadata, field)
		}
		if annotations, ok := metadata["annotations"].(map[string]any); ok {
			delete(annotations, "deployment.kubernetes.io/revision")
		}
		delete(item, "status")
		data, err := json.MarshalIndent(item, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		all[fmt.Sprint(item["kind"], " ", metadata["name"])] = string(data)
	}
	return all
}
