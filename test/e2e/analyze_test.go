package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestAnalyze has real traffic judged, from both sources at once: a canary with a
// fault fails, whatever the fault, and a good one does not.
func TestAnalyze(t *testing.T) {
	for _, c := range []struct {
		name, env, flags string
		wait             time.Duration
		cause            string // empty: it must not fail
	}{
		{"good", "LOG_LEVEL=info", "--latency 1s", 20 * time.Second, ""},
		{"errors", "FAULT_ERROR_SHARE=0.2", "", time.Minute, "errors"},
		{"latency", "FAULT_LATENCY=400ms FAULT_LATENCY_SHARE=0.3", "--latency 250ms", time.Minute, "latency le=0.25"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			sources := judged(t, c.env)
			for _, s := range sources {
				t.Run(s.name, func(t *testing.T) {
					t.Parallel()
					r := try(t, fmt.Sprintf("canaryctl analyze %s %s --wait %s --interval 1s -o json", s.flags, c.flags, c.wait), s.env)
					var v verdict
					decode(t, r.Stdout, &v)
					if v.requests() == 0 {
						t.Errorf("judged without a request of the canary\n%s", r)
					}
					switch {
					case c.cause == "" && (v.Verdict == "fail" || r.Code != 0 && r.Code != 4):
						t.Errorf("a good canary: exit %d, want 0 or 4\n%s", r.Code, r)
					case c.cause != "" && (v.Verdict != "fail" || r.Code != 3 || strings.Join(v.Causes, " and ") != c.cause):
						t.Errorf("exit %d, want 3, for %q\n%s", r.Code, c.cause, r)
					}
				})
			}
		})
	}
}

// TestAnalyzeLateOnset watches a canary that is good at first, and is under way
// when it begins to fail.
func TestAnalyzeLateOnset(t *testing.T) {
	t.Parallel()
	for _, s := range judged(t, "FAULT_ERROR_SHARE=0.3 FAULT_ERROR_AFTER=25s") {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			w := watch(t, "canaryctl analyze -w --interval 1s -o json "+s.flags, s.env)
			first := w.until(time.Minute, "requests of the canary", func(v verdict) bool { return v.requests() > 0 })
			if first.Metrics[0].Canary.Bad > 0 || first.Verdict == "fail" {
				t.Fatalf("the fault was there before the first look: %+v", first)
			}
			w.until(2*time.Minute, "a fail", func(v verdict) bool { return v.Verdict == "fail" })
			w.interrupt()
		})
	}
}

// source is what analyze is to read, and with which rights.
type source struct{ name, flags, env, namespace string }

// judged makes a canary with the given environment that gets 30% of some traffic
// in a namespace of the test, and returns both sources that know of it.
func judged(t *testing.T, env string) []source {
	t.Helper()
	ns := namespace(t)
	base(t, ns)
	sh(t, "kubectl apply -n "+ns+" -f k8s/rbac -f k8s/rbac/optional/pods.yaml")
	path, err := lab.ServiceAccountKubeconfig(t.Context(), ns, "canaryctl", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	set := ""
	for _, one := range strings.Fields(env) {
		set += " --set-env " + one
	}
	sh(t, "canaryctl create-canary --app versioned-echo --image versioned-echo:v2"+set+" -n "+ns)
	sh(t, "canaryctl set-traffic 70 30 -n "+ns)
	visit(t, "versioned-echo."+ns, 80)
	flags := " -n " + ns
	return []source{
		{"prometheus", "--metrics-source prometheus" + flags, "KUBECONFIG=" + lab.Kubeconfig(), ns},
		{"pods", "--metrics-source pods" + flags, "KUBECONFIG=" + path, ns}, // the rights of the Roles alone
	}
}

// visit is steady traffic, in requests/s, until the test ends; what becomes of
// the requests is the data.
func visit(t *testing.T, host string, rate float64) {
	t.Helper()
	traffic := lab.Send(t.Context(), host, rate)
	t.Cleanup(func() {
		if _, err := traffic.Stop(); err != nil {
			t.Error(err)
		}
	})
}
