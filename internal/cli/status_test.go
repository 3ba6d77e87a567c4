package cli

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/canaryctl/canaryctl/internal/kube"
	"github.com/canaryctl/canaryctl/internal/kube/kubetest"
	"github.com/canaryctl/canaryctl/internal/metrics"
)

const shop = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop}
spec:
  http:
    - route:
        - {destination: {host: shop, subset: v1}, weight: 75}
        - {destination: {host: shop, subset: v2}, weight: 25}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop-v1, labels: {app: shop, version: v1}}
spec:
  replicas: 2
  template:
    metadata: {labels: {app: shop, version: v1}}
    spec: {containers: [{name: shop, image: "shop:v1"}, {name: proxy, image: "proxy:1"}]}
status: {readyReplicas: 2}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop-v2, labels: {app: shop, version: v2}}
spec:
  replicas: 2
  template:
    metadata: {labels: {app: shop, version: v2}}
    spec: {containers: [{name: web, image: "shop:v2"}, {name: proxy, image: "proxy:1"}]}
status: {readyReplicas: 1}
---
apiVersion: v1
kind: Pod
metadata: {name: shop-v2-0, labels: {app: shop, version: v2}}
status:
  containerStatuses: [{name: web, restartCount: 3}, {name: proxy, restartCount: 1}]
`

// countingSource is a metrics.Source that knows how often it was asked.
type countingSource struct {
	mu    sync.Mutex
	asked int
}

func (*countingSource) Name() string { return "a test" }

func (c *countingSource) Sum(context.Context, string, string) (map[string]float64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked++
	return map[string]float64{"v1": 150, "v2": 50}, nil
}

// newStatus returns the command on a server that has the shop.
func newStatus(t *testing.T) (*statusOptions, *kubetest.Server, *countingSource, *bytes.Buffer) {
	t.Helper()
	server := kubetest.New(t, shop)
	config, err := server.Kubeconfig()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(file, config, 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	f := NewFactory(Streams{Out: &out, Err: &bytes.Buffer{}})
	f.config.Kubeconfig = file
	source := &countingSource{}
	return &statusOptions{f: f, window: time.Minute, sources: []metrics.Source{source}}, server, source, &out
}

func TestStatusTable(t *testing.T) {
	o, _, _, _ := newStatus(t)
	report, err := o.gather(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		table statusTable
		want  string
	}{
		"plain": {statusTable{}, `
shop in default: VirtualService shop, host shop
VERSION  ROLE    IMAGE            READY  RESTARTS  WEIGHT  OBSERVED
v1       stable  shop:v1          2/2    0         75%     75.0%
v2       canary  shop:v2,proxy:1  1/2    4         25%     25.0%
observed over the last 1m0s, by a test, istio_requests_total`},
		"wide": {statusTable{wide: true}, `
shop in default: VirtualService shop, host shop
VERSION  ROLE    IMAGE            READY  RESTARTS  WEIGHT  OBSERVED  REQUESTS  DEPLOYMENT
v1       stable  shop:v1          2/2    0         75%     75.0%     150       shop-v1
v2       canary  shop:v2,proxy:1  1/2    4         25%     25.0%     50        shop-v2
observed over the last 1m0s, by a test, istio_requests_total`},
		"a terminal, in colour": {statusTable{bars: true, color: true}, `
shop in default: VirtualService shop, host shop
VERSION  ROLE    IMAGE            READY  RESTARTS  WEIGHT  OBSERVED
v1       stable  shop:v1          2/2    0         75%     75.0%     ` + "\x1b[32m███████████████\x1b[0m·····" + `
v2       canary  shop:v2,proxy:1  1/2    4         25%     25.0%     ` + "\x1b[33m█████\x1b[0m···············\nobserved over the last 1m0s, by a test, istio_requests_total"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tt.table.report = report
			if diff := cmp.Diff(strings.TrimPrefix(tt.want, "\n"), tt.table.String()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestStatusFollows has the weights, a release and the API server change: what the
// route says shows at once, with no time passing.
func TestStatusFollows(t *testing.T) {
	o, server, source, _ := newStatus(t)
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent(), // kept connections are not ours to wait for
		goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"),
		goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"),
		goleak.IgnoreAnyFunction("net/http.(*conn).serve"))
	clock := clocktesting.NewFakeClock(time.Unix(0, 0))
	out, trouble := &said{}, &said{}
	o.f.Clock, o.f.Out, o.f.Err, o.watch = clock, out, trouble, true
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- o.follow(ctx) }()
	until := func(what string, ok func() bool) {
		t.Helper()
		for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("not in time: %s; shown:\n%s", what, out)
			}
		}
	}
	until("the watch", func() bool { return o.seen.Load() != nil })

	const first = "shop: v1 stable 75%, 2/2 ready; v2 canary 25%, 1/2 ready, 4 restarts\n"
	const second = "shop: v1 stable 40%, 2/2 ready; v2 canary 60%, 1/2 ready, 4 restarts\n"
	until("the first look", func() bool { return out.String() == first })
	vs := server.Get(kube.VirtualServices(), "default", "shop")
	rule := vs.Object["spec"].(map[string]any)["http"].([]any)[0].(map[string]any)["route"].([]any)
	rule[0].(map[string]any)["weight"], rule[1].(map[string]any)["weight"] = int64(40), int64(60)
	server.Put(vs)
	until("the new weights", func() bool { return out.String() == first+second })

	var failed atomic.Int64
	server.Fail(func(r kubetest.Request) error {
		if r.Verb == "list" && r.Resource == kube.Pods().Resource && failed.Load() < 2 {
			failed.Add(1)
			return errors.New("etcd is electing a leader")
		}
		return nil
	})
	for n := range int64(2) {
		clock.Step(lookEvery)
		until("a look that fails", func() bool { return failed.Load() == n+1 })
	}
	shopRelease(t, server, `{"id":"r1","phase":"paused","why":"ana asked for it","step":1,"started":"2026-01-01T00:00:00Z","since":"2026-01-01T00:00:00Z"}`)
	third := strings.TrimSuffix(second, "\n") + "; release r1 paused, step 2 of 4: ana asked for it, driven by nobody\n"
	until("the release", func() bool { return out.String() == first+second+third })
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
	if told := trouble.String(); strings.Count(told, "etcd is electing a leader; trying again\n") != 1 {
		t.Errorf("two failures in a row are told once, not: %q", told)
	}
	if n := len(slices.DeleteFunc(server.Requests(), func(r kubetest.Request) bool { return r.Resource != "virtualservices" })); n > 3 {
		t.Errorf("the route was asked for %d times: a look and a watch should do", n)
	}
	if source.asked > 2 {
		t.Errorf("the metrics were asked %d times in some seconds, want twice", source.asked)
	}
}

// said is what a command said so far, and may be saying still.
type said struct {
	mu   sync.Mutex
	text strings.Builder
}

func (w *said) Write(text []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(text)
}

func (w *said) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}
