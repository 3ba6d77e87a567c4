package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/canaryctl/canaryctl/test/labtest"
)

// TestKilledBetweenAnyTwoCalls ends canaryctl with SIGKILL at every API request
// it makes, once before the API server saw the request and once after it acted
// on it. Whatever the point, the weights are valid and the same command, typed
// again, completes.
func TestKilledBetweenAnyTwoCalls(t *testing.T) {
	const fixed = " --vs " + route + " --host versioned-echo"
	// Nobody calls these Pods, so they need not drain before they go.
	const create = "create-canary --app versioned-echo --image versioned-echo:v2 --replicas 1 --set-env DRAIN_DELAY=0s"
	const remove = "delete-canary --yes --app versioned-echo"
	for _, c := range []killed{
		{"create-canary", remove, create, map[string]int{"v1": 100, "v2": 0}},
		{"set-traffic", "rollback" + fixed, "set-traffic 70 30" + fixed, map[string]int{"v1": 70, "v2": 30}},
		{"rollback", "set-traffic 50 50" + fixed, "rollback" + fixed, map[string]int{"v1": 100, "v2": 0}},
		{"promote", "rollback" + fixed, "promote" + fixed, map[string]int{"v1": 0, "v2": 100}},
		{"rollback of a promotion", "promote" + fixed, "rollback" + fixed, map[string]int{"v1": 100, "v2": 0}},
		{"delete-canary", create, remove, map[string]int{"v1": 100}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ns := namespace(t)
			base(t, ns)
			seen := record(t, ns)
			sh(t, "canaryctl "+create+" -n "+ns)
			c.everywhere(t, ns)
			seen.wantValid(t)
		})
	}
}

// killed is a command to kill, after another has brought the state about that it
// begins with.
type killed struct {
	name, before, argv string
	after              map[string]int
}

// everywhere kills the command at each of its requests.
func (c killed) everywhere(t *testing.T, ns string) {
	t.Helper()
	proxy, err := labtest.NewProxy(lab.Kubeconfig(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = proxy.Close() })
	points := 0
	for _, delivered := range []bool{false, true} {
		for n := int64(1); ; n++ {
			sh(t, "canaryctl "+c.before+" -n "+ns)
			if !killAt(t, proxy, c.argv+" -n "+ns, n, delivered) {
				break // the command ended before its nth request
			}
			points++
			weights(t, ns) // fails unless they sum to 100
			sh(t, "canaryctl "+c.argv+" -n "+ns)
			got := weights(t, ns)
			if _, stays := c.after["v2"]; !stays {
				delete(got, "v2") // a manifest's own destination may stay, with weight 0
			}
			if diff := cmp.Diff(c.after, got); diff != "" {
				t.Fatalf("killed at request %d (delivered: %t), then typed again (-want +got):\n%s", n, delivered, diff)
			}
		}
	}
	if points < 2 {
		t.Errorf("only %d points tried: the proxy saw too few requests", points)
	}
	t.Logf("%d points", points)
	for version, weight := range c.after {
		if weight == 100 {
			wantShare(t, "versioned-echo."+ns, version, 1, 100)
		}
	}
}

// killAt runs canaryctl through the proxy and kills it at its nth request. It
// reports false when the command had ended by itself before.
func killAt(t *testing.T, proxy *labtest.Proxy, argv string, n int64, delivered bool) bool {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bash", "-c", "exec canaryctl "+argv)
	cmd.Dir = lab.Root
	cmd.Env = append(append([]string{}, lab.Env()...), "KUBECONFIG="+proxy.Kubeconfig)
	stderr, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer stderr.Close()
	cmd.Stderr = stderr
	killed, ended := make(chan struct{}), make(chan struct{})
	proxy.Reset(&labtest.Fault{At: n, Delivered: delivered, Kill: func() {
		close(killed) // before it is: whoever waits for its end looks here
		_ = cmd.Process.Kill()
		<-ended
	}})
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	timeout := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Signal(syscall.SIGQUIT) })
	err = cmd.Wait()
	timeout.Stop()
	close(ended)
	proxy.Reset(nil)
	select {
	case <-killed:
		return true
	default:
	}
	if err != nil {
		said, _ := os.ReadFile(stderr.Name())
		t.Fatalf("canaryctl %s, with no request cut: %v\n%s", argv, err, said)
	}
	return false
}

// base applies k8s/base to a namespace and waits for v1 to answer there.
func base(t *testing.T, ns string) {
	t.Helper()
	sh(t, fmt.Sprintf("kubectl apply -n %[1]s -f k8s/base && kubectl rollout status -n %[1]s deploy/versioned-echo-v1 --timeout=60s", ns))
	eventually(t, 20*time.Second, func() (bool, string) {
		version, err := request(t.Context(), "versioned-echo."+ns)
		return err == nil && version == "v1", fmt.Sprintf("%q, %v", version, err)
	})
}
