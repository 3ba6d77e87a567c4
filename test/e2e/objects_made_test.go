package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/event"
)

// shop is a situation in which a canary comes, gets half of the requests, and goes.
type shop struct {
	name                        string
	deployment, service, routes string   // of v1; "" for the usual one
	rule                        string   // its subsets
	more                        []string // other objects
	create                      string   // more of create-canary
	says                        []string // what that says
	made                        []made   // what there is then
}

// made is what kubectl get says of an object.
type made struct{ get, want string }

// TestObjectsMade looks at what a canary gets of the stable version's: what users,
// policies and tools ask of it, and nothing by which it would be taken for another's.
// When it is gone, all is as it was, byte for byte.
func TestObjectsMade(t *testing.T) {
	const (
		images = "deployment/shop-v2 -o jsonpath='{.spec.template.spec.initContainers[*].image} {.spec.template.spec.containers[*].image}'"
		hpa    = `
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: shop, labels: {app.kubernetes.io/instance: shop-prod, team: a}}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: shop-v1}
  minReplicas: 1
  maxReplicas: 3
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 60}}}]`
		budget = `
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: shop}
spec: {minAvailable: 1, selector: {matchLabels: {app: shop}}}`
		policy = `{"connectionPool":{"http":{"http1MaxPendingRequests":10}},"outlierDetection":{"baseEjectionTime":"30s","consecutive5xxErrors":5},"portLevelSettings":[{"loadBalancer":{"simple":"LEAST_REQUEST"},"port":{"number":80}}],"tls":{"mode":"DISABLE"}}`
	)
	stable := deployment("shop-v1", "v1", "app: shop, version: v1")
	others := stable + `
        - {name: worker, image: "versioned-echo:v1", command: [sleep, "3600"]}
        - {name: logs, image: busybox, command: [sleep, "3600"]}
      initContainers:
        - {name: migrate, image: "versioned-echo:v1", command: ["true"]}`
	for _, c := range []shop{
		{name: "containers with the same image", deployment: others,
			says: []string{"with image versioned-echo:v2, in containers migrate, shop, worker"},
			made: []made{{images, "versioned-echo:v2 versioned-echo:v2 versioned-echo:v2 busybox"}}},
		{name: "containers with images of their own", deployment: others, create: "--set-image worker=versioned-echo:v9 --set-image logs=busybox:2",
			made: []made{{images, "versioned-echo:v2 versioned-echo:v2 versioned-echo:v9 busybox:2"}}},
		{name: "marks of tools", more: []string{hpa}, deployment: strings.Replace(stable, "metadata: {name: shop-v1, labels: {app: shop, version: v1}}", `metadata:
  name: shop-v1
  labels: {app: shop, version: v1, team: a, app.kubernetes.io/instance: shop-prod, app.kubernetes.io/managed-by: Helm, helm.sh/chart: shop-1.2.3, kustomize.toolkit.fluxcd.io/name: shop}
  annotations: {argocd.argoproj.io/tracking-id: "shop-prod:apps/Deployment:x/shop-v1", argocd.argoproj.io/sync-wave: "2", meta.helm.sh/release-name: shop-prod,
    keel.sh/policy: major, reloader.stakater.com/auto: "true", contact: "team-a@example.com"}`, 1),
			made: []made{
				{"deployments,horizontalpodautoscalers -l app.kubernetes.io/instance -o name", "deployment.apps/shop-v1\nhorizontalpodautoscaler.autoscaling/shop\n"},
				{"deployment/shop-v2 -o jsonpath='{.metadata.labels}'", `{"app":"shop","team":"a","version":"v2"}`},
				{"deployment/shop-v2 -o jsonpath='{.metadata.annotations}'", `{"canaryctl.io/derived-from":"shop-v1","contact":"team-a@example.com","deployment.kubernetes.io/revision":"1"}`},
			}},
		{name: "a selector without a version", more: []string{hpa, budget}, deployment: strings.Replace(stable, "matchLabels: {app: shop, version: v1}", "matchLabels: {app: shop}", 1),
			says: []string{"HorizontalPodAutoscaler shop also counts the canary's Pods"},
			made: []made{
				{"deployment/shop-v2 -o jsonpath='{.spec.selector.matchLabels}'", `{"app":"shop","version":"v2"}`},
				{"poddisruptionbudgets -o name", "poddisruptionbudget.policy/shop\n"},
			}},
		{name: "a policy of the subset", rule: `{name: v1, labels: {version: v1}, trafficPolicy: ` + policy + `}`,
			made: []made{{"destinationrule/shop -o jsonpath='{.spec.subsets[1].name} {.spec.subsets[1].trafficPolicy}'", "v2 " + policy}}},
		{name: "what monitoring reads", deployment: strings.ReplaceAll(stable, "labels: {app: shop, version: v1}", "labels: {app: shop, version: v1, tags.datadoghq.com/service: shop, tags.datadoghq.com/version: 1.4.2}"),
			create: "--set-label tags.datadoghq.com/version=1.5.0 --set-env DD_VERSION=1.5.0 --set-annotation example.com/scrape=yes",
			made: []made{
				{"deployment/shop-v2 -o jsonpath='{.spec.template.metadata.labels}'", `{"app":"shop","tags.datadoghq.com/service":"shop","tags.datadoghq.com/version":"1.5.0","version":"v2"}`},
				{"pods -l tags.datadoghq.com/version=1.5.0 -o jsonpath='{.items[*].metadata.annotations.example\\.com/scrape}'", "yes"},
				{"deployment/shop-v2 -o jsonpath='{.spec.template.spec.containers[0].env}'", `[{"name":"APP_VERSION","value":"v2"},{"name":"DD_VERSION","value":"1.5.0"}]`},
			}},
		{name: "several ports and protocols", service: `
apiVersion: v1
kind: Service
metadata: {name: shop}
spec:
  selector: {app: shop}
  ports: [{name: http, port: 80, targetPort: http}, {name: grpc, port: 3000, targetPort: http}, {name: tcp-feed, port: 9000, targetPort: http}]`,
			routes: virtualService("shop", `hosts: [shop],
  tcp: [{match: [{port: 9000}], route: [{destination: {host: shop, subset: v1, port: {number: 9000}}}]}],
  http: [
    {name: rest, match: [{port: 80}], timeout: 5s, route: [{destination: {host: shop, subset: v1, port: {number: 80}}}]},
    {name: grpc, match: [{port: 3000, headers: {content-type: {prefix: application/grpc}}}], retries: {attempts: 2, perTryTimeout: 2s},
      route: [{destination: {host: shop, subset: v1, port: {number: 3000}}, weight: 100, headers: {response: {set: {x-by: grpc}}}}]},
    {name: odd, match: [{port: 3000}], route: [{destination: {host: shop, subset: v1, port: {number: 3000}}, weight: 3}]}]`),
			made: []made{{"virtualservice/shop -o jsonpath='{.spec.tcp[0].route[*].destination.subset} {.spec.http[*].route[*].destination.subset}'", "v1 v2 v1 v2 v1 v2 v1 v2"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.comesAndGoes(t, namespace(t))
		})
	}
}

func (c shop) comesAndGoes(t *testing.T, ns string) {
	or := func(text, usual string) string {
		if text == "" {
			return usual
		}
		return text
	}
	apply(t, ns, append(c.more,
		or(c.deployment, deployment("shop-v1", "v1", "app: shop, version: v1")), or(c.service, service("shop", "app: shop")),
		rule("shop", or(c.rule, "{name: v1, labels: {version: v1}}")), or(c.routes, weighed("v1")))...)
	const kinds = "deployments,horizontalpodautoscalers,poddisruptionbudgets"
	host, cc, before, all := "shop."+ns, "canaryctl -n "+ns+" ", objects(t, ns), names(t, ns, kinds)
	answering(t, host, "v1")

	says(t, sh(t, cc+"create-canary --image versioned-echo:v2 "+c.create), c.says...)
	for _, m := range c.made {
		if got := sh(t, "kubectl get -n "+ns+" "+m.get).Stdout; got != m.want {
			t.Errorf("%s:\n%s\nwant\n%s", m.get, got, m.want)
		}
	}
	sh(t, cc+"set-traffic 50 50")
	answering(t, host, "v1", "v2")
	sh(t, cc+"rollback")
	answering(t, host, "v1")
	sh(t, cc+"delete-canary")
	untouched(t, ns, before)
	eventually(t, promptly, func() (bool, string) { // by the garbage collector
		after := names(t, ns, kinds)
		return after == all, "there is, and was not before:\n" + after
	})
}

// A policy of the cluster asks labels of Deployments that a canary's has not by itself.
func TestObjectsOfAPolicy(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	file := fmt.Sprintf(`
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: %[1]s}
spec:
  matchConstraints:
    namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: %[1]s}}
    resourceRules: [{apiGroups: [apps], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [deployments]}]
  validations:
    - {expression: "has(object.metadata.labels) && 'app.kubernetes.io/managed-by' in object.metadata.labels && 'team' in object.metadata.labels", message: a Deployment needs the labels team and app.kubernetes.io/managed-by}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: %[1]s}
spec: {policyName: %[1]s, validationActions: [Deny]}`, ns)
	put(t, ns, file)
	t.Cleanup(func() {
		try(t, "kubectl delete validatingadmissionpolicies,validatingadmissionpolicybindings "+ns)
	})
	eventually(t, time.Minute, func() (bool, string) {
		r := try(t, "kubectl create deployment bare --image=busybox --dry-run=server -n "+ns)
		return r.Code != 0, "the policy is not in force yet"
	})
	apply(t, ns, strings.Replace(deployment("shop-v1", "v1", "app: shop, version: v1"), "labels: {app: shop, version: v1}", "labels: {app: shop, version: v1, team: a, app.kubernetes.io/managed-by: Helm}", 1),
		service("shop", "app: shop"), rule("shop", "{name: v1, labels: {version: v1}}"), weighed("v1"))
	host, cc, before := "shop."+ns, "canaryctl -n "+ns+" ", objects(t, ns)

	r := try(t, cc+"create-canary --image versioned-echo:v2")
	says(t, r, "a Deployment needs the labels team and app.kubernetes.io/managed-by", "--set-label")
	if all := names(t, ns, "deployments"); r.Code != 1 || strings.Contains(all, "v2") {
		t.Errorf("exit %d, want 1; there are\n%s", r.Code, all)
	}
	untouched(t, ns, before)

	sh(t, cc+"create-canary --image versioned-echo:v2 --set-label app.kubernetes.io/managed-by=canaryctl")
	sh(t, cc+"set-traffic 50 50")
	answering(t, host, "v1", "v2")
	sh(t, cc+"rollback")
	sh(t, cc+"delete-canary")
	untouched(t, ns, before)
}

// A VirtualService of the mesh and one of a gateway lead to the same versions.
func TestObjectsOfMeshAndGateway(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	public := ns + ".example.com"
	apply(t, ns, deployment("shop-v1", "v1", "app: shop, version: v1"), service("shop", "app: shop"), rule("shop", "{name: v1, labels: {version: v1}}"), weighed("v1"),
		virtualService("shop-public", fmt.Sprintf(`hosts: [%s], gateways: [istio-system/public], http: [
			{match: [{uri: {prefix: /}}], rewrite: {uri: /}, route: [{destination: {host: shop.%s.svc.cluster.local, subset: v1}}]}]`, public, ns)))
	host, cc, before := "shop."+ns, "canaryctl -n "+ns+" ", objects(t, ns)
	answering(t, public, "v1")
	sh(t, cc+"create-canary --image versioned-echo:v2")
	sh(t, cc+"set-traffic 50 50 --vs shop")
	answering(t, host, "v1", "v2")
	answering(t, public, "v1", "v2")
	sh(t, cc+"promote --vs shop")
	answering(t, public, "v2")
	sh(t, cc+"rollback --vs shop-public")
	answering(t, public, "v1")
	answering(t, host, "v1")
	sh(t, cc+"delete-canary --vs shop")
	untouched(t, ns, before)

	// Whoever retires the old version has moved every route away from it.
	sh(t, cc+"create-canary --image versioned-echo:v2")
	sh(t, cc+"promote --retire --vs shop")
	answering(t, public, "v2")
	answering(t, host, "v2")
}

// The route that others delegate to is the one that is split.
func TestObjectsOfADelegate(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	apply(t, ns, deployment("shop-v1", "v1", "app: shop, version: v1"), service("shop", "app: shop"), rule("shop", "{name: v1, labels: {version: v1}}"),
		virtualService("edge", "hosts: [www.example.com], gateways: [istio-system/public], http: [{match: [{uri: {prefix: /shop}}], delegate: {name: shop-routes, namespace: "+ns+"}}, {redirect: {uri: /shop}}]"),
		virtualService("shop-routes", `http: [
			{match: [{uri: {prefix: /shop/api}}], rewrite: {uri: /api}, retries: {attempts: 3, retryOn: 5xx}, route: [{destination: {host: shop, subset: v1}, weight: 100}]},
			{match: [{uri: {prefix: /shop}}], rewrite: {uri: /}, route: [{destination: {host: shop, subset: v1}}]}]`))
	cc, before := "canaryctl -n "+ns+" ", objects(t, ns)
	sh(t, cc+"create-canary --image versioned-echo:v2")
	says(t, sh(t, cc+"set-traffic 90 10"), "shop-routes: v1 90%, v2 10%")
	if got, want := sh(t, "kubectl get virtualservice shop-routes -n "+ns+" -o jsonpath='{.spec.http[*].route[*].weight}'").Stdout, "90 10 90 10"; got != want {
		t.Errorf("the weights are %s, want %s", got, want)
	}
	sh(t, cc+"rollback")
	sh(t, cc+"delete-canary")
	untouched(t, ns, before)
}

// A release of one Service in progress is not touched by what is done to another behind
// the same VirtualService.
func TestObjectsReleaseBesideAnother(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	apply(t, ns, shopAndCart()...)
	s := &stage{t: t, ns: ns, dir: t.TempDir(), source: pods}
	s.recordFile = func() string { return s.dir + "/record.jsonl" }
	e := s.driveIn(s.dir, s.recordFile(), "release --vs public --host shop --image versioned-echo:v2 -f "+s.plan(patient))
	s.untilKind(event.Step, 1)
	cc := "canaryctl -n " + ns + " "
	goesOn := func() {
		t.Helper()
		var status struct{ Release struct{ Phase canary.Phase } }
		decode(t, sh(t, cc+"status --app shop -o json").Stdout, &status)
		if status.Release.Phase != canary.Progressing || !e.alive() {
			t.Fatalf("the release is %s, and its engine says\n%s", status.Release.Phase, e.text())
		}
		answering(t, "shop."+ns, "v1", "v2")
	}
	for _, command := range []string{"rollback", "promote", "pause", "abort", "delete-canary --yes"} {
		try(t, cc+command+" --vs public --host cart") // which has no canary
	}
	goesOn()
	answering(t, "cart."+ns, "v1")
	sh(t, cc+"create-canary --vs public --host cart --image versioned-echo:v3")
	sh(t, cc+"set-traffic 50 50 --vs public --host cart")
	answering(t, "cart."+ns, "v1", "v3")
	sh(t, cc+"rollback --vs public --host cart")
	answering(t, "cart."+ns, "v1")
	sh(t, cc+"promote --vs public --host cart --retire")
	answering(t, "cart."+ns, "v3")
	goesOn()
	says(t, sh(t, cc+"history --vs public --host cart"), "no release")
	sh(t, cc+"rollback --vs public --host shop")
	e.wants(3)
	answering(t, "shop."+ns, "v1")
	answering(t, "cart."+ns, "v3")
}
