package router

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	dto "github.com/prometheus/client_model/go"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/canaryctl/canaryctl/lab/internal/serve"
	"github.com/canaryctl/canaryctl/lab/internal/watch"
)

// add puts the objects of a YAML text into the world.
func (w *world) add(t testing.TB, text string) {
	t.Helper()
	for _, document := range strings.Split(text, "\n---\n") {
		u := &unstructured.Unstructured{Object: map[string]any{}}
		if err := yaml.Unmarshal([]byte(document), &u.Object); err != nil {
			t.Fatalf("parse %s: %v", document, err)
		}
		var err error
		switch u.GetKind() {
		case "Service":
			err = put(&w.services, u, watch.Typed[corev1.Service])
		case "EndpointSlice":
			err = put(&w.slices, u, watch.Typed[discoveryv1.EndpointSlice])
		case "Pod":
			err = put(&w.pods, u, watch.Typed[corev1.Pod])
		case "Ingress":
			err = put(&w.ingresses, u, watch.Typed[networkingv1.Ingress])
		case "VirtualService":
			err = put(&w.virtualServices, u, decode[virtualServiceSpec])
		case "DestinationRule":
			err = put(&w.destinationRules, u, decode[destinationRuleSpec])
		case "HTTPRoute":
			err = put(&w.httpRoutes, u, decode[httpRouteSpec])
		default:
			t.Fatalf("kind %q is not for the router", u.GetKind())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func put[T any](list *[]T, u *unstructured.Unstructured, decode func(*unstructured.Unstructured) (T, error)) error {
	object, err := decode(u)
	*list = append(*list, object)
	return err
}

// A Service web with two Pods of v1 and one of v2, and the rule for subsets.
const web = `
kind: Service
metadata: {name: web, namespace: default}
spec:
  clusterIP: 10.96.0.7
  ports: [{name: http, port: 80}]
---
kind: EndpointSlice
metadata: {name: web-1, namespace: default, labels: {kubernetes.io/service-name: web}}
ports: [{name: http, port: 8080}]
endpoints:
- {addresses: [10.244.0.1], conditions: {ready: true}, targetRef: {kind: Pod, name: web-v1-a, namespace: default}}
- {addresses: [10.244.0.2], targetRef: {kind: Pod, name: web-v1-b, namespace: default}}
- {addresses: [10.244.0.3], conditions: {ready: true}, targetRef: {kind: Pod, name: web-v2-a, namespace: default}}
- {addresses: [10.244.0.4], conditions: {ready: false}, targetRef: {kind: Pod, name: web-v3-a, namespace: default}}
---
kind: Pod
metadata: {name: web-v1-a, namespace: default, labels: {app: web, version: v1, pod-template-hash: abc}, ownerReferences: [{kind: ReplicaSet, name: web-v1-abc, controller: true}]}
status: {podIP: 10.244.0.1}
---
kind: Pod
metadata: {name: web-v1-b, namespace: default, labels: {app: web, version: v1, pod-template-hash: abc}, ownerReferences: [{kind: ReplicaSet, name: web-v1-abc, controller: true}]}
status: {podIP: 10.244.0.2}
---
kind: Pod
metadata: {name: web-v2-a, namespace: default, labels: {app: web, version: v2, pod-template-hash: def}, ownerReferences: [{kind: ReplicaSet, name: web-v2-def, controller: true}]}
status: {podIP: 10.244.0.3}
---
kind: Pod
metadata: {name: web-v3-a, namespace: default, labels: {app: web, version: v3}}
status: {podIP: 10.244.0.4}
---
kind: DestinationRule
metadata: {name: web, namespace: default}
spec:
  host: web
  subsets:
  - {name: v1, labels: {version: v1}}
  - {name: v2, labels: {version: v2}}
  - {name: v3, labels: {version: v3}}
`

// virtualService is one for web with the given rules.
func virtualService(rules string) string { return virtualServiceOf("http", rules) }

func virtualServiceOf(protocol, rules string) string {
	return "kind: VirtualService\nmetadata: {name: web, namespace: default}\nspec:\n  hosts: [web]\n  " + protocol + ":\n" + rules
}

func weights(v1, v2 int) string {
	return virtualService(fmt.Sprintf(`
  - route:
    - {destination: {host: web, subset: v1}, weight: %d}
    - {destination: {host: web, subset: v2}, weight: %d}
`, v1, v2))
}

// mesh is a router with Pods that tell what they were asked.
type mesh struct {
	*Router
	t      testing.TB
	world  world
	build  *builder
	drains *drains

	mu   sync.Mutex
	pods map[string]string // where they listen, by nominal address
}

// newMesh makes a router over the objects of a YAML text, without an API
// server, and the Pods of web.
func newMesh(t testing.TB, objects ...string) *mesh {
	m := &mesh{t: t, pods: map[string]string{}}
	m.Router = newRouter(Config{
		Namespace: "default", ClusterDomain: "cluster.local", Random: seeded(1),
		DialContext: m.dial, Log: slog.New(slog.DiscardHandler),
	})
	m.port = "31080"
	m.build = newBuilder("default", "cluster.local", m.telemetry)
	m.drains = newDrains(m.connections, 0)
	m.serve("10.244.0.1:8080", echo("v1"))
	m.serve("10.244.0.2:8080", echo("v1"))
	m.serve("10.244.0.3:8080", echo("v2"))
	t.Cleanup(m.transports.closeIdle)
	t.Cleanup(func() { m.drains.stop() })
	t.Cleanup(func() { m.connections.cutAll(); m.requests.Wait() })
	m.apply(objects...)
	return m
}

// seeded is a generator that gives the same bits in every run of a test.
func seeded(seed uint64) func() uint64 {
	var mu sync.Mutex
	source := rand.NewPCG(seed, seed)
	return func() uint64 {
		mu.Lock()
		defer mu.Unlock()
		return source.Uint64()
	}
}

// echo answers with its name, and what it was asked.
func echo(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		for key, values := range r.Header {
			w.Header()["Got-"+key] = values
		}
		w.Header().Set("Got-Host", r.Host)
		fmt.Fprintf(w, "%s %s %s%s", name, r.Method, r.RequestURI, body)
	}
}

// apply adds objects and puts the new snapshot in force.
func (m *mesh) apply(objects ...string) {
	m.t.Helper()
	for _, text := range objects {
		m.world.add(m.t, text)
	}
	m.snapshot.Store(m.build.snapshot(m.world))
	m.drains.follow(m.world.pods)
}

// reroute replaces the VirtualServices.
func (m *mesh) reroute(text string) {
	m.t.Helper()
	m.world.virtualServices = nil
	m.apply(text)
}

// serve starts a Pod at a nominal address, which stops with the test.
func (m *mesh) serve(address string, handler http.Handler) *httptest.Server {
	pod := httptest.NewUnstartedServer(handler)
	serve.H2C(250)(pod.Config)
	pod.Start()
	m.t.Cleanup(func() { m.connections.cutAll(); pod.Close() }) // which waits for requests in flight
	m.listens(address, pod.Listener)
	return pod
}

// listens has a Pod answer where somebody listens.
func (m *mesh) listens(address string, at net.Listener) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pods[address] = at.Addr().String()
}

func (m *mesh) dial(ctx context.Context, network, address string) (net.Conn, error) {
	m.mu.Lock()
	pod := m.pods[address]
	m.mu.Unlock()
	if pod == "" {
		return nil, fmt.Errorf("no Pod at %s", address)
	}
	var d net.Dialer
	return d.DialContext(ctx, network, pod)
}

// get asks for a URL and returns the code and the body.
func (m *mesh) get(url string, headers ...string) (int, string) {
	res := m.do(httptest.NewRequest(http.MethodGet, url, nil), headers...)
	return res.Code, res.Body.String()
}

// do sends a request whose headers are given as "Name: value".
func (m *mesh) do(req *http.Request, headers ...string) *httptest.ResponseRecorder {
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Add(name, value)
	}
	res := httptest.NewRecorder()
	m.ServeHTTP(res, req)
	return res
}

