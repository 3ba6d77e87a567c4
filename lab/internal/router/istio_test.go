package router

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/grpc/codes"
)

// toV1 and toV2 end a rule.
const (
	toV1 = "    route: [{destination: {host: web, subset: v1}}]\n"
	toV2 = "    route: [{destination: {host: web, subset: v2}}]\n"
)

func TestMatching(t *testing.T) {
	tests := []struct {
		name  string
		match string // of the rule to v2; all else goes to v1
		v2    []string
		v1    []string // "METHOD PATH [Header: value]"
	}{
		{"exact path", "{uri: {exact: /a}}", []string{"GET /a", "GET /a?x=1"}, []string{"GET /a/", "GET /A", "GET /"}},
		{"prefix is a text, not an element", "{uri: {prefix: /a}}", []string{"GET /a", "GET /ab", "GET /a/b"}, []string{"GET /b"}},
		{"regex matches the whole path", "{uri: {regex: '/v[0-9]+'}}", []string{"GET /v1", "GET /v22"}, []string{"GET /v1/x", "GET /x/v1"}},
		{"ignoreUriCase", "{uri: {exact: /Abc}, ignoreUriCase: true}", []string{"GET /aBC"}, []string{"GET /x"}},
		{"method", "{method: {exact: POST}}", []string{"POST /"}, []string{"GET /"}},
		{"header", "{headers: {x-canary: {exact: v2}}}", []string{"GET / X-Canary: v2"}, []string{"GET / X-Canary: v1", "GET /"}},
		{"header presence", "{headers: {x-canary: {}}}", []string{"GET / X-Canary: any"}, []string{"GET /"}},
		{"without header", "{withoutHeaders: {x-old: {}}}", []string{"GET /"}, []string{"GET / X-Old: 1"}},
		{"query", "{queryParams: {user: {prefix: beta}}}", []string{"GET /?user=beta7"}, []string{"GET /?user=x", "GET /"}},
		{"all parts of a match", "{uri: {prefix: /a}, method: {exact: POST}}", []string{"POST /a"}, []string{"GET /a", "POST /b"}},
		{"any of the matches", "{uri: {exact: /a}}, {uri: {exact: /b}}", []string{"GET /a", "GET /b"}, []string{"GET /c"}},
		{"authority", "{authority: {exact: web}}", []string{"GET /"}, nil},
		{"port", "{port: 8081}", nil, []string{"GET /"}},
		{"clients have no labels", "{sourceLabels: {app: x}}", nil, []string{"GET /"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := newMesh(t, web, virtualService("  - match: ["+test.match+"]\n"+toV2+"  - name: rest\n"+toV1))
			for version, requests := range map[string][]string{"v1": test.v1, "v2": test.v2} {
				for _, request := range requests {
					parts := strings.SplitN(request, " ", 3)
					req := httptest.NewRequest(parts[0], "http://web"+parts[1], nil)
					res := m.do(req, parts[2:]...)
					if got, _, _ := strings.Cut(res.Body.String(), " "); got != version {
						t.Errorf("%s went to %s, want %s", request, got, version)
					}
				}
			}
		})
	}
}

