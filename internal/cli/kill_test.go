package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/canaryctl/canaryctl/internal/cli"
	"github.com/canaryctl/canaryctl/internal/kube"
	"github.com/canaryctl/canaryctl/internal/kube/kubetest"
)

// TestKilledAnywhere cuts every command off between any two of its requests, and
// after each whose answer is then lost. The weights must be valid then, and the
// same command, given again, must end where it would have ended.
func TestKilledAnywhere(t *testing.T) {
	create := []string{"create-canary", "--image", "versioned-echo:v2"}
	half := []string{"set-traffic", "50", "50"}
	for _, test := range []struct {
		name  string
		setup [][]string // commands that lead to where the one under test begins
		args  []string
	}{
		{"create-canary", nil, create},
		{"set-traffic", [][]string{create}, []string{"set-traffic", "90", "10"}},
		{"rollback", [][]string{create, half}, []string{"rollback"}},
		{"promote", [][]string{create, half}, []string{"promote"}},
		{"promote --retire", [][]string{create, half}, []string{"promote", "--retire"}},
		{"rollback of a promotion", [][]string{create, half, {"promote"}}, []string{"rollback"}},
		{"delete-canary", [][]string{create, half}, []string{"delete-canary", "--yes"}},
		{"delete-canary after promote", [][]string{create, half, {"promote"}}, []string{"delete-canary"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			whole := newRelease(t, test.setup)
			if code := whole.run(t, test.args); code != cli.ExitDone {
				t.Fatalf("uncut: status %d\n%s", code, whole.narration.String())
			}
			want, requests := whole.dump(t), len(whole.server.Requests())
			for n := range requests + 1 {
				for _, lost := range []bool{false, true} {
					cutOnce(t, test.setup, test.args, n, lost, want)
				}
			}
		})
	}
}

func cutOnce(t *testing.T, setup [][]string, args []string, n int, lost bool, want string) {
	t.Helper()
	r := newRelease(t, setup)
	r.kill(t, r.server.CutAfter(n, lost), args)
	where := fmt.Sprintf("cut after %d requests (answer lost: %t)", n, lost)
	if err := r.validWeights(); err != nil {
		t.Errorf("%s: %v", where, err)
	}
	r.server.Heal()
	if code := r.run(t, args); code != cli.ExitDone {
		t.Errorf("%s, then given again: status %d\n%s", where, code, r.narration.String())
	}
	if diff := cmp.Diff(want, r.dump(t)); diff != "" {
		t.Errorf("%s, then given again (-uncut +cut):\n%s", where, diff)
	}
}

// release is a cluster with the stable version and a route that names no other.
type release struct {
	server     *kubetest.Server
	kubeconfig string
	narration  bytes.Buffer
}

func newRelease(t *testing.T, setup [][]string) *release {
	t.Helper()
	deployment, err := os.ReadFile("../../k8s/base/deployment-v1.yaml")
	if err != nil {
		t.Fatal(err)
	}
	r := &release{server: kubetest.New(t), kubeconfig: filepath.Join(t.TempDir(), "kubeconfig")}
	r.server.RunDeployments(nil)
	if err := r.server.Load(string(deployment), oneVersion); err != nil {
		t.Fatal(err)
	}
	config, err := r.server.Kubeconfig()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(r.kubeconfig, config, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range setup {
		if code := r.run(t, args); code != cli.ExitDone {
			t.Fatalf("%v: status %d\n%s", args, code, r.narration.String())
		}
	}
	r.server.ResetRequests()
	return r
}

func (r *release) run(t *testing.T, args []string) int {
	t.Helper()
	return r.runUntil(t.Context(), args)
}

func (r *release) runUntil(ctx context.Context, args []string) int {
	return cli.Run(ctx, append([]string{"canaryctl", "--kubeconfig", r.kubeconfig}, args...),
		cli.Streams{In: strings.NewReader(""), Out: &r.narration, Err: &r.narration})
}

// kill runs a command that ends, as it would by a signal, when cut is closed.
func (r *release) kill(t *testing.T, cut <-chan struct{}, args []string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		select {
		case <-cut:
			cancel()
		case <-ctx.Done():
		}
	})
	r.runUntil(ctx, args)
	cancel()
	wg.Wait()
}

func (r *release) validWeights() error {
	vs := r.server.Get(kube.VirtualServices(), "default", "versioned-echo-virtualservice")
	rules, _, _ := unstructured.NestedSlice(vs.Object, "spec", "http")
	for i, rule := range rules {
		route := rule.(map[string]any)["route"].([]any)
		sum := int64(0)
		for _, d := range route {
			weight, ok := d.(map[string]any)["weight"].(int64)
			if !ok && len(route) == 1 {
				weight = 100
			}
			sum += weight
		}
		if sum != 100 {
			return fmt.Errorf("the weights of http[%d] sum to %d: %v", i, sum, route)
		}
	}
	return nil
}

// dump is everything a command may touch, without what tells one write from
// another.
func (r *release) dump(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	for _, resource := range []schema.GroupVersionResource{kube.VirtualServices(), kube.DestinationRules(), kube.Deployments()} {
		for _, o := range r.server.List(resource, "default") {
			o.SetManagedFields(nil)
			o.SetResourceVersion("")
			o.SetUID("")
			o.SetGeneration(0)
			unstructured.RemoveNestedField(o.Object, "metadata", "creationTimestamp")
			unstructured.RemoveNestedField(o.Object, "status")
			data, err := json.MarshalIndent(o.Object, "", " ")
			if err != nil {
				t.Fatal(err)
			}
			b.Write(data)
		}
	}
	return b.String()
}

const oneVersion = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: versioned-echo-virtualservice}
spec:
  hosts: [versioned-echo]
  http:
    - route:
        - destination: {host: versioned-echo, subset: v1}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: versioned-echo}
spec:
  host: versioned-echo
  subsets: [{name: v1, labels: {version: v1}}]
`
