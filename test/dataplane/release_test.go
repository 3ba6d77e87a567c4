package dataplane

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/canaryctl/canaryctl/test/dataplane/internal/mesh"
)

// A trial is a release of a canary, with default flags, while users send requests.
type trial struct {
	name   string
	fault  string // variable of versioned-echo that the canary has
	route  string // time-out of the route, as "500ms"; empty for none
	users  func(*mesh.Sidecar) user
	ask    request
	status int    // how canaryctl release ends
	says   string // among other things
}

// testReleases runs canaryctl against the real mesh: it writes weights to the API server,
// istiod gives them to the client's Envoy, and Prometheus reads what Envoys count.
func (p *plane) testReleases(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	prometheus, err := p.mesh.Observe(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(prometheus.Stop)
	p.must(ctx, t, "kubectl", "apply", "-f", "../../k8s/base")
	p.must(ctx, t, "kubectl", "rollout", "status", "deploy/versioned-echo-v1", "--timeout=1m")
	for _, one := range []trial{
		{name: "erring", fault: "FAULT_ERROR_SHARE=0.3", users: http1, status: 3},
	} {
		t.Run(one.name, func(t *testing.T) { one.run(t, p, prometheus.URL) })
	}
}

func (one trial) run(t *testing.T, p *plane, prometheus string) {
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	one.ask.app, one.ask.name = "versioned-echo", one.name
	p.timeOut(ctx, t, one.route)
	defer load(ctx, one.users(p.client), one.ask)()
	defer func() {
		p.must(context.WithoutCancel(ctx), t, "canaryctl", "delete-canary", "--app", "versioned-echo", "--version", "v2")
	}()

	said, status := p.run(ctx, "canaryctl", "release", "--image", "versioned-echo:v2",
		"--set-env", one.fault, "--prometheus-url", prometheus)
	t.Log(said)
	if os.Getenv("DBG") != "" {
		r, _ := http.Get(prometheus + "/api/v1/query?query=istio_requests_total")
		b, _ := io.ReadAll(r.Body)
		t.Log(string(b))
		said, _ := p.run(ctx, "canaryctl", "analyze", "--list-metrics", "--prometheus-url", prometheus)
		t.Log(said)
	}
	if status != one.status {
		t.Errorf("canaryctl release ended with %d, want %d", status, one.status)
	}
	if !strings.Contains(said, one.says) {
		t.Errorf("canaryctl release does not say %q", one.says)
	}
}

// timeOut gives the route one, or takes it away.
func (p *plane) timeOut(ctx context.Context, t *testing.T, timeout string) {
	t.Helper()
	const at = `"path": "/spec/http/0/timeout"`
	patch := fmt.Sprintf(`[{"op": "add", %s, "value": "%s"}]`, at, cmp.Or(timeout, "1s"))
	if timeout == "" {
		patch = strings.TrimSuffix(patch, "]") + `, {"op": "remove", ` + at + `}]` // it may not be there
	}
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