// count is the value of istio_requests_total summed over the series that have
// all of the given label values.
func (m *mesh) count(labels map[string]string) int {
	m.t.Helper()
	total := 0
	for _, metric := range m.series("istio_requests_total") {
		got := labelsOf(metric)
		fits := true
		for name, want := range labels {
			fits = fits && got[name] == want
		}
		if fits {
			total += int(metric.GetCounter().GetValue())
		}
	}
	return total
}

// counted is istio_requests_total by what tells outcomes apart: the reporter, the
// code, "grpc" with the status, the flags, and version and revision of the
// destination.
func (m *mesh) counted() map[string]int {
	m.t.Helper()
	out := map[string]int{}
	for _, metric := range m.series("istio_requests_total") {
		l := labelsOf(metric)
		call := ""
		if l["request_protocol"] == "grpc" {
			call = strings.TrimRight(" grpc "+l["grpc_response_status"], " ")
		}
		key := fmt.Sprintf("%s %s%s %s %s/%s", l["reporter"], l["response_code"], call, l["response_flags"],
			l["destination_version"], l["destination_canonical_revision"])
		out[key] += int(metric.GetCounter().GetValue())
	}
	return out
}

// expectCounted waits until the metrics say just this; a request is counted a
// moment after its client has the answer.
func (m *mesh) expectCounted(t *testing.T, want ...string) {
	t.Helper()
	wanted := map[string]int{}
	for _, w := range want {
		wanted[w]++
	}
	limit := time.Now().Add(10 * time.Second)
	for !cmp.Equal(wanted, m.counted()) {
		if time.Now().After(limit) {
			t.Fatalf("istio_requests_total (-want +got):\n%s", cmp.Diff(wanted, m.counted()))
		}
		time.Sleep(time.Millisecond)
	}
}

func (m *mesh) series(name string) []*dto.Metric {
	m.t.Helper()
	families, err := m.telemetry.registry.Gather()
	if err != nil {
		m.t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == name {
			return family.GetMetric()
		}
	}
	return nil
}

func labelsOf(metric *dto.Metric) map[string]string {
	out := map[string]string{}
	for _, l := range metric.GetLabel() {
		out[l.GetName()] = l.GetValue()
	}
	return out
}

// front has the router answer on a port of its own, as it does in the lab.
func (m *mesh) front(t testing.TB) *httptest.Server {
	front := httptest.NewUnstartedServer(m)
	serve.H2C(m.config.MaxStreams)(front.Config)
	front.Start()
	t.Cleanup(front.Close)
	return front
}
