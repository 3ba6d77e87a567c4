package router

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	health "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// deletePod has the API server begin to delete a Pod, which leaves its
// EndpointSlice at once.
func (m *mesh) deletePod(name string) {
	for i, p := range m.world.pods {
		if p.Name == name {
			m.world.pods[i] = p.DeepCopy()
			m.world.pods[i].DeletionTimestamp = &metav1.Time{Time: time.Now().Add(time.Hour)}
		}
	}
	for i, s := range m.world.slices {
		left := s.DeepCopy()
		for j := range left.Endpoints {
			if ref := left.Endpoints[j].TargetRef; ref != nil && ref.Name == name {
				left.Endpoints[j].Conditions.Ready = new(bool)
			}
		}
		m.world.slices[i] = left
	}
	m.apply()
}

// Streams, calls and upgraded connections stay on the canary when it gets no more
// traffic, and when there is no more subset for it. They break off when its Pod is
// deleted, though that has an hour to go, and its sidecar's counts with them.
func TestStreamsStayUntilTheirPodIsDeleted(t *testing.T) {
	m := newMesh(t, web, weights(0, 100))
	m.serve("10.244.0.3:8080", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" {
			shout(w, r)
			return
		}
		streamUntil(nil)(w, r)
	}))
	front := m.front(t)
	conn, reader := upgrade(t, front.Listener.Addr())
	stream := open(t.Context(), t, front.URL)

	m.reroute(weights(100, 0))
	m.world.destinationRules = nil
	m.reroute(virtualService("  - route: [{destination: {host: web}}]\n"))
	if _, err := io.WriteString(conn, "still here\n"); err != nil {
		t.Fatal(err)
	}
	if line, err := reader.ReadString('\n'); line != "STILL HERE\n" {
		t.Fatalf("over the upgraded connection: %q, %v", line, err)
	}

	m.deletePod("web-v2-a")
	if _, err := reader.ReadString('\n'); !errors.Is(err, io.EOF) {
		t.Errorf("the upgraded connection: %v, want its end", err)
	}
	if err := <-stream; err == nil {
		t.Error("the stream ended as if all had been said")
	}
	m.expectCounted(t, "source 101 UC v2/v2", "source 200 UC v2/v2")

	m.reroute("kind: VirtualService\nmetadata: {name: other, namespace: default}\nspec: {hosts: [other]}")
	if code, _ := m.get("http://10.244.0.3:8080/"); code != http.StatusServiceUnavailable {
		t.Errorf("a Pod whose sidecar has ended answers %d", code)
	}
}

func TestDrainDuration(t *testing.T) {
	d := newDrains(nil, 5*time.Second)
	for config, want := range map[string]time.Duration{
		"":                                  5 * time.Second,
		"terminationDrainDuration: 20s":     20 * time.Second,
		`{"terminationDrainDuration":"1m"}`: time.Minute,
		"concurrency: 2":                    5 * time.Second,
		"no yaml: [":                        5 * time.Second,
	} {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{"proxy.istio.io/config": config}}}
		if got := d.duration(pod); got != want {
			t.Errorf("%q: %v, want %v", config, got, want)
		}
	}
}

// A gRPC client has one connection, on which so many streams can be open. A canary
// that hangs fills it, and the client stands still, for stable too; no weight frees
// it, nor that the subset goes, but the end of the canary's Pod.
func TestHangingCanaryStopsItsClients(t *testing.T) {
	m := newMesh(t, web, weights(0, 100))
	m.config.MaxStreams = 2
	hangs := func(s health.Health_WatchServer) error { <-s.Context().Done(); return nil }
	m.serveGRPC(t, "10.244.0.3:8080", &healthPod{watch: hangs})
	for _, stable := range []string{"10.244.0.1:8080", "10.244.0.2:8080"} {
		m.serveGRPC(t, stable, &healthPod{})
	}
	client := m.dialGRPC(t)
	for range 2 {
		if _, err := health.NewHealthClient(client).Watch(t.Context(), &health.HealthCheckRequest{}); err != nil {
			t.Fatal(err)
		}
	}
	waitFor(t, func() bool { return m.active("outbound|80|v2|web.default.svc.cluster.local") == 2 })
	m.reroute(weights(100, 0))

	called := make(chan codes.Code, 1)
	go func() { called <- check(t.Context(), client) }()
	if got := check(t.Context(), m.dialGRPC(t)); got != codes.OK {
		t.Errorf("another client got %v", got)
	}
	select {
	case got := <-called:
		t.Errorf("the client was not stopped: %v", got)
	default:
	}
	m.deletePod("web-v2-a")
	if got := <-called; got != codes.OK {
		t.Errorf("once the canary is gone the client got %v", got)
	}
}

