package e2e

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"
)

// TestAnalyze has real traffic judged, from both sources: a faulty canary fails,
// and a good one, looked at again and again, does not.
func TestAnalyze(t *testing.T) {
	ns := namespace(t)
	base(t, ns)
	sh(t, "kubectl apply -n "+ns+" -f k8s/rbac -f k8s/rbac/optional/pods.yaml")
	path, err := lab.ServiceAccountKubeconfig(t.Context(), ns, "canaryctl", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, env string
		want      int
		wait      string
	}{
		{"good", "--set-env LOG_LEVEL=info", 4, "10s"},
		{"faulty", "--set-env FAULT_ERROR_SHARE=0.2", 3, "60s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			sh(t, "canaryctl --app versioned-echo create-canary --image versioned-echo:v2 --set-env DRAIN_DELAY=0s "+c.env+" -n "+ns)
			t.Cleanup(func() { sh(t, "canaryctl delete-canary --yes -n "+ns) })
			sh(t, "canaryctl set-traffic 70 30 -n "+ns)
			stop := visit(t, "versioned-echo."+ns)
			defer stop()
			for _, source := range []string{"prometheus", "pods"} {
				config := lab.Kubeconfig()
				if source == "pods" {
					config = path // with the rights of the Roles alone
				}
				r := try(t, fmt.Sprintf("canaryctl analyze --metrics-source %s --wait %s --interval 1s -o json -n %s", source, c.wait, ns), "KUBECONFIG="+config)
				if r.Code == 0 && c.want == 4 {
					continue // enough traffic to pass is no fault
				}
				if r.Code != c.want {
					t.Errorf("by %s: exit %d, want %d\n%s", source, r.Code, c.want, r)
				}
				var verdict struct {
					Verdict, Summary string
					Metrics          []struct{ Canary struct{ Requests int } }
				}
				decode(t, r.Stdout, &verdict)
				if len(verdict.Metrics) == 0 || verdict.Metrics[0].Canary.Requests == 0 {
					t.Errorf("by %s: judged without a request of the canary: %s", source, verdict.Summary)
				}
				if (verdict.Verdict == "fail") != (c.want == 3) {
					t.Errorf("by %s: %q: %s", source, verdict.Verdict, verdict.Summary)
				}
			}
		})
	}
}

// visit is steady traffic from four callers, until it is stopped.
func visit(t *testing.T, host string) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	client := &http.Client{Timeout: 10 * time.Second}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for ctx.Err() == nil {
				_, _ = requestBy(ctx, client, host) // its failures are the data
				select {
				case <-ctx.Done():
				case <-time.After(20 * time.Millisecond):
				}
			}
		})
	}
	return func() { cancel(); wg.Wait(); client.CloseIdleConnections() }
}
