package router

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// asked maps requests, written "URL [Header: value]...", to the version that
// answered, or to the code.
func (m *mesh) asked(requests []string) []string {
	var got []string
	for _, request := range requests {
		parts := strings.Split(request, " | ")
		code, body := m.get(parts[0], parts[1:]...)
		version, _, _ := strings.Cut(body, " ")
		if code != http.StatusOK {
			version = http.StatusText(code)
		}
		got = append(got, request+" -> "+version)
	}
	return got
}

func expect(t *testing.T, m *mesh, want ...string) {
	t.Helper()
	var requests []string
	for _, w := range want {
		request, _, _ := strings.Cut(w, " -> ")
		requests = append(requests, request)
	}
	if diff := cmp.Diff(want, m.asked(requests)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// One Service per version, as HTTPRoutes and Ingresses need them.
const versions = `
kind: Service
metadata: {name: web-v1, namespace: default}
spec: {ports: [{name: http, port: 80}]}
---
kind: Service
metadata: {name: web-v2, namespace: default}
spec: {ports: [{name: http, port: 80}]}
---
kind: EndpointSlice
metadata: {name: web-v1-1, namespace: default, labels: {kubernetes.io/service-name: web-v1}}
ports: [{name: http, port: 8080}]
endpoints: [{addresses: [10.244.0.1]}]
---
kind: EndpointSlice
metadata: {name: web-v2-1, namespace: default, labels: {kubernetes.io/service-name: web-v2}}
ports: [{name: http, port: 8080}]
endpoints: [{addresses: [10.244.0.3]}]`

func TestHosts(t *testing.T) {
	other := strings.NewReplacer("namespace: default", "namespace: shop", "10.96.0.7", "10.96.0.8").Replace(web)
	m := newMesh(t, web, other, weights(0, 100))
	expect(t, m,
		"http://web/ -> v2",
		"http://web:80/ -> v2",
		"http://WEB/ -> v2",
		"http://web.default/ -> v2",
		"http://web.default.svc/ -> v2",
		"http://web.default.svc.cluster.local/ -> v2",
		"http://web.default.svc.cluster.local./ -> v2",
		"http://web.default.svc.cluster.local:80/ -> v2",
		"http://10.96.0.7/ -> v2",
		"http://web:31080/ -> v2", // the router's own port
		"http://web:81/ -> Not Found",
		"http://nobody/ -> Not Found",
		"http://web.other/ -> Not Found",
		"http://10.244.0.1:8080/ -> v1", // a Pod
		"http://10.244.9.9:8080/ -> Not Found",
	)
	if _, body := m.get("http://nobody/"); !strings.Contains(body, "known hosts: web.default, web.shop") {
		t.Errorf("the refusal does not say what is known: %q", body)
	}
	if code, body := m.get("http://web:81/"); code != 404 || !strings.Contains(body, "web has no port 81") {
		t.Errorf("wrong port: %d %q", code, body)
	}
}

func TestOwnPages(t *testing.T) {
	m := newMesh(t, web)
	if code, body := m.get("http://127.0.0.1:31080/"); code != 200 || !strings.Contains(body, "web.default") {
		t.Errorf("/: %d %q", code, body)
	}
	m.get("http://web/")
	if _, body := m.get("http://localhost:31080/stats/prometheus"); !strings.Contains(body, `istio_requests_total{connection_security_policy="none"`) {
		t.Errorf("/stats/prometheus has no istio_requests_total: %q", body)
	}
	if code, _ := m.get("http://127.0.0.1:31080/x"); code != 404 {
		t.Errorf("/x: %d", code)
	}
}

func TestHTTPRoute(t *testing.T) {
	m := newMesh(t, web, versions, `
kind: HTTPRoute
metadata: {name: web, namespace: default}
spec:
  parentRefs: [{group: "", kind: Service, name: web, port: 80}]
  rules:
  - backendRefs: [{name: web-v1, port: 80, weight: 0}, {name: web-v2, port: 80, weight: 5}]
  - matches: [{path: {type: PathPrefix, value: /a}}]
    backendRefs: [{name: web-v1, port: 80}]
  - matches: [{path: {type: Exact, value: /a/b}, headers: [{name: x-canary, value: v2}]}]
    backendRefs: [{name: web-v2, port: 80}]
  - matches: [{path: {type: PathPrefix, value: /gone}}]
    backendRefs: [{name: nothing, port: 80}]
---
kind: HTTPRoute
metadata: {name: gateway, namespace: default}
spec:
  parentRefs: [{name: gw}]
  hostnames: [web.example.com, "*.example.org"]
  rules:
  - matches: [{path: {value: /old}}]
    filters:
    - {type: URLRewrite, urlRewrite: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /new}}}
    - {type: ResponseHeaderModifier, responseHeaderModifier: {set: [{name: x-by, value: lab}]}}
    backendRefs: [{name: web-v1, port: 80}]
  - matches: [{path: {value: /moved}}]
    filters: [{type: RequestRedirect, requestRedirect: {hostname: there, path: {type: ReplaceFullPath, replaceFullPath: /x}}}]
  sessionPersistence: {}
`)
	expect(t, m,
		"http://web/ -> v2",
		"http://web/a -> v1",
		"http://web/a/b -> v1",
		"http://web/a/b | X-Canary: v2 -> v2",
		"http://web/ab -> v2",
		"http://web/gone -> Internal Server Error",
		"http://web.example.com:8443/old -> v1",
		"http://a.example.org/old/x -> v1",
		"http://web.example.com/ -> Not Found",
		"http://web.example.com/moved -> Found",
	)
	if _, body := m.get("http://web.example.com/old/x"); body != "v1 GET /new/x" {
		t.Errorf("rewritten to %q", body)
	}
	want := []Problem{{"HTTPRoute default/gateway", "spec.sessionPersistence", "the lab's router does not honour this field"}}
	if diff := cmp.Diff(want, m.Status()); diff != "" {
		t.Errorf("Status() (-want +got):\n%s", diff)
	}
}

// ingress is a canary Ingress for web.example.com with the given annotations.
func ingress(annotations string) string {
	const host = `
spec:
  ingressClassName: nginx
  rules:
  - host: web.example.com
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: %, port: {name: http}}}}]}
`
	return "kind: Ingress\nmetadata: {name: web, namespace: default}" + strings.ReplaceAll(host, "%", "web-v1") + "---\n" +
		"kind: Ingress\nmetadata: {name: web-canary, namespace: default, annotations: {nginx.ingress.kubernetes.io/canary: 'true', " +
		annotations + "}}" + strings.ReplaceAll(host, "%", "web-v2")
}

func TestIngressCanary(t *testing.T) {
	const n = "nginx.ingress.kubernetes.io/"
	const site = "http://web.example.com/"
	tests := []struct {
		name        string
		annotations string
		want        []string
	}{
		{"header always and never", n + "canary-by-header: X-Canary", []string{
			site + " | X-Canary: always -> v2", site + " | X-Canary: never -> v1", site + " | X-Canary: v2 -> v1", site + " -> v1"}},
		{"header value", n + "canary-by-header: X-Canary, " + n + "canary-by-header-value: v2", []string{
			site + " | X-Canary: v2 -> v2", site + " | X-Canary: always -> v1", site + " -> v1"}},
		{"header pattern", n + "canary-by-header: X-Canary, " + n + "canary-by-header-pattern: '^b.*'", []string{
			site + " | X-Canary: beta -> v2", site + " | X-Canary: always -> v1"}},
		{"cookie", n + "canary-by-cookie: canary", []string{
			site + " | Cookie: canary=always -> v2", site + " | Cookie: canary=never -> v1", site + " -> v1"}},
		{"weight", n + "canary-weight: '100'", []string{site + " -> v2"}},
		{"weight of a total", n + "canary-weight: '1000', " + n + "canary-weight-total: '1000'", []string{site + " -> v2"}},
		{"header before cookie before weight",
			n + "canary-by-header: X-Canary, " + n + "canary-by-cookie: canary, " + n + "canary-weight: '100'", []string{
				site + " | X-Canary: never | Cookie: canary=always -> v1",
				site + " | X-Canary: other | Cookie: canary=never -> v1",
				site + " | Cookie: canary=never -> v1",
				site + " | Cookie: canary=other -> v2",
				site + " -> v2"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			expect(t, newMesh(t, web, versions, ingress(test.annotations)), test.want...)
		})
	}
}

func TestIngressReportsAnnotations(t *testing.T) {
	m := newMesh(t, web, versions, ingress("nginx.ingress.kubernetes.io/canary-weight: ten, nginx.ingress.kubernetes.io/rewrite-target: /"))
	want := []Problem{
		{"Ingress default/web-canary", "metadata.annotations", `nginx.ingress.kubernetes.io/canary-weight "ten" is not a whole number`},
		{"Ingress default/web-canary", "metadata.annotations[nginx.ingress.kubernetes.io/rewrite-target]", "the lab's router does not honour this annotation"},
	}
	if diff := cmp.Diff(want, m.Status()); diff != "" {
		t.Errorf("Status() (-want +got):\n%s", diff)
	}
}
