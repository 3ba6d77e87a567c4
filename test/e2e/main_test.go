// Package e2e runs the product in the lab: a real Kubernetes API, real
// processes, real HTTP.
package e2e

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"testing"
	"time"

	"github.com/canaryctl/canaryctl/test/labtest"
)

// TestMain shares one lab among the tests; each test that changes something
// works in a namespace of its own, save the guide, which uses `default`.
func TestMain(m *testing.M) { os.Exit(inLab(m)) }

func inLab(m *testing.M) (code int) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	if lab, err = labtest.Up(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() {
		if err := lab.Down(context.WithoutCancel(ctx)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}()
	return m.Run()
}

// lab is set once, before any test runs.
var lab *labtest.Lab

// sh runs a line and fails the test unless it ends with 0.
func sh(t *testing.T, line string, env ...string) labtest.Result {
	t.Helper()
	r := try(t, line, env...)
	if r.Code != 0 {
		t.Fatalf("%s", r)
	}
	return r
}

// try runs a line; any exit code will do.
func try(t *testing.T, line string, env ...string) labtest.Result {
	t.Helper()
	// Also in a clean-up, where the test's own context has ended.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 3*time.Minute)
	defer cancel()
	r, err := lab.Sh(ctx, line, env...)
	if err != nil {
		t.Fatal(err)
	}
	if ctx.Err() != nil {
		t.Fatalf("gave up on it:\n%s", r)
	}
	return r
}

// eventually polls until the condition holds; the last reason is reported.
func eventually(t *testing.T, within time.Duration, condition func() (bool, string)) {
	t.Helper()
	deadline := time.Now().Add(within)
	for {
		ok, why := condition()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", within, why)
		}
		select {
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// namespace makes one for the test, with sidecar injection, and removes it.
func namespace(t *testing.T) string {
	t.Helper()
	return namespaceNamed(t, "e2e-"+strings.ToLower(strings.NewReplacer("/", "-", "_", "-").Replace(strings.TrimPrefix(t.Name(), "Test"))))
}

func namespaceNamed(t *testing.T, name string) string {
	t.Helper()
	sh(t, fmt.Sprintf("kubectl create namespace %[1]s && kubectl label namespace %[1]s istio-injection=enabled", name))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if r, err := lab.Sh(ctx, "kubectl delete namespace "+name+" --wait=false"); err != nil || r.Code != 0 {
			t.Errorf("clean up: %v %s", err, r)
		}
	})
	return name
}
