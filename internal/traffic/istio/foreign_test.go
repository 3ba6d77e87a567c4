package istio_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/canaryctl/canaryctl/internal/kube"
	"github.com/canaryctl/canaryctl/internal/kube/kubetest"
	"github.com/canaryctl/canaryctl/internal/traffic/routertest"
)

// many are objects in which little is the router's.
const many = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: echo
  labels: {team: payments, canaryctl: "no"}
  annotations: {note: "10% of what?", example.com/canaryctl.io: kept}
  finalizers: [example.com/last]
spec:
  hosts: [echo, echo.example.com]
  gateways: [mesh]
  exportTo: ["."]
  futureSpec: {of: [2031, null]}
  http:
    - name: pinned
      match: [{headers: {x-user: {exact: tester}}}]
      route: [{destination: {host: elsewhere, subset: v2}}]
    - name: other
      match: [{uri: {prefix: /other}}]
      route:
        - {destination: {host: elsewhere, subset: v1}, weight: 7}
        - {destination: {host: elsewhere, subset: v2}, weight: 5, futureLeg: [1]}
    - name: moved
      match: [{uri: {exact: /old}}]
      redirect: {uri: /new}
    - name: shared
      match: [{uri: {prefix: /shared}, futureMatch: {a: 1}}]
      mirrors: [{destination: {host: audit}, percentage: {value: 12.5}}]
      route:
        - {destination: {host: echo, subset: v1}, weight: 80}
        - {destination: {host: legacy, port: {number: 81}}, weight: 20, futureLeg: {deep: "x"}}
    - name: ""
      match: [{uri: {prefix: /heavy}}]
      fault: {delay: {fixedDelay: 1s, percentage: {value: 0.5}}}
      route: [{destination: {host: echo.default.svc.cluster.local, subset: v1}, weight: 1000}]
    - retries: {attempts: 3, perTryTimeout: 2s}
      timeout: 7s
      futureField: {deep: [1, 2.5, null, "x"]}
      route:
        - destination: {host: echo, subset: v1, port: {number: 80}}
          headers: {response: {set: {x-route: main}}}
  tcp:
    - match: [{port: 9000}]
      route: [{destination: {host: echo, subset: v1}}]
  tls:
    - match: [{sniHosts: [echo], port: 443}]
      route: [{destination: {host: echo, subset: v1}, weight: 100}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: echo
  labels: {team: payments}
  annotations: {note: subsets}
spec:
  host: echo.default.svc.cluster.local
  trafficPolicy: {tls: {mode: ISTIO_MUTUAL}, future: [null]}
  subsets:
    - {name: shadow, labels: {role: shadow}}
    - name: v1
      labels: {version: v1, tier: web}
      futureSubset: 1.5
      trafficPolicy: {connectionPool: {http: {maxRetries: 3}}}
`

func TestContractWithManyForeignFields(t *testing.T) {
	routertest.Suite{Header: true, Mirror: true, New: func(t testing.TB) routertest.Fixture {
		s := kubetest.New(t, many)
		f := fixture(t, s)
		f.Overrule = func(stable, onTrial int) { overruleAll(s, stable, onTrial) }
		f.Foreign = &routertest.Foreign{
			Edits: edits(s),
			Dump:  func() string { return strangers(t, s) },
			Sums:  func() []int { return sums(s) },
		}
		return f
	}}.Run(t)
}

// overruleAll is somebody else's write of the weights of all rules of echo, whatever
// they sum to.
func overruleAll(s *kubetest.Server, stable, onTrial int) {
	vs := virtualService(s)
	for _, protocol := range []string{"http", "tcp", "tls"} {
		for _, r := range list(vs.Object["spec"], protocol) {
			legs := map[bool]map[string]any{}
			for _, to := range list(r, "route") {
				if host, _, _ := unstructured.NestedString(to, "destination", "host"); strings.HasPrefix(host, "echo") {
					legs[ours(to)] = to
				}
			}
			if len(legs) == 2 {
				sum := weightOf(legs[false]) + weightOf(legs[true])
				legs[false]["weight"], legs[true]["weight"] = int64(sum*stable/100), int64(sum-sum*stable/100)
			}
		}
	}
	s.Put(vs)
}

// edits are somebody else's, each of a kind.
func edits(s *kubetest.Server) map[string]func(n int) {
	put := func(resource schema.GroupVersionResource, change func(o *unstructured.Unstructured, n int)) func(int) {
		return func(n int) {
			o := s.Get(resource, "default", "echo")
			change(o, n)
			s.Put(o)
		}
	}
	route := func(change func(o *unstructured.Unstructured, n int)) func(int) {
		return put(kube.VirtualServices(), change)
	}
	subsets := func(change func(o *unstructured.Unstructured, n int)) func(int) {
		return put(kube.DestinationRules(), change)
	}
	// rule edits the rule that has a path, or the last one; others may stand before it.
	rule := func(path string, change func(rule map[string]any, n int)) func(int) {
		return route(func(o *unstructured.Unstructured, n int) {
			for _, r := range list(o.Object["spec"], "http") {
				if name := fmt.Sprint(r["name"]); pathOf(r) == path && !strings.HasPrefix(name, "canaryctl-header") {
					change(r, n)
				}
			}
		})
	}
	return map[string]func(int){
		"an annotation": route(func(o *unstructured.Unstructured, n int) { annotated(o, "somebody", n) }),
		"a label": route(func(o *unstructured.Unstructured, n int) {
			o.SetLabels(map[string]string{"team": fmt.Sprint("team-", n)})
		}),
		"hosts": route(func(o *unstructured.Unstructured, n int) {
			field(o.Object, []any{"echo", fmt.Sprint("echo-", n)}, "spec", "hosts")
		}),
		"a time-out":       rule("", func(r map[string]any, n int) { r["timeout"] = fmt.Sprint(n, "s") }),
		"an unknown field": rule("/shared", func(r map[string]any, n int) { r["futureRule"] = map[string]any{"n": int64(n), "of": nil} }),
		"another mirror": rule("/heavy", func(r map[string]any, n int) {
			r["mirrors"] = append([]any{map[string]any{"destination": map[string]any{"host": fmt.Sprint("audit-", n)}}}, toCanary(r["mirrors"])...)
		}),
		"another's weights": rule("/other", func(r map[string]any, n int) {
			list(r, "route")[0]["weight"], list(r, "route")[1]["weight"] = int64(n), int64(3*n+1)
		}),
		"stable's headers": rule("", func(r map[string]any, n int) {
			for _, to := range list(r, "route") {
				if subset, _, _ := unstructured.NestedString(to, "destination", "subset"); subset == "v1" {
					field(to, fmt.Sprint("main-", n), "headers", "response", "set", "x-route")
				}
			}
		}),
		"legacy's port": rule("/shared", func(r map[string]any, n int) {
			for _, to := range list(r, "route") {
				if host, _, _ := unstructured.NestedString(to, "destination", "host"); host == "legacy" {
					field(to, int64(8000+n), "destination", "port", "number")
				}
			}
		}),
		"a rule more": route(func(o *unstructured.Unstructured, n int) {
			rules, _, _ := unstructured.NestedSlice(o.Object, "spec", "http")
			rules = slices.DeleteFunc(rules, func(r any) bool { return r.(map[string]any)["name"] == "guest" })
			if n > 0 {
				rules = append([]any{map[string]any{
					"name":  "guest",
					"match": []any{map[string]any{"method": map[string]any{"exact": fmt.Sprint("GET", n)}}},
					"route": []any{map[string]any{"destination": map[string]any{"host": "guest", "subset": "v1"}}},
				}}, rules...)
			}
			field(o.Object, rules, "spec", "http")
		}),
		"an annotation of the subsets": subsets(func(o *unstructured.Unstructured, n int) { annotated(o, "somebody", n) }),
		"a policy of the subsets": subsets(func(o *unstructured.Unstructured, n int) {
			field(o.Object, int64(n), "spec", "trafficPolicy", "connectionPool", "http", "http1MaxPendingRequests")
		}),
		"a subset more": subsets(func(o *unstructured.Unstructured, n int) {
			all, _, _ := unstructured.NestedSlice(o.Object, "spec", "subsets")
			name := fmt.Sprint("guest-", n)
			if !slices.ContainsFunc(all, func(v any) bool { return v.(map[string]any)["name"] == name }) {
				all = append([]any{map[string]any{"name": name}}, all...)
			}
			field(o.Object, all, "spec", "subsets")
		}),
	}
}

// annotated sets an annotation, or takes it off for 0.
func annotated(o *unstructured.Unstructured, name string, n int) {
	all := o.GetAnnotations()
	delete(all, name)
	if n > 0 {
		all[name] = fmt.Sprint(n)
	}
	o.SetAnnotations(all)
}

func field(in map[string]any, value any, path ...string) {
	if err := unstructured.SetNestedField(in, value, path...); err != nil {
		panic(err)
	}
}

// list are the entries of a list of objects, to be changed in place.
func list(of any, name string) []map[string]any {
	m, _ := of.(map[string]any)
	entries, _ := m[name].([]any)
	var all []map[string]any
	for _, e := range entries {
		all = append(all, e.(map[string]any))
	}
	return all
}

// pathOf is the path that a rule is for, or "" for all.
func pathOf(rule map[string]any) string {
	for _, m := range list(rule, "match") {
		if path, ok, _ := unstructured.NestedString(m, "uri", "prefix"); ok {
			return path
		}
	}
	if rule["match"] != nil {
		return "none"
	}
	return ""
}

// ours reports whether a destination is a version of echo that the router put in.
func ours(entry any) bool {
	m, _ := entry.(map[string]any)
	host, _, _ := unstructured.NestedString(m, "destination", "host")
	subset, _, _ := unstructured.NestedString(m, "destination", "subset")
	return strings.HasPrefix(host, "echo") && subset != "v1"
}

func toCanary(mirrors any) []any {
	all, _ := mirrors.([]any)
	return slices.DeleteFunc(slices.Clone(all), func(m any) bool { return !ours(m) })
}

// weightOf is a destination's weight; the only one of a rule needs none.
func weightOf(to map[string]any) int {
	if w, ok := to["weight"].(int64); ok {
		return int(w)
	}
	return 100
}

// sums are those of the rules that send to echo.
func sums(s *kubetest.Server) (all []int) {
	spec := virtualService(s).Object["spec"]
	for _, protocol := range []string{"http", "tcp", "tls"} {
		for _, r := range list(spec, protocol) {
			sum, echo := 0, false
			for _, to := range list(r, "route") {
				host, _, _ := unstructured.NestedString(to, "destination", "host")
				sum, echo = sum+weightOf(to), echo || strings.HasPrefix(host, "echo")
			}
			if name := fmt.Sprint(r["name"]); echo && !strings.HasPrefix(name, "canaryctl-header") {
				all = append(all, sum)
			}
		}
	}
	return all
}

// strangers is the dump of the objects without what is the router's.
func strangers(t testing.TB, s *kubetest.Server) string {
	t.Helper()
	var b strings.Builder
	for _, resource := range []schema.GroupVersionResource{kube.VirtualServices(), kube.DestinationRules()} {
		for _, o := range s.List(resource, "default") {
			bare(&o)
			disown(o.Object["spec"].(map[string]any))
			annotations := o.GetAnnotations()
			maps.DeleteFunc(annotations, func(name, _ string) bool {
				domain, _, _ := strings.Cut(name, "/")
				return domain == "canaryctl.io" || strings.HasSuffix(domain, ".canaryctl.io")
			})
			if o.SetAnnotations(annotations); len(annotations) == 0 {
				o.SetAnnotations(nil) // as the API server has it
			}
			data, err := json.MarshalIndent(o.Object, "", " ")
			if err != nil {
				t.Fatal(err)
			}
			b.Write(append(data, '\n'))
		}
	}
	return b.String()
}

// disown takes header rules, the canary in the others, and its subset out of a spec.
func disown(spec map[string]any) {
	for _, protocol := range []string{"http", "tcp", "tls"} {
		if entries, ok := spec[protocol].([]any); ok {
			spec[protocol] = slices.DeleteFunc(entries, func(e any) bool {
				return strings.HasPrefix(fmt.Sprint(e.(map[string]any)["name"]), "canaryctl-header")
			})
		}
		for _, r := range list(spec, protocol) {
			disownRule(r)
		}
	}
	if entries, ok := spec["subsets"].([]any); ok {
		spec["subsets"] = slices.DeleteFunc(entries, func(e any) bool {
			name := e.(map[string]any)["name"]
			return name == "v2" || name == "v3"
		})
	}
}

// disownRule takes the canary out of a rule of echo, and says which share all of echo's
// versions and others have.
func disownRule(rule map[string]any) {
	if mirrors, ok := rule["mirrors"].([]any); ok {
		if rule["mirrors"] = slices.DeleteFunc(mirrors, ours); len(rule["mirrors"].([]any)) == 0 {
			delete(rule, "mirrors")
		}
	}
	sum, echo := 0, 0
	for _, to := range list(rule, "route") {
		weight := weightOf(to)
		sum += weight
		if host, _, _ := unstructured.NestedString(to, "destination", "host"); strings.HasPrefix(host, "echo") {
			echo += weight
		}
	}
	if echo == 0 {
		return
	}
	rule["route"] = slices.DeleteFunc(rule["route"].([]any), ours)
	for _, to := range list(rule, "route") {
		weight := weightOf(to)
		if host, _, _ := unstructured.NestedString(to, "destination", "host"); strings.HasPrefix(host, "echo") {
			weight = echo
		}
		to["weight"] = fmt.Sprintf("%.6f", float64(weight)/float64(sum))
	}
}