func TestActions(t *testing.T) {
	type want struct {
		Code     int
		Body     string
		Location string
	}
	tests := []struct {
		name  string
		rules string
		path  string
		want  want
	}{
		{"redirect", "  - redirect: {uri: /new, authority: other, redirectCode: 302}\n", "/old?q=1", want{302, "", "http://other/new?q=1"}},
		{"redirect is 301 by default", "  - redirect: {authority: other}\n", "/x", want{301, "", "http://other/x"}},
		{"direct response", "  - directResponse: {status: 418, body: {string: tea}}\n", "/", want{418, "tea", ""}},
		{"abort", "  - fault: {abort: {percentage: {value: 100}, httpStatus: 555}}\n" + toV1, "/", want{555, "fault filter abort", ""}},
		{"abort without percentage", "  - fault: {abort: {httpStatus: 555}}\n" + toV1, "/", want{200, "v1 GET /", ""}},
		{"rewrite prefix", "  - match: [{uri: {prefix: /api}}]\n    rewrite: {uri: /v2}\n" + toV1, "/api/x?q=1", want{200, "v1 GET /v2/x?q=1", ""}},
		{"rewrite to the root", "  - match: [{uri: {prefix: /api}}]\n    rewrite: {uri: /}\n" + toV1, "/api/x", want{200, "v1 GET /x", ""}},
		{"rewrite by regex", "  - rewrite: {uriRegexRewrite: {match: '^/u/([^/]+)', rewrite: '/user-\\1'}}\n" + toV1, "/u/7/x", want{200, "v1 GET /user-7/x", ""}},
		{"no rule", "  - match: [{uri: {exact: /a}}]\n" + toV1, "/b", want{404, "canary-lab router: no rule of the route matches this request", ""}},
		{"missing subset", "  - route: [{destination: {host: web, subset: v9}}]\n", "/", want{503, `cluster not found: no DestinationRule has a subset "v9" for web.default.svc.cluster.local`, ""}},
		{"no ready Pod", "  - route: [{destination: {host: web, subset: v3}}]\n", "/", want{503, "no healthy upstream", ""}},
		{"weight 0 gets nothing, and a single destination all", "  - route: [{destination: {host: web, subset: v2}, weight: 0}]\n", "/", want{200, "v2 GET /", ""}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := newMesh(t, web, virtualService(test.rules))
			res := m.do(httptest.NewRequest(http.MethodGet, "http://web"+test.path, nil))
			got := want{res.Code, res.Body.String(), res.Header().Get("Location")}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestHeaders(t *testing.T) {
	m := newMesh(t, web, virtualService(`
  - headers:
      request: {set: {x-env: lab, host: inner}, remove: [x-secret]}
      response: {add: {x-route: web}}
    route:
    - destination: {host: web, subset: v1}
      headers: {request: {add: {x-version: v1}}}
`))
	res := m.do(httptest.NewRequest(http.MethodGet, "http://web/", nil), "X-Secret: 1", "X-Forwarded-For: 203.0.113.1")
	got := map[string]string{}
	for _, name := range []string{"Got-X-Env", "Got-X-Secret", "Got-X-Version", "Got-Host", "X-Route", "Got-X-Forwarded-For", "Got-X-Forwarded-Proto"} {
		got[name] = res.Header().Get(name)
	}
	want := map[string]string{"Got-X-Env": "lab", "Got-X-Secret": "", "Got-X-Version": "v1", "Got-Host": "inner", "X-Route": "web",
		"Got-X-Forwarded-For": "203.0.113.1, 192.0.2.1", "Got-X-Forwarded-Proto": "http"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
	if id := res.Header().Get("Got-X-Request-Id"); len(id) != 36 || id[14] != '4' {
		t.Errorf("x-request-id %q is not a version 4 UUID", id)
	}
	if res.Header().Get("X-Envoy-Upstream-Service-Time") == "" {
		t.Error("no x-envoy-upstream-service-time")
	}
}

func TestReportsWhatItDoesNotHonour(t *testing.T) {
	m := newMesh(t, web, virtualService(`
  - corsPolicy: {allowCredentials: true}
    retries: {attempts: 1, retryOn: "5xx,envoy-ratelimited"}
    route: [{destination: {host: web, subset: v1}}]
  - match: [{uri: {regex: "("}}]
    route: [{destination: {host: web, subset: v2}}]
  tcp: [{route: [{destination: {host: web}}]}]
`), `
kind: DestinationRule
metadata: {name: strict, namespace: default}
spec: {host: other, trafficPolicy: {outlierDetection: {consecutive5xxErrors: 3}, connectionPool: {http: {http2MaxRequests: 9, http1MaxPendingRequests: 1}}}}
---
kind: VirtualService
metadata: {name: web-again, namespace: default, creationTimestamp: "2026-01-01T00:00:00Z"}
spec: {hosts: [web], http: [{route: [{destination: {host: web}}]}]}
`)
	want := []Problem{
		{"DestinationRule default/strict", "spec.trafficPolicy.connectionPool.http.http1MaxPendingRequests", "the lab's router does not honour this field"},
		{"DestinationRule default/strict", "spec.trafficPolicy.outlierDetection", "the lab's router does not honour this field"},
		{"VirtualService default/web", "spec.http[0].corsPolicy", "the lab's router does not honour this field"},
		{"VirtualService default/web", "spec.http[0].retries.retryOn", `retry conditions ["envoy-ratelimited"] are not known`},
		{"VirtualService default/web", "spec.http[1].match[0]", "regular expression"},
		{"VirtualService default/web", "spec.tcp", "spec.hosts[0], web.default.svc.cluster.local, is no Service with a port that speaks TCP: name one tcp, or set its appProtocol"},
		{"VirtualService default/web-again", "spec.hosts[0]", "VirtualService default/web already speaks for web.default.svc.cluster.local; this one has no effect on it"},
	}
	prefix := cmp.Comparer(func(a, b string) bool { return strings.HasPrefix(a, b) || strings.HasPrefix(b, a) })
	if diff := cmp.Diff(want, m.Status(), cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".Message" }, prefix),
		cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("Status() (-want +got):\n%s", diff)
	}
}

func TestMirror(t *testing.T) {
	seen := make(chan string, 1)
	m := newMesh(t, web, virtualService(`
  - mirror: {host: web, subset: v2}
    route: [{destination: {host: web, subset: v1}}]
`))
	m.serve("10.244.0.3:8080", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen <- fmt.Sprint(r.Host, r.URL) }))
	if _, body := m.get("http://web/x"); body != "v1 GET /x" {
		t.Errorf("the client got %q", body)
	}
	if got := <-seen; got != "web/x" { // Istio switches Envoy's "-shadow" off
		t.Errorf("the mirror got %q", got)
	}
	m.expectCounted(t, "source 200 - v1/v1", "destination 200 - v1/v1", "destination 200 - v2/v2")
}

