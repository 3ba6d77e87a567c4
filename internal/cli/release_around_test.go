package cli_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/cli"
	"github.com/canaryctl/canaryctl/internal/event"
)

// hooked is what somebody outside was sent.
type hooked struct {
	mu     sync.Mutex
	asked  []string // gates, by what they were asked before
	events []string // kinds
	closed int      // how often the gate answers "not yet"
}

func (h *hooked) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	if r.URL.Path == "/gate" {
		var q struct{ Before string }
		_ = json.Unmarshal(body, &q)
		h.asked = append(h.asked, q.Before)
		if h.closed--; h.closed >= 0 {
			w.WriteHeader(http.StatusAccepted)
		}
		return
	}
	var e struct{ Data event.Event }
	_ = json.Unmarshal(body, &e)
	h.events = append(h.events, string(e.Data.Kind))
}

// A gate by webhook is asked until it is open, and notifications arrive by the time
// the command ends.
func TestReleaseAsksAndTells(t *testing.T) {
	t.Parallel()
	r, outside := newReleasing(t, healthy()), &hooked{closed: 1}
	server := httptest.NewServer(outside)
	t.Cleanup(server.Close)
	c := r.do(t, "release", "--image", "versioned-echo:v2", "-f", r.file(t, "plan.yaml", quick+`
  confirm: {promotion: owners}
  gates: {owners: {webhook: {url: "`+server.URL+`/gate"}, every: 100ms}}
  notify: [{webhook: {url: "`+server.URL+`/events"}, on: [started, step, gate, promoted]}]
`))
	c.wants(t, cli.ExitDone, `gate "owners" is closed`, `gate "owners" is open`)
	outside.mu.Lock()
	defer outside.mu.Unlock()
	if got, want := strings.Join(outside.asked, ", "), "promotion, promotion"; got != want {
		t.Errorf("asked before %s, want %s", got, want)
	}
	if got, want := strings.Join(outside.events, ", "), "started, step, step, gate, gate, promoted"; got != want {
		t.Errorf("told %s, want %s", got, want)
	}
}

// What nobody outside heard is said in the end.
func TestReleaseSaysWhatWasNotTold(t *testing.T) {
	t.Parallel()
	r := newReleasing(t, healthy())
	server := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	r.do(t, "release", "--image", "versioned-echo:v2", "-f", r.file(t, "plan.yaml", quick+`
  notify: [{webhook: {url: "`+server.URL+`"}, on: [promoted]}]
`)).wants(t, cli.ExitDone, "notify[0]: 1 events were not delivered")
}

// A job of GitHub Actions gets a summary, outputs and annotations.
func TestReleaseInAJob(t *testing.T) {
	r := newReleasing(t, harmful())
	dir := t.TempDir()
	t.Chdir(dir)
	plan := r.file(t, "plan.yaml", quick)
	r.do(t, "release", "--image", "versioned-echo:v2", "-f", plan, "--github").wants(t, cli.ExitUsage, "--github: this is no job")
	t.Setenv("GITHUB_ACTIONS", "true")
	t.Setenv("GITHUB_STEP_SUMMARY", filepath.Join(dir, "summary"))
	t.Setenv("GITHUB_OUTPUT", filepath.Join(dir, "output"))
	c := r.do(t, "release", "--image", "versioned-echo:v2", "-f", plan, "--github")
	c.wants(t, cli.ExitRolledBack)
	for name, want := range map[string]string{"summary": "rolled back", "output": "rolled-back\n", filepath.Join("release-report", "record.jsonl"): `"kind":"rolled-back"`} {
		if text, err := os.ReadFile(filepath.Join(dir, name)); err != nil || !strings.Contains(string(text), want) {
			t.Errorf("%s does not hold %q: %v\n%s", name, want, err, text)
		}
	}
	if got := c.out.String(); !strings.HasPrefix(got, "::error title=versioned-echo v2%3A rolled-back::Evidence ") {
		t.Errorf("annotations: %s", got)
	}
	pages, err := filepath.Glob(filepath.Join(dir, "release-report", "*.html"))
	if err != nil || len(pages) != 1 {
		t.Errorf("reports: %v %v", pages, err)
	}
}

// A canary that cannot start is rolled back before it had any traffic, with the
// cause.
func TestReleaseOfACanaryThatCannotStart(t *testing.T) {
	t.Parallel()
	r := newReleasing(t, healthy())
	r.server.RunDeployments(func(image string) string {
		if image == "versioned-echo:v2" {
			return "ImagePullBackOff"
		}
		return ""
	})
	c := r.do(t, "release", "--image", "versioned-echo:v2", "-f", r.file(t, "plan.yaml", quick), "-o", "json")
	c.wants(t, cli.ExitRolledBack, "ImagePullBackOff")
	if got, want := kinds(c.events(t)), "started 0, rolled-back 0"; got != want {
		t.Errorf("told %s, want %s", got, want)
	}
	if end := r.ends(t)[0]; end.Outcome != canary.RolledBack || end.Requests != 0 || !strings.Contains(end.Why, "ImagePullBackOff") {
		t.Errorf("remembered: %+v", end)
	}
}

// What is wrong on the command line or in the plan is said before anything is sent.
func TestReleaseRefuses(t *testing.T) {
	t.Parallel()
	r := newReleasing(t, healthy())
	wrong := r.file(t, "wrong.yaml", strings.Replace(quick, "exposure: 200", "exposre: 200", 1))
	good := r.file(t, "good.yaml", quick)
	for _, test := range []struct{ line, says string }{
		{"release", "release needs --image"},
		{"release --image versioned-echo:v2 -f " + wrong, "did you mean exposure?"},
		{"release --image versioned-echo:v2 -o yaml", "-o yaml: say json, or nothing for words"},
		{"release --image versioned-echo:v2 --ready-timeout 0s", "--ready-timeout 0s"},
		{"release --image versioned-echo:v2 --replicas 0", "--replicas 0"},
		{"release --image versioned-echo:v2 extra", "release takes no arguments"},
		{"resume -f " + wrong, "did you mean exposure?"},
	} {
		r.do(t, strings.Fields(test.line)...).wants(t, cli.ExitUsage, test.says)
	}
	if sent := r.server.Requests(); len(sent) > 0 {
		t.Errorf("sent: %v", sent)
	}
	before := r.dump(t)
	c := r.do(t, "release", "--image", "versioned-echo:v2", "-f", good, "--dry-run")
	c.wants(t, cli.ExitDone)
	if !strings.Contains(c.out.String(), "release versioned-echo:v2 of versioned-echo as v2 over v1") || !strings.Contains(c.out.String(), "20% of the traffic") {
		t.Errorf("it says: %s", c.out.String())
	}
	if after := r.dump(t); after != before {
		t.Error("the dry run changed something")
	}
}
