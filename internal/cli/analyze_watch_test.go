package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"

	"github.com/canaryctl/canaryctl/internal/analysis"
	"github.com/canaryctl/canaryctl/internal/kube"
	"github.com/canaryctl/canaryctl/internal/kube/kubetest"
)

// watching is "analyze -w -o json" of a canary in a cluster and its mesh, with
// time in the hands of the test.
type watching struct {
	t       *testing.T
	cluster *kubetest.Server
	mesh    *FakeMesh
	clock   *clocktesting.FakeClock
	looked  chan struct{} // at Pods, which is the last thing of a look
	stderr  bytes.Buffer

	mu   sync.Mutex
	told []analysis.Verdict
}

// Write takes a line of the output.
func (w *watching) Write(line []byte) (int, error) {
	var v analysis.Verdict
	if err := json.Unmarshal(line, &v); err != nil {
		w.t.Errorf("%v: %s", err, line)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.told = append(w.told, v)
	return len(line), nil
}

func startWatching(t *testing.T, args ...string) *watching {
	t.Helper()
	w := &watching{
		t: t, cluster: kubetest.New(t), clock: clocktesting.NewFakeClock(time.Unix(1_800_000_000, 0)),
		looked: make(chan struct{}),
	}
	w.cluster.RunDeployments(nil)
	for _, name := range []string{"base/deployment-v1.yaml", "base/destinationrule.yaml", "canary/deployment-v2.yaml", "canary/vs-90-10.yaml"} {
		text, err := os.ReadFile(filepath.Join("../../k8s", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := w.cluster.Load(string(text)); err != nil {
			t.Fatal(err)
		}
	}
	w.mesh = NewFakeMesh(w.clock.Now, map[string]float64{"v1": 0.01, "v2": 0.01})
	t.Cleanup(w.mesh.Close)
	config, err := w.cluster.Kubeconfig()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(path, config, 0o600); err != nil {
		t.Fatal(err)
	}
	w.heal()
	w.run(path, args)
	<-w.looked
	return w
}

// run starts the command, and ends it with the test.
func (w *watching) run(kubeconfig string, args []string) {
	f := NewFactory(Streams{Out: w, Err: &w.stderr})
	f.Clock, f.config.Kubeconfig = w.clock, kubeconfig
	cmd := NewCmdAnalyze(f)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs(append([]string{"-w", "-o", "json", "--prometheus-url", w.mesh.URL()}, args...))
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- cmd.ExecuteContext(ctx) }()
	w.t.Cleanup(func() {
		stop()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			w.t.Errorf("ended with %v\n%s", err, w.stderr.String())
		}
	})
}

// heal takes the failures of the cluster back.
func (w *watching) heal() {
	w.cluster.Heal()
	w.cluster.Fail(func(r kubetest.Request) error {
		if r.Verb == "list" && r.Resource == kube.Pods().Resource {
			w.looked <- struct{}{}
		}
		return nil
	})
}

// pass lets time go by, and returns every verdict that was told meanwhile. The
// last look may not have told yet.
func (w *watching) pass(d time.Duration) []analysis.Verdict {
	w.t.Helper()
	for range int(d / liveInterval) {
		w.clock.Step(liveInterval)
		<-w.looked
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	told := w.told
	w.told = told[len(told):]
	return told
}

func last(t *testing.T, told []analysis.Verdict) analysis.Verdict {
	t.Helper()
	if len(told) == 0 {
		t.Fatal("no verdict")
	}
	return told[len(told)-1]
}

// A Prometheus that dies makes the verdict inconclusive, with the reason; nothing
// else changes, and when it is back so is the verdict, without any help.
func TestWatchSurvivesThePrometheus(t *testing.T) {
	t.Parallel()
	w := startWatching(t)
	for _, dead := range []time.Duration{20 * time.Second, 150 * time.Second} {
		before := last(t, w.pass(20*time.Second))
		if before.Verdict != analysis.Pass || before.Reason != "" {
			t.Fatalf("before: %s, %q\n%s", before.Verdict, before.Reason, w.stderr.String())
		}

		w.mesh.Kill()
		told := w.pass(dead)
		held := last(t, told)
		if slices.ContainsFunc(told[1:], func(v analysis.Verdict) bool { return v.Verdict != analysis.Inconclusive }) {
			t.Fatalf("while it is dead: %d verdicts", len(told))
		}
		if !strings.Contains(held.Reason, w.mesh.URL()) || !strings.Contains(held.Reason, "metrics source unavailable") ||
			!strings.HasPrefix(held.Summary, "Nothing new is known: ") {
			t.Errorf("reason %q, summary %q", held.Reason, held.Summary)
		}
		if n := held.Metrics[0].Canary.Requests - before.Metrics[0].Canary.Requests; n > 200 {
			t.Errorf("%d requests of the canary were counted while nobody counted", n)
		}

		// The circuit opens 10 s after it was tried last, and then all have their turn.
		w.mesh.Revive()
		after := last(t, w.pass(30*time.Second))
		if after.Verdict != analysis.Pass || after.Reason != "" {
			t.Errorf("after: %s, %q", after.Verdict, after.Reason)
		}
		if news := after.Metrics[0].Canary.Requests - before.Metrics[0].Canary.Requests; news < 500 {
			t.Errorf("%d requests of the canary were counted since", news)
		}
	}
	for _, r := range w.cluster.Requests() {
		if r.Verb != "get" && r.Verb != "list" {
			t.Errorf("a look sent %s", r)
		}
	}
	if told := strings.Count(w.stderr.String(), "\n"); told != 1 {
		t.Errorf("narration:\n%s", w.stderr.String())
	}
}

// Pods that can be seen no more hold back a pass, until they are seen again.
func TestWatchSurvivesTheAPIServer(t *testing.T) {
	t.Parallel()
	w := startWatching(t)
	if v := last(t, w.pass(4*time.Second)); v.Verdict != analysis.Pass {
		t.Fatalf("before: %s", v.Summary)
	}
	w.cluster.Forbid("list", "pods")
	if v := last(t, w.pass(4*time.Second)); v.Verdict != analysis.Inconclusive || !strings.HasPrefix(v.Summary, "Nothing passes now: the Pods cannot be seen: list pods") {
		t.Errorf("while Pods are forbidden: %s", v.Summary)
	}
	w.heal()
	if v := last(t, w.pass(4*time.Second)); v.Verdict != analysis.Pass {
		t.Errorf("after: %s", v.Summary)
	}
}
