package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/canaryctl/canaryctl/test/labtest"
)

// TestAnalyze has real traffic judged, from both sources at once: a canary with a
// fault fails, whatever the fault, and a good one does not.
func TestAnalyze(t *testing.T) {
	for _, c := range []struct {
		name  string
		trial labtest.Trial
		flags string
		wait  time.Duration
		cause string // empty: it must not fail
	}{
		{"good", labtest.Trial{}, "--latency 1s", 20 * time.Second, ""},
		{"as bad as stable", labtest.Trial{Stable: "FAULT_ERROR_SHARE=0.05"}, "", 20 * time.Second, ""},
		{"errors", labtest.Trial{Canary: "FAULT_ERROR_SHARE=0.2"}, "", time.Minute, "errors"},
		{"latency", labtest.Trial{Canary: "FAULT_LATENCY=400ms FAULT_LATENCY_SHARE=0.3"}, "--latency 250ms", time.Minute, "latency le=0.25"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.trial.Weight = 30
			sources := judged(t, c.trial, 80)
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
	sources := judged(t, labtest.Trial{Canary: "FAULT_ERROR_SHARE=0.3 FAULT_ERROR_AFTER=25s", Weight: 30}, 80)
	var watching []*watched // all at once: the fault waits for nobody
	for _, s := range sources {
		watching = append(watching, watch(t, "canaryctl analyze -w --interval 1s -o json "+s.flags, s.env))
	}
	for i, w := range watching {
		first := w.until(time.Minute, "requests of the canary", func(v verdict) bool { return v.requests() > 0 })
		if first.Metrics[0].Canary.Bad > 0 || first.Verdict == "fail" {
			t.Fatalf("%s: the fault was there before the first look: %+v", sources[i].name, first)
		}
	}
	for _, w := range watching {
		w.until(2*time.Minute, "a fail", func(v verdict) bool { return v.Verdict == "fail" })
		w.interrupt()
	}
}

// TestAnalyzeIsQuick has a small regression found with little traffic: 5% of the
// requests to a canary that gets 10% of 200 requests/s. How long that takes, some
// seconds, `make evidence` measures.
func TestAnalyzeIsQuick(t *testing.T) {
	t.Parallel()
	for _, s := range judged(t, labtest.Trial{Canary: "FAULT_ERROR_SHARE=0.05", Weight: 10}, 200) {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			r := try(t, "canaryctl analyze --wait 2m --interval 1s -o json "+s.flags, s.env)
			var v verdict
			decode(t, r.Stdout, &v)
			if r.Code != 3 || v.Verdict != "fail" {
				t.Errorf("exit %d, want 3\n%s", r.Code, r)
			}
			t.Logf("after %s: %s", r.Took.Round(time.Millisecond), v.Summary)
		})
	}
}

// source is what analyze is to read, and with which rights.
type source struct{ name, flags, env, namespace string }

// judged brings a trial about, with traffic in requests/s, in a namespace of the
// test, and returns both sources that know of it.
func judged(t *testing.T, trial labtest.Trial, rate float64) []source {
	t.Helper()
	trial.Namespace = namespace(t)
	flags := " -n " + trial.Namespace
	sh(t, "kubectl apply -f k8s/rbac -f k8s/rbac/optional/pods.yaml"+flags)
	path, err := lab.ServiceAccountKubeconfig(t.Context(), trial.Namespace, "canaryctl", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := lab.Try(t.Context(), trial); err != nil {
		t.Fatal(err)
	}
	visit(t, trial.Host(), rate)
	return []source{
		{"prometheus", "--metrics-source prometheus" + flags, "KUBECONFIG=" + lab.Kubeconfig(), trial.Namespace},
		{"pods", "--metrics-source pods" + flags, "KUBECONFIG=" + path, trial.Namespace}, // the rights of the Roles alone
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
