package cli_test

import (
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"text/tabwriter"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/kube"
	"github.com/canaryctl/canaryctl/internal/kube/kubetest"
	"github.com/canaryctl/canaryctl/internal/planfile"
)

// TestEveryCommandInEveryPhase holds what each command makes of a release, wherever
// that stands, to a table: the exit status, who is stable and who is on trial with
// their weights, the phase, what is asked, how many ends the history has, and
// whether the route still has the plan. Nothing drives the release, except beside
// the commands that would drive it themselves then: the table is of their write.
func TestEveryCommandInEveryPhase(t *testing.T) {
	t.Setenv("USER", "ana")
	golden := filepath.Join("testdata", "phases.txt")
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, command := range []string{
		"pause", "resume", "promote", "promote --step", "promote --force", "rollback", "abort", "abort --force",
		"set-traffic 60 40", "create-canary --image versioned-echo:v2", "create-canary --image versioned-echo:v3 --replace",
		"delete-canary", "delete-canary --yes", "status", "history",
	} {
		fmt.Fprintf(w, "%s\n", command)
		for _, s := range standings() {
			r := newRelease(t, [][]string{{"create-canary", "--image", "versioned-echo:v2"}})
			s.put(t, r)
			standing := r.standing
			if command == "resume" || strings.HasPrefix(command, "promote") {
				standing = r.driven(t)
			}
			code := r.run(t, strings.Fields(command))
			fmt.Fprintf(w, "  %s\t%d\t%s\n", s.name, code, standing(t))
			if err := r.validWeights(); err != nil {
				t.Errorf("%s, %s: %v", command, s.name, err)
			}
		}
	}
	_ = w.Flush()
	if flag.Lookup("update").Value.String() == "true" {
		if err := os.WriteFile(golden, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(strings.Split(string(want), "\n"), strings.Split(b.String(), "\n")); diff != "" {
		t.Errorf("%s (-want +got; -update writes it):\n%s", golden, diff)
	}
}

// TestSteeringKilledAnywhere cuts the commands that steer a release off between
// any two of their requests, and after each whose answer is then lost. Given
// again, they end where they would have ended, and the history has it once.
func TestSteeringKilledAnywhere(t *testing.T) {
	at := map[string]standingAt{}
	for _, s := range standings() {
		at[s.name] = s
	}
	for _, test := range []struct{ at, command string }{
		{"progressing", "pause"},
		{"paused", "resume"},
		{"progressing", "promote"},
		{"progressing", "promote --force"},
		{"progressing", "rollback"},
		{"promoted", "rollback"},
		{"progressing", "abort"},
		{"paused", "delete-canary --yes"},
	} {
		t.Run(test.at+", "+test.command, func(t *testing.T) {
			begin := func() *release {
				r := newRelease(t, [][]string{{"create-canary", "--image", "versioned-echo:v2"}})
				at[test.at].put(t, r)
				if err := r.server.Load(heldLease); err != nil {
					t.Fatal(err)
				}
				r.server.OnWrite(func(e kubetest.Event) { // the engine that holds it
					if strings.Contains(e.Object.GetAnnotations()[canary.Annotation], `"wish":"promote"`) {
						at["promoted"].put(t, r)
					}
				})
				r.server.ResetRequests()
				return r
			}
			args := strings.Fields(test.command)
			whole := begin()
			whole.run(t, args)
			want := whole.standing(t)
			for n := range len(whole.server.Requests()) + 1 {
				for _, lost := range []bool{false, true} {
					r := begin()
					r.kill(t, r.server.CutAfter(n, lost), args)
					r.server.Heal()
					if code := r.run(t, args); code != 0 {
						t.Errorf("cut after %d requests (answer lost: %t), then given again: status %d\n%s", n, lost, code, r.narration.String())
					}
					if got := r.standing(t); got != want {
						t.Errorf("cut after %d requests (answer lost: %t), then given again: %s, want %s", n, lost, got, want)
					}
				}
			}
		})
	}
}

// standingAt is a place that a release may stand at.
type standingAt struct {
	name    string
	weight  int // the canary's; unrouted where the route does not name it
	release *canary.Release
}

const (
	unrouted = -1 // the position names the canary
	unnamed  = -2 // nor does that
)

func standings() []standingAt {
	began := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	begun := canary.Begin("r1", "h", began)
	step := begun
	step.Phase, step.Step, step.Weight = canary.Progressing, 1, 20
	header := step
	header.Step, header.Weight = 0, 0
	rolling := step
	rolling.Phase, rolling.Weight, rolling.Basis = canary.Promoting, 100, canary.Proved
	paused := step.PausedFor(canary.CauseDoubt, "who knows", began)
	held := rolling.PausedFor(canary.CauseRoll, "it does not follow", began)
	promoted := step.Done(canary.Proved, 100, "it is better", began)
	back := step.Back("it is worse", began)
	return []standingAt{
		{"none", 20, nil},
		{"begun", unnamed, &begun},
		{"creating", unrouted, &begun},
		{"preparing", 0, &begun},
		{"at a header", 0, &header},
		{"progressing", 20, &step},
		{"paused", 20, &paused},
		{"promoting", 100, &rolling},
		{"promoting, paused", 100, &held},
		{"promoted", 100, &promoted},
		{"rolled back", 0, &back},
	}
}

// put has the route say so.
func (s standingAt) put(t *testing.T, r *release) {
	t.Helper()
	vs := r.server.Get(kube.VirtualServices(), "default", "versioned-echo-virtualservice")
	place := canary.Position{App: "versioned-echo", Stable: "v1", Canary: "v2", Added: []string{canary.AddedDestination}}
	notes := map[string]string{}
	if s.release != nil {
		plan, err := planfile.Default().Stored()
		if err != nil {
			t.Fatal(err)
		}
		notes[canary.PlanAnnotation] = string(plan)
		if s.release.Phase == canary.Promoted {
			place = place.Promoted()
		}
		if s.release.Phase.Over() {
			delete(notes, canary.PlanAnnotation)
			notes[canary.HistoryAnnotation] = canary.History{s.release.End("v1", "v2")}.Encode()
		}
		place.Release = s.release
	}
	if s.weight < 0 {
		place.Added = nil
	}
	if s.weight == unnamed {
		place.Canary = ""
	}
	text, err := json.Marshal(place)
	if err != nil {
		t.Fatal(err)
	}
	notes[canary.Annotation] = string(text)
	vs.SetAnnotations(notes)
	if s.weight < 0 {
		route := []any{map[string]any{"destination": map[string]any{"host": "versioned-echo", "subset": "v1"}}}
		vs.Object["spec"].(map[string]any)["http"] = []any{map[string]any{"route": route}}
		r.server.Put(vs)
		return
	}
	weigh(vs, s.weight)
	r.server.Put(vs)
}

// weigh sets the weights of the first rule, which names stable and canary.
func weigh(vs *unstructured.Unstructured, canary int) {
	rule := vs.Object["spec"].(map[string]any)["http"].([]any)[0].(map[string]any)
	legs := rule["route"].([]any)
	legs[0].(map[string]any)["weight"], legs[1].(map[string]any)["weight"] = int64(100-canary), int64(canary)
}

// driven puts an engine beside the route that takes what it is asked for, and does
// nothing else. What it returns is the standing as it was asked, or as it is where
// nothing was asked.
func (r *release) driven(t *testing.T) func(*testing.T) string {
	t.Helper()
	if err := r.server.Load(heldLease); err != nil {
		t.Fatal(err)
	}
	var asked atomic.Pointer[unstructured.Unstructured]
	take := engine(r.server, func(p canary.Position) canary.Position {
		p.Release.Wish = ""
		return p
	})
	r.server.OnWrite(func(e kubetest.Event) {
		if strings.Contains(e.Object.GetAnnotations()[canary.Annotation], `"wish":`) {
			asked.Store(e.Object.DeepCopy())
		}
		take(e)
	})
	return func(t *testing.T) string {
		t.Helper()
		if vs := asked.Load(); vs != nil {
			return standingIn(t, vs)
		}
		return r.standing(t)
	}
}

// standing is what the route says, in a line.
func (r *release) standing(t *testing.T) string {
	t.Helper()
	return standingIn(t, r.server.Get(kube.VirtualServices(), "default", "versioned-echo-virtualservice"))
}

func standingIn(t *testing.T, vs *unstructured.Unstructured) string {
	t.Helper()
	notes := vs.GetAnnotations()
	place := canary.Position{}
	if text, ok := notes[canary.Annotation]; ok {
		if err := json.Unmarshal([]byte(text), &place); err != nil {
			t.Fatal(err)
		}
	}
	rules, _, _ := unstructured.NestedSlice(vs.Object, "spec", "http")
	weights := []string{}
	for _, leg := range rules[0].(map[string]any)["route"].([]any) {
		version, _, _ := unstructured.NestedString(leg.(map[string]any), "destination", "subset")
		role := "?"
		switch version {
		case place.Stable:
			role = "stable"
		case place.Canary:
			role = "canary"
		case place.Previous:
			role = "previous"
		}
		weight, ok := leg.(map[string]any)["weight"]
		if !ok {
			weight = "all"
		}
		weights = append(weights, fmt.Sprintf("%s %s %v", role, version, weight))
	}
	state := "no release"
	if p := place.Release; p != nil {
		state = string(p.Phase)
		if p.Wish != "" {
			state += ", asked to " + string(p.Wish)
		}
	}
	ends := []string{}
	for _, e := range canary.ParseHistory(notes[canary.HistoryAnnotation]) {
		ends = append(ends, string(e.Outcome))
	}
	plan := "no plan"
	if notes[canary.PlanAnnotation] != "" {
		plan = "plan"
	}
	return fmt.Sprintf("%s\t%s\t%s\tended: %s", strings.Join(weights, ", "), state, plan, cmp.Or(strings.Join(ends, ", "), "-"))
}
