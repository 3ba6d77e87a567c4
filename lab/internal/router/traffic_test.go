package router

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestShares checks weights by an exact two-sided bound: the generator is
// seeded, so the test is decided once and for all; for a generator drawn anew it
// would fail with a probability below 1e-6 (Hoeffding).
func TestShares(t *testing.T) {
	const n = 20000
	bound := math.Sqrt(math.Log(2/1e-6) / (2 * n))
	tests := []struct{ v1, v2 int }{{90, 10}, {70, 30}, {50, 50}, {99, 1}, {1, 3}}
	for _, test := range tests {
		t.Run(fmt.Sprintf("%d to %d", test.v1, test.v2), func(t *testing.T) {
			m := newMesh(t, web, weights(test.v1, test.v2))
			host, _ := m.snapshot.Load().lookup("web", "")
			hits := 0
			for range n {
				if strings.Contains(host.rules[0].split.pick(m.config.Random()).cluster.name, "|v2|") {
					hits++
				}
			}
			want := float64(test.v2) / float64(test.v1+test.v2)
			if got := float64(hits) / n; math.Abs(got-want) > bound {
				t.Errorf("v2 got a share of %.4f, want %.4f within %.4f", got, want, bound)
			}
		})
	}
}

func TestWeightsZeroAndAllAreExact(t *testing.T) {
	m := newMesh(t, web, weights(100, 0))
	for range 500 {
		if _, body := m.get("http://web/"); !strings.HasPrefix(body, "v1 ") {
			t.Fatalf("at 100/0 a request got %q", body)
		}
	}
}

// TestMetrics looks at both sides of a mesh's telemetry.
func TestMetrics(t *testing.T) {
	m := newMesh(t, web, weights(0, 100))
	m.get("http://web/")
	m.reroute(virtualService("  - route: [{destination: {host: web, subset: v3}}]\n"))
	m.get("http://web/")
	m.reroute(virtualService("  - route: [{destination: {host: web, subset: v9}}]\n"))
	m.get("http://web/")
	m.get("http://nobody/")
	tests := []struct {
		labels map[string]string
		want   int
	}{
		{map[string]string{"reporter": "source", "response_code": "200", "response_flags": "-", "connection_security_policy": "unknown"}, 1},
		{map[string]string{"reporter": "destination", "response_code": "200", "connection_security_policy": "none",
			"destination_workload": "web-v2", "destination_workload_namespace": "default", "destination_app": "web",
			"destination_version": "v2", "destination_canonical_revision": "v2", "request_protocol": "http",
			"destination_service": "web.default.svc.cluster.local", "destination_service_name": "web", "destination_service_namespace": "default"}, 1},
		{map[string]string{"reporter": "source", "response_code": "503", "response_flags": "UH", "destination_version": "unknown", "destination_service_name": "web"}, 1},
		{map[string]string{"reporter": "source", "response_code": "503", "response_flags": "NC"}, 1},
		{map[string]string{"reporter": "source", "response_code": "404", "response_flags": "NR"}, 1},
		{map[string]string{"reporter": "destination"}, 1},
	}
	for _, test := range tests {
		if got := m.count(test.labels); got != test.want {
			t.Errorf("istio_requests_total%v is %d, want %d", test.labels, got, test.want)
		}
	}
}

// Whoever makes and deletes namespaces all day does not fill the memory of whoever
// reads the metrics.
func TestMetricsEndWithTheService(t *testing.T) {
	m := newMesh(t, web, weights(0, 100))
	m.get("http://web/")
	m.get("http://nobody/")
	of := map[string]string{"destination_service_name": "web"}
	if m.count(of) == 0 {
		t.Fatal("nothing is counted")
	}
	whole := m.world
	m.world.services, m.world.virtualServices = nil, nil
	m.apply()
	if got := m.count(of); got != 0 {
		t.Errorf("%d requests of a Service that is gone", got)
	}
	if m.count(map[string]string{"response_flags": "NR"}) == 0 {
		t.Error("what never was a Service is forgotten, too")
	}
	m.world = whole
	m.apply()
	m.get("http://web/")
	if got := m.count(of); got != 2 { // both sides of the one request
		t.Errorf("%d requests once it is back, want 2", got)
	}
}