// A mirror that hangs hurts nobody. Its copies pile up, and stay when there is no
// mirror any more.
func TestMirrorThatHangs(t *testing.T) {
	asked := make(chan struct{}, 9)
	m := newMesh(t, web, virtualService(`
  - mirror: {host: web, subset: v2}
    route: [{destination: {host: web, subset: v1}}]
`))
	m.serve("10.244.0.3:8080", hang(asked))
	for range 3 {
		if _, body := m.get("http://web/x"); body != "v1 GET /x" {
			t.Errorf("the client got %q", body)
		}
		<-asked
	}
	m.reroute(weights(100, 0))
	if got := m.active("outbound|80|v2|web.default.svc.cluster.local"); got != 3 {
		t.Errorf("%d copies in flight, want 3", got)
	}
	m.expectCounted(t, append(times(3, "source 200 - v1/v1"), times(3, "destination 200 - v1/v1")...)...)
}

// A mesh would speak HTTP/1.1 to the Pods, and fail.
func TestReportsCallsToAPortForHTTP(t *testing.T) {
	m := newMesh(t, web, weights(0, 100))
	m.serveGRPC(t, "10.244.0.3:8080", &healthPod{})
	if problems := m.Status(); len(problems) > 0 {
		t.Fatalf("before any call: %v", problems)
	}
	if got := check(t.Context(), m.dialGRPC(t)); got != codes.OK {
		t.Errorf("the caller got %v", got)
	}
	problems := m.Status()
	if len(problems) != 1 || problems[0].Object != "Service default/web" || !strings.Contains(problems[0].Message, "outbound|80|v2|") {
		t.Errorf("Status() is %v", problems)
	}
	if _, page := m.get("http://127.0.0.1:31080/"); !strings.Contains(page, "gRPC calls came to") {
		t.Errorf("the router's page says nothing of it: %s", page)
	}
}
