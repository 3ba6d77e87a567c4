package lease_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/canaryctl/canaryctl/internal/kube"
	"github.com/canaryctl/canaryctl/internal/kube/kubetest"
	"github.com/canaryctl/canaryctl/internal/lease"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must come at once.
const patience = 20 * time.Second

// start is when the fake clocks begin.
func start() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

// engine is one of several that want to drive the route "echo".
type engine struct {
	*lease.Lease
	clock *ticking
}

// ticking is a fake clock that says for how long somebody is going to wait.
type ticking struct {
	*clocktesting.FakeClock
	waits chan time.Duration
}

func (c *ticking) NewTimer(d time.Duration) clock.Timer {
	timer := c.FakeClock.NewTimer(d)
	c.waits <- d
	return timer
}

// pass lets the time pass that somebody waits for next.
func (c *ticking) pass(t *testing.T) time.Duration {
	t.Helper()
	d := receive(t, c.waits, "a wait")
	c.Step(d)
	return d
}

func newEngine(t *testing.T, s *kubetest.Server, identity string) engine {
	t.Helper()
	c := &ticking{clocktesting.NewFakeClock(start()), make(chan time.Duration, 1000)}
	return engine{lease.New(lease.Config{
		Client: connect(t, s), Namespace: "default", Name: "echo", Identity: identity, Clock: c,
	}), c}
}

// connect is the client that commands have.
func connect(t *testing.T, s *kubetest.Server) dynamic.Interface {
	t.Helper()
	config, err := s.Kubeconfig()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(path, config, 0o600); err != nil {
		t.Fatal(err)
	}
	client, err := kube.Connect(kube.Config{Kubeconfig: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.HTTP.CloseIdleConnections)
	return client
}

func (e engine) acquired(t *testing.T) engine {
	t.Helper()
	if _, err := e.Acquire(t.Context()); err != nil {
		t.Fatal(err)
	}
	return e
}

// keep keeps the lease until the returned function is called, or it is lost.
func (e engine) keep(t *testing.T, state string) (ended <-chan error, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	result, over := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(over)
		result <- e.Keep(ctx, func() lease.State { return lease.State{Evidence: state} })
	}()
	stop = func() {
		cancel()
		<-over
	}
	t.Cleanup(stop)
	return result, stop
}

func receive[T any](t *testing.T, from <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatalf("%s did not come within %s", what, patience)
		panic("not reached")
	}
}

// object is the Lease as the API server has it, or nil.
func object(s *kubetest.Server) *unstructured.Unstructured {
	return s.Get(kube.Leases(), "default", "canaryctl-echo")
}

func holder(s *kubetest.Server) string {
	if object(s) == nil {
		return ""
	}
	name, _, _ := unstructured.NestedString(object(s).Object, "spec", "holderIdentity")
	return name
}

func saved(s *kubetest.Server) string { return object(s).GetAnnotations()["canaryctl.io/evidence"] }

// waitFor waits until the objects in the API server fulfil a condition.
func waitFor(t *testing.T, s *kubetest.Server, what string, condition func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := s.WaitFor(ctx, condition); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// writes are the requests that changed, or were to change, something.
func writes(s *kubetest.Server) []string {
	var all []string
	for _, r := range s.Requests() {
		if r.Verb == "create" || r.Verb == "update" || r.Verb == "patch" {
			all = append(all, r.String())
		}
	}
	return all
}