func TestRetries(t *testing.T) {
	// failing answers a number of requests badly, then well.
	failing := func(times int64, fail http.HandlerFunc) http.HandlerFunc {
		var seen atomic.Int64
		return func(w http.ResponseWriter, r *http.Request) {
			if seen.Add(1) <= times {
				fail(w, r)
				return
			}
			echo("v2")(w, r)
		}
	}
	code := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
	}

	tests := []struct {
		name  string
		rule  string // before the route
		pod   http.HandlerFunc
		code  int
		flags string
	}{
		{"5xx is tried again", "retries: {attempts: 2, retryOn: 5xx}", failing(2, code(500)), 200, "-"},
		{"but not more often than that", "retries: {attempts: 2, retryOn: 5xx}", failing(3, code(500)), 500, "URX"},
		{"a code of its own", "retries: {attempts: 1, retryOn: '418'}", failing(1, code(418)), 200, "-"},
		{"the default leaves 5xx alone", "name: x", failing(1, code(503)), 503, "-"},
		{"none", "retries: {attempts: 0}", failing(1, code(503)), 503, "-"},
		{"a broken connection is not the default's", "name: x", failing(1, hangUp), 503, "-"},
		{"nor a reset: the Pod's sidecar has answered", "retries: {attempts: 1, retryOn: reset}", failing(1, hangUp), 503, "-"},
		{"but a 503", "retries: {attempts: 1, retryOn: '503'}", failing(1, hangUp), 200, "-"},
		{"per try timeout", "retries: {attempts: 1, perTryTimeout: 500ms, retryOn: 5xx}", failing(1, hang(make(chan struct{}, 9))), 200, "-"},
		{"timeout", "timeout: 20ms", failing(9, hang(make(chan struct{}, 9))), 504, "UT"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := newMesh(t, web, virtualService("  - "+test.rule+"\n"+toV2))
			m.serve("10.244.0.3:8080", test.pod)
			res := m.do(httptest.NewRequest(http.MethodPost, "http://web/", strings.NewReader(" body")))
			if res.Code != test.code {
				t.Errorf("code %d %q, want %d", res.Code, res.Body, test.code)
			}
			if res.Code == 200 && res.Body.String() != "v2 POST / body" {
				t.Errorf("the body was not sent again: %q", res.Body)
			}
			if got := m.count(map[string]string{"reporter": "source", "response_flags": test.flags, "response_code": fmt.Sprint(test.code)}); got != 1 {
				t.Errorf("%d requests counted with code %d and flags %q, want 1", got, test.code, test.flags)
			}
		})
	}
}

func TestUnreachablePodIsPassedOver(t *testing.T) {
	m := newMesh(t, web, virtualService("  - name: x\n"+toV1))
	delete(m.pods, "10.244.0.1:8080")
	for range 50 {
		if code, body := m.get("http://web/"); code != 200 {
			t.Fatalf("a reachable Pod was left, but the answer is %d %q", code, body)
		}
	}
	delete(m.pods, "10.244.0.2:8080")
	m.transports.closeIdle()
	code, body := m.get("http://web/")
	if want := "upstream connect error or disconnect/reset before headers. reset reason: connection failure"; code != 503 || body != want {
		t.Errorf("no Pod reachable: %d %q", code, body)
	}
	if got := m.count(map[string]string{"response_flags": "URX,UF", "destination_version": "unknown"}); got != 1 {
		t.Errorf("%d requests counted as URX,UF, want 1", got)
	}
}

func TestForwardProxy(t *testing.T) {
	m := newMesh(t, web, weights(0, 100))
	front := httptest.NewServer(m)
	defer front.Close()
	client := &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(mustURL(t, front.URL))}}
	defer client.CloseIdleConnections()
	res, err := client.Get("http://web/version?x=1")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if body, _ := io.ReadAll(res.Body); string(body) != "v2 GET /version?x=1" {
		t.Errorf("through the proxy: %d %q", res.StatusCode, body)
	}
	if res, err := client.Get("https://web/"); err == nil {
		t.Errorf("CONNECT was answered with %d", res.StatusCode)
	}
}

