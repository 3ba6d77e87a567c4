package dataplane

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/canaryctl/canaryctl/test/dataplane/internal/mesh"
)

// A trial is a release of a canary, with default flags, while users send requests.
type trial struct {
	name    string
	fault   string // variables of versioned-echo that the canary has
	timeout string // of the route, as "500ms"; empty for none
	users   func(*mesh.Sidecar) user
	ask     request
	says    string // why it is rolled back
}

// trials are a canary of each kind of failure.
func trials() []trial {
	call := request{method: "/canaryctl.echo.v1.Echo/Echo"}
	waiting := func(r request, d time.Duration) request { r.patience = d; return r }
	const fails, givenUp, unanswered = "v2 fails more than", "v2 is given up on more than", "v2 leaves requests unanswered"
	return []trial{
		{name: "erring", says: fails, fault: "FAULT_ERROR_SHARE=0.3", users: http1},
		{name: "timed out by the route", says: fails, fault: "FAULT_HANG_SHARE=0.3", timeout: "500ms", users: http1},
		{name: "given up", says: givenUp, fault: "FAULT_HANG_SHARE=0.3", users: http1, ask: waiting(request{}, time.Second)},
		{name: "given up over HTTP/2", says: givenUp, fault: "FAULT_HANG_SHARE=0.3", users: http2, ask: waiting(request{}, time.Second)},
		{name: "hanging", says: unanswered, fault: "FAULT_HANG_SHARE=1", users: http1},
		{name: "hanging in part", says: unanswered, fault: "FAULT_HANG_SHARE=0.3", users: http1},
		{name: "hanging until users give up", fault: "FAULT_HANG_SHARE=1", users: http1, ask: waiting(request{}, 2*time.Second)},
		{name: "breaking off", says: fails, fault: "FAULT_BREAK_SHARE=0.3", users: http1},
		{name: "resetting", says: fails, fault: "FAULT_RESET_SHARE=0.3", users: http1},
		{name: "gRPC INTERNAL", says: fails, fault: "FAULT_GRPC_SHARE=0.3", users: grpcUser, ask: call},
		{name: "gRPC UNAVAILABLE", says: fails, fault: "FAULT_GRPC_SHARE=0.3 FAULT_GRPC_STATUS=14", users: grpcUser, ask: call},
		{name: "gRPC past its deadline", says: fails, fault: "FAULT_HANG_SHARE=0.3", users: grpcUser, ask: waiting(call, 500*time.Millisecond)},
	}
}

// testReleases runs canaryctl against the real mesh: it writes weights to the API
// server, istiod gives them to the client's Envoy, and Prometheus reads what Envoys
// count.
func (p *plane) testReleases(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	prometheus, err := p.mesh.Observe(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(prometheus.Stop)
	for _, one := range trials() {
		t.Run(one.name, func(t *testing.T) { one.run(t, p, prometheus.URL) })
	}
	t.Run("streams that are left are spared", func(t *testing.T) { p.testLeftStreams(t, prometheus.URL) })
}

func (one trial) run(t *testing.T, p *plane, prometheus string) {
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	one.ask.app, one.ask.name = "versioned-echo", one.name
	p.begin(ctx, t)
	if one.timeout != "" {
		p.timeOut(ctx, t, one.timeout)
	}
	defer load(ctx, one.users(p.client), one.ask)()
	eventually(t, func(ctx context.Context) string { return busy(ctx, prometheus) })

	release := []string{"release", "--image", "versioned-echo:v2", "--prometheus-url", prometheus}
	for variable := range strings.FieldsSeq(one.fault) {
		release = append(release, "--set-env", variable)
	}
	said, status := p.run(ctx, "canaryctl", release...)
	t.Log(said)
	if status != 3 {
		t.Errorf("canaryctl release ended with %d, want 3: rolled back", status)
	}
	if !strings.Contains(said, one.says) {
		t.Errorf("canaryctl release does not say %q", one.says)
	}
}

// begin has the stable version alone, and nothing of an earlier release.
func (p *plane) begin(ctx context.Context, t *testing.T) {
	t.Helper()
	p.must(ctx, t, "kubectl", "delete", "deploy,virtualservice", "-l", "app=versioned-echo", "--ignore-not-found", "--wait")
	p.must(ctx, t, "kubectl", "apply", "-f", "../../k8s/base")
	p.must(ctx, t, "kubectl", "rollout", "status", "deploy/versioned-echo-v1", "--timeout=1m")
}

// A client that has heard enough leaves a stream, and its Envoys make UNKNOWN of the
// status that never came. A canary must not fail by that, whatever the limit.
func (p *plane) testLeftStreams(t *testing.T, prometheus string) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	p.begin(ctx, t)
	p.must(ctx, t, "canaryctl", "create-canary", "--app", "versioned-echo", "--image", "versioned-echo:v2")
	p.must(ctx, t, "canaryctl", "set-traffic", "50", "50")
	defer load(ctx, grpcLeaver(p.client), request{app: "versioned-echo", name: "leaving", method: "/canaryctl.echo.v1.Echo/Repeat"})()
	eventually(t, func(ctx context.Context) string { return busy(ctx, prometheus) })

	said, status := p.run(ctx, "canaryctl", "analyze", "--limit", "errors=10%", "--since", "10s", "--wait", "20s", "--prometheus-url", prometheus)
	t.Log(said)
	if status != 0 && status != 4 {
		t.Errorf("canaryctl analyze ended with %d, want 0 or 4: nothing failed", status)
	}
}

// timeOut gives the route one.
func (p *plane) timeOut(ctx context.Context, t *testing.T, timeout string) {
	t.Helper()
	patch := fmt.Sprintf(`[{"op": "add", "path": "/spec/http/0/timeout", "value": %q}]`, timeout)
	p.must(ctx, t, "kubectl", "patch", "virtualservice", "versioned-echo-virtualservice", "--type=json", "-p", patch)
}

// load sends a hundred requests a second until it is ended.
func load(ctx context.Context, send user, r request) (end func()) {
	ctx, cancel := context.WithCancel(ctx)
	var users sync.WaitGroup
	users.Go(func() {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				users.Go(func() { send(ctx, r) })
			}
		}
	})
	return func() { cancel(); users.Wait() }
}

// busy waits until a Prometheus has seen the load of the stable version.
func busy(ctx context.Context, prometheus string) (wrong string) {
	const query = `sum(rate(istio_requests_total{destination_version="v1",reporter="source"}[5s])) > 10`
	at := prometheus + "/api/v1/query?" + url.Values{"query": {query}}.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return err.Error()
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	var answer struct{ Data struct{ Result []any } }
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return err.Error()
	}
	if len(answer.Data.Result) == 0 {
		return "the stable version has no load"
	}
	return ""
}
