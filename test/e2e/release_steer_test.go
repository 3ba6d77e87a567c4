package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/event"
)

// promptly bounds what takes a second: the machine may be busy.
const promptly = 15 * time.Second

// TestReleaseIsSteered types every command of a second person against a release
// that is driven elsewhere. It follows each, in the order in which they come.
func TestReleaseIsSteered(t *testing.T) {
	t.Parallel()
	s := perform(t, pods)
	e := s.release("v2", patient, "--wait-paused")
	s.untilStep(0)

	began := time.Now()
	s.types("pause --why looking")
	paused := s.untilKind(event.Paused, 1)
	wantPrompt(t, began, paused)
	if paused.At.Weight != 20 || !strings.Contains(paused.Message, "looking") {
		t.Errorf("paused: %+v", paused)
	}
	if r := s.wantRoute("v2", 20, canary.Paused).Release(); r.Cause != canary.CausePerson {
		t.Errorf("it is paused for %q", r.Cause)
	}

	began = time.Now()
	s.types("resume")
	wantPrompt(t, began, s.untilKind(event.Resumed, 1))

	began = time.Now()
	s.types("promote --step")
	step := s.untilKind(event.Step, 2)
	wantPrompt(t, began, step)
	if step.At.Step != 1 || step.At.Weight != 50 {
		t.Errorf("promote --step led to %+v", step.At)
	}

	began = time.Now()
	s.types("rollback --why 'customers cannot pay'")
	e.wants(3)
	back := s.untilKind(event.RolledBack, 1)
	wantPrompt(t, began, back)
	s.wantPath([]canary.Percent{0, 20, 50, 0})
	wantShare(t, s.host(), "v2", 0, 100)
	if r := s.record(); !strings.Contains(r.Why, "customers cannot pay") {
		t.Errorf("on record it was rolled back for %q", r.Why)
	}

	// The canary is still there: the same release once more, and abort takes it away.
	e = s.release("v2", patient, "")
	s.until("the second release", func(r written) bool { return r.ID != back.Release.ID && r.MaxWeight == 20 })
	s.types("abort")
	e.wants(3)
	wantGone(t, s.ns, "deploy/versioned-echo-v2")
	if r := s.record(); r.Outcome != canary.RolledBack {
		t.Errorf("on record: %s", r.Outcome)
	}
	wantShare(t, s.host(), "v1", 1, 100)
	var all []canary.Ended
	if decode(t, s.prints("history -o json"), &all); len(all) != 2 {
		t.Errorf("the history has %d releases, want 2", len(all))
	}
}

func wantPrompt(t *testing.T, began time.Time, e event.Event) {
	t.Helper()
	if took := e.Time.Sub(began); took > promptly || took < 0 {
		t.Errorf("%s came %s after the command was typed", e.Kind, took)
	} else {
		t.Logf("%s came %s after the command was typed", e.Kind, took.Round(time.Millisecond))
	}
}

// TestReleaseNoticesOthers has others change what a release is about. It says who
// did, does not fight, and goes on from what there is once a person says so.
func TestReleaseNoticesOthers(t *testing.T) {
	t.Parallel()
	s := perform(t, prometheus)
	e := s.release("v2", patient, "--wait-paused")
	s.untilStep(0)
	editor := filepath.Join(s.dir, "edit.sh")
	if err := os.WriteFile(editor, []byte(`text=$(<"$1"); text=${text//weight: 40/weight: 30}; echo "${text//weight: 60/weight: 70}" >"$1"`), 0o600); err != nil {
		t.Fatal(err)
	}

	for i, c := range []struct {
		name, line string
		by         string
		weight     canary.Percent // that it leaves
	}{
		{"set-traffic", "canaryctl set-traffic 60 40", "canaryctl", 40},
		{"kubectl edit", `KUBE_EDITOR="bash ` + editor + `" kubectl edit virtualservice ` + route, "kubectl-edit", 30},
		{"kubectl set image", "kubectl set image deploy/versioned-echo-v2 versioned-echo=versioned-echo:v3", "kubectl-set", 30},
	} {
		t.Run(c.name, func(t *testing.T) {
			began := time.Now()
			sh(t, c.line+" -n "+s.ns)
			foreign := s.untilKind(event.Foreign, i+1)
			wantPrompt(t, began, foreign)
			if !strings.Contains(foreign.Message+foreign.By, `"`+c.by+`"`) {
				t.Errorf("it does not name %s: %q by %q", c.by, foreign.Message, foreign.By)
			}
			at := s.wantRoute("v2", c.weight, canary.Paused) // and nobody set it back
			if at.Release().Cause != canary.CauseForeign {
				t.Errorf("it is paused for %q", at.Release().Cause)
			}
			s.types("resume")
			s.untilKind(event.Resumed, i+1)
			s.wantRoute("v2", c.weight, canary.Progressing)
		})
	}

	// What the canary answered as another image says nothing of the present one.
	resumed := s.untilKind(event.Resumed, 3)
	s.until("evidence of the new canary alone", func(r written) bool {
		most := uint64(0)
		for _, e := range ofKind(r, event.Evidence) {
			if e.Time.After(resumed.Time) && requestsOf(e) < most {
				return true
			}
			most = max(most, requestsOf(e))
		}
		return false
	})
	s.types("rollback")
	e.wants(3)
	wantShare(t, s.host(), "v1", 1, 100)
}