func TestUpgradeAndStream(t *testing.T) {
	m := newMesh(t, web, weights(0, 100))
	m.serve("10.244.0.3:8080", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") == "" {
			_, _ = io.WriteString(w, "first\n")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done() // the client has to get the line before the end
			return
		}
		conn, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: shout\r\n\r\n")
		line, _ := buffered.ReadString('\n')
		_, _ = io.WriteString(conn, strings.ToUpper(line))
	}))
	front := httptest.NewServer(m)
	defer front.Close()

	ask := func(headers string) (net.Conn, *bufio.Reader) {
		conn, err := net.Dial("tcp", front.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: web\r\n%s\r\n", headers)
		return conn, bufio.NewReader(conn)
	}
	conn, reader := ask("Connection: Upgrade\r\nUpgrade: shout\r\n")
	defer conn.Close()
	res, err := http.ReadResponse(reader, nil)
	if err != nil || res.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("upgrade: %v %v", res, err)
	}
	fmt.Fprintln(conn, "hello")
	if line, _ := reader.ReadString('\n'); line != "HELLO\n" {
		t.Errorf("over the upgraded connection: %q", line)
	}

	stream, reader := ask("")
	if res, err = http.ReadResponse(reader, nil); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(res.Body).ReadString('\n')
	if diff := cmp.Diff("first\n", line); diff != "" || err != nil {
		t.Errorf("a stream is held back: %v %s", err, diff)
	}
	stream.Close()
}

// TestChangesUnderLoad changes weights and Pods while clients ask, and expects
// that no request is hurt: Pods leave as Kubernetes lets them, first out of the
// EndpointSlice, then draining.
func TestChangesUnderLoad(t *testing.T) {
	m := newMesh(t, web, weights(100, 0))
	front := httptest.NewServer(m)
	defer front.Close()

	ctx, cancel := context.WithCancel(t.Context())
	var asked atomic.Int64
	failures := make(chan error, 4)
	for range cap(failures) {
		go func() {
			client := &http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for ctx.Err() == nil {
				if err := askWeb(client, front.URL); err != nil {
					failures <- err
					return
				}
				asked.Add(1)
			}
			failures <- nil
		}()
	}
	for round := range 12 {
		before := asked.Load()
		m.reroute(weights(100-round, round))
		address := fmt.Sprintf("10.244.1.%d:8080", round)
		joining := m.serve(address, echo("v1"))
		m.apply(podOf(round))
		waitFor(t, func() bool { return asked.Load() > before+50 })
		m.world.slices = m.world.slices[:1]
		m.world.pods = m.world.pods[:4]
		m.apply()
		drained, stop := context.WithTimeout(ctx, 10*time.Second)
		if err := joining.Config.Shutdown(drained); err != nil {
			t.Errorf("drain the Pod: %v", err)
		}
		stop()
		m.mu.Lock()
		delete(m.pods, address)
		m.mu.Unlock()
	}
	cancel()
	for range cap(failures) {
		if err := <-failures; err != nil {
			t.Error(err)
		}
	}
}

func askWeb(client *http.Client, url string) error {
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	req.Host = "web"
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if res.StatusCode != http.StatusOK {
		return errors.Join(err, fmt.Errorf("answer %d %q", res.StatusCode, body))
	}
	return err
}

// podOf is one more ready Pod of v1.
func podOf(n int) string {
	return fmt.Sprintf(`
kind: EndpointSlice
metadata: {name: web-2, namespace: default, labels: {kubernetes.io/service-name: web}}
ports: [{name: http, port: 8080}]
endpoints: [{addresses: [10.244.1.%d], targetRef: {kind: Pod, name: web-v1-x%d, namespace: default}}]
---
kind: Pod
metadata: {name: web-v1-x%d, namespace: default, labels: {app: web, version: v1}}
status: {podIP: 10.244.1.%d}`, n, n, n, n)
}

func waitFor(t *testing.T, holds func() bool) {
	t.Helper()
	limit := time.Now().Add(20 * time.Second)
	for !holds() {
		if time.Now().After(limit) {
			t.Fatal("the condition did not come true")
		}
		time.Sleep(time.Millisecond)
	}
}