// active is envoy_cluster_upstream_rq_active of a cluster; -1 where there is none.
func (m *mesh) active(cluster string) int {
	for _, metric := range m.series("envoy_cluster_upstream_rq_active") {
		if labelsOf(metric)["cluster_name"] == cluster {
			return int(metric.GetGauge().GetValue())
		}
	}
	return -1
}

func TestInFlight(t *testing.T) {
	const v1, v2 = "outbound|80|v1|web.default.svc.cluster.local", "outbound|80|v2|web.default.svc.cluster.local"
	m := newMesh(t, web, weights(0, 100))
	asked := make(chan struct{}, 1)
	m.serve("10.244.0.3:8080", hang(asked))
	url := m.front(t).URL
	if m.active(v1) != 0 || m.active(v2) != 0 || m.active("outbound|80||web.default.svc.cluster.local") != 0 {
		t.Fatal("a cluster is missing")
	}
	ctx, leave := context.WithCancel(t.Context())
	got := make(chan string, 1)
	go func() { got <- answerOf(ctx, url) }()
	<-asked
	m.reroute(weights(100, 0))
	if one, two := m.active(v1), m.active(v2); one != 0 || two != 1 {
		t.Errorf("in flight to v1 %d and to v2 %d, want 0 and 1", one, two)
	}
	leave()
	<-got
	waitFor(t, func() bool { return m.active(v2) == 0 })
	m.world.destinationRules = nil
	m.apply()
	if m.active(v2) != -1 {
		t.Error("a cluster whose subset is gone is still exported")
	}
}

// Each subset has a limit of its own. What is over it gets no Pod.
func TestOverflow(t *testing.T) {
	limit := "{http2MaxRequests: 1}"
	m := newMesh(t, web, weights(0, 100), `
kind: DestinationRule
metadata: {name: limits, namespace: default}
spec:
  host: web
  trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}}
  subsets:
  - {name: small, labels: {version: v2}, trafficPolicy: {connectionPool: {http: `+limit+`}}}
`)
	m.reroute(virtualService("  - route: [{destination: {host: web, subset: small}}]\n"))
	asked := make(chan struct{}, 1)
	m.serve("10.244.0.3:8080", hang(asked))
	front := m.front(t)
	ctx, leave := context.WithCancel(t.Context())
	got := make(chan string, 1)
	go func() { got <- answerOf(ctx, front.URL) }()
	<-asked
	if answer := answerOf(t.Context(), front.URL); answer != reset503+"overflow" {
		t.Errorf("the user got %q", answer)
	}
	_, err := health.NewHealthClient(m.dialGRPC(t)).Check(t.Context(), &health.HealthCheckRequest{}, grpc.WaitForReady(true))
	if status.Code(err) != codes.Unavailable {
		t.Errorf("the caller got %v", err)
	}
	m.expectCounted(t, "source 503 UO unknown/latest", "source 200 grpc 14 UO unknown/latest")
	m.reroute(weights(0, 100))
	m.serve("10.244.0.3:8080", echo("v2"))
	if answer := answerOf(t.Context(), front.URL); answer != "200 v2 GET /" {
		t.Errorf("another subset is limited, too: %q", answer)
	}
	leave()
	<-got
}
