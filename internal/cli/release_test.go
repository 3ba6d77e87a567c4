package cli_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/cli"
	"github.com/canaryctl/canaryctl/internal/event"
	"github.com/canaryctl/canaryctl/internal/kube"
	"github.com/canaryctl/canaryctl/internal/kube/kubetest"
)

// longest bounds a release of these tests: one that takes longer hangs.
const longest = time.Minute

// releasing is a cluster whose route sends 1000 requests a second to its versions,
// and a Prometheus that counts them.
type releasing struct {
	*release
	mesh *cli.FakeMesh
}

// newReleasing is a cluster with v1 alone, and a mesh where versions fail so often.
func newReleasing(t *testing.T, bad map[string]float64) *releasing {
	t.Helper()
	r := &releasing{release: newRelease(t, nil), mesh: cli.NewFakeMesh(time.Now, bad)}
	t.Cleanup(r.mesh.Close)
	r.mesh.Route(0)
	r.server.OnWrite(follow(r.mesh))
	return r
}

// follow has the mesh send requests as the route says.
func follow(mesh *cli.FakeMesh) func(kubetest.Event) {
	return func(e kubetest.Event) {
		if e.Object.GetKind() == "VirtualService" {
			mesh.Route(weightOf(e.Object, "v2"))
		}
	}
}

// weightOf is a version's weight in the first rule of a route.
func weightOf(vs *unstructured.Unstructured, version string) int {
	rules, _, _ := unstructured.NestedSlice(vs.Object, "spec", "http")
	legs, _, _ := unstructured.NestedSlice(rules[0].(map[string]any), "route")
	for _, leg := range legs {
		if subset, _, _ := unstructured.NestedString(leg.(map[string]any), "destination", "subset"); subset == version {
			weight, _, _ := unstructured.NestedInt64(leg.(map[string]any), "weight")
			return int(weight)
		}
	}
	return 0
}

// both, healthy and harmful are how often versions fail.
func healthy() map[string]float64 { return map[string]float64{"v1": 0.01, "v2": 0.01} }
func harmful() map[string]float64 { return map[string]float64{"v1": 0.01, "v2": 0.3} }

// quick is a plan that takes as long as 2 steps of some hundred requests do.
const quick = `
apiVersion: canaryctl.io/v1alpha1
kind: Plan
spec:
  steps: [{weight: 20, exposure: 200}, {weight: 50, exposure: 400}]
`

// file writes a file of the test, and is its path.
func (r *release) file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(filepath.Dir(r.kubeconfig), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// told is what a command says, which several goroutines may.
type told struct {
	mu   sync.Mutex
	text strings.Builder
	more chan struct{} // closed and replaced with every word
}

func (w *told) Write(text []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.more != nil {
		close(w.more)
		w.more = nil
	}
	return w.text.Write(text)
}

// next is what was said until now, and tells when there is more.
func (w *told) next() (string, <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.more == nil {
		w.more = make(chan struct{})
	}
	return w.text.String(), w.more
}

func (w *told) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

// command is one that runs.
type command struct {
	out, err told
	code     int
	ended    chan struct{}
}

// start runs a command until it ends or its context does.
func (r *releasing) start(ctx context.Context, t *testing.T, args ...string) *command {
	t.Helper()
	c := &command{ended: make(chan struct{})}
	r.run2(ctx, t, c, args)
	return c
}

func (r *releasing) run2(ctx context.Context, t *testing.T, c *command, args []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, longest)
	line := append([]string{"canaryctl", "--kubeconfig", r.kubeconfig}, args...)
	if args[0] == "release" || args[0] == "resume" {
		line = append(line, "--prometheus-url", r.mesh.URL())
	}
	go func() {
		defer close(c.ended)
		defer cancel()
		c.code = cli.Run(ctx, line, cli.Streams{In: strings.NewReader(""), Out: &c.out, Err: &c.err})
	}()
	t.Cleanup(func() { cancel(); <-c.ended })
}

// do runs a command to its end.
func (r *releasing) do(t *testing.T, args ...string) *command {
	t.Helper()
	c := r.start(t.Context(), t, args...)
	<-c.ended
	return c
}

// hears waits until a command has said something.
func (c *command) hears(t *testing.T, words string) {
	t.Helper()
	for {
		text, more := c.err.next()
		if strings.Contains(text, words) {
			return
		}
		select {
		case <-more:
		case <-c.ended:
			c.wants(t, c.code, words)
			return
		}
	}
}

// wants checks the exit status and what was said.
func (c *command) wants(t *testing.T, code int, said ...string) {
	t.Helper()
	<-c.ended
	if c.code != code {
		t.Errorf("status %d, want %d", c.code, code)
	}
	for _, want := range said {
		if !strings.Contains(c.err.String(), want) {
			t.Errorf("it does not say: %s", want)
		}
	}
	if t.Failed() {
		t.Fatalf("it said:\n%s", c.err.String())
	}
}

// events are the lines of JSON that a command printed.
func (c *command) events(t *testing.T) []event.Event {
	t.Helper()
	return eventsIn(t, c.out.String())
}

func eventsIn(t *testing.T, text string) []event.Event {
	t.Helper()
	var all []event.Event
	for line := range strings.Lines(text) {
		var e event.Event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		all = append(all, e)
	}
	return all
}

// kinds are the kinds of events, without how the evidence grew and what was waited
// for, which depends on the pace of the machine.
func kinds(all []event.Event) string {
	var text []string
	for _, e := range all {
		if e.Kind != event.Evidence && e.Kind != event.Waiting {
			text = append(text, fmt.Sprintf("%s %s", e.Kind, e.At.Weight))
		}
	}
	return strings.Join(text, ", ")
}

// ends are the releases that the route remembers.
func (r *release) ends(t *testing.T) canary.History {
	t.Helper()
	return canary.ParseHistory(r.route().GetAnnotations()[canary.HistoryAnnotation])
}

func (r *release) route() *unstructured.Unstructured {
	return r.server.Get(kube.VirtualServices(), "default", "versioned-echo-virtualservice")
}

// until waits for something to be so in the cluster.
func (r *release) until(t *testing.T, so func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), longest)
	defer cancel()
	if err := r.server.WaitFor(ctx, so); err != nil {
		t.Fatalf("it never came to that: %v\n%s", err, r.standing(t))
	}
}
