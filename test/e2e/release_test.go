package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/event"
	"github.com/canaryctl/canaryctl/test/labtest"
)

// TestReleaseOfAGoodVersion is promoted with nobody there, with the rights of the
// Role alone, and leaves a record, a history and a route that say the same.
func TestReleaseOfAGoodVersion(t *testing.T) {
	for _, source := range []string{prometheus, pods} {
		t.Run(source, func(t *testing.T) {
			t.Parallel()
			s := perform(t, source)
			e := s.release("v2", quick, "")
			e.wants(0)
			e.says("k8s/rbac/optional/autoscaling.yaml grants that") // which it does without

			r := s.record()
			if r.Outcome != canary.Promoted || r.Basis != canary.PassedOnExposure && r.Basis != canary.Proved {
				t.Errorf("on record: %s, %q\n%s", r.Outcome, r.Basis, tail(r.Events))
			}
			if r.Hurt.Requests < 80 || r.Hurt.Bad != 0 {
				t.Errorf("on record: the canary answered %d requests, %d of them badly; the plan asks for 80", r.Hurt.Requests, r.Hurt.Bad)
			}
			var kinds []event.Kind
			for _, e := range r.Events {
				if e.Kind == event.Started || e.Kind == event.Step || e.Kind == event.Promoted {
					kinds = append(kinds, e.Kind)
				}
			}
			if diff := cmp.Diff([]event.Kind{event.Started, event.Step, event.Step, event.Promoted}, kinds); diff != "" {
				t.Errorf("on record (-want +got):\n%s", diff)
			}

			s.wantStatus(r.ID, canary.Promoted)
			s.wantHistory(canary.Ended{ID: r.ID, Outcome: canary.Promoted, From: "v1", To: "v2", Image: "versioned-echo:v2", Basis: r.Basis})
			s.wantPath([]canary.Percent{0, 20, 50, 100})
			wantShare(t, s.host(), "v2", 1, 100)
			wantReport(t, s.recordFile(), "Promoted")
		})
	}
}

// TestReleaseOfABadVersion is rolled back by the evidence, and says so to whoever
// asks.
func TestReleaseOfABadVersion(t *testing.T) {
	for _, source := range []string{prometheus, pods} {
		t.Run(source, func(t *testing.T) {
			t.Parallel()
			s := perform(t, source)
			e := s.release("v3", `
  steps:
    - {weight: 20, min: 1s, exposure: 2000}
`, "--set-env FAULT_ERROR_SHARE=0.2")
			e.wants(3)

			r := s.record()
			if r.Outcome != canary.RolledBack || r.EndedBy != "" {
				t.Errorf("on record: %s by %q, want a rollback by the evidence\n%s", r.Outcome, r.EndedBy, tail(r.Events))
			}
			if r.Hurt.Bad == 0 || r.Hurt.Harm < 1 {
				t.Errorf("on record nobody was hurt: %+v", r.Hurt)
			}
			e.says(fmt.Sprintf("%d of %d", r.Hurt.Bad, r.Hurt.Requests))
			s.wantStatus(r.ID, canary.RolledBack)
			s.wantHistory(canary.Ended{ID: r.ID, Outcome: canary.RolledBack, From: "v1", To: "v3", Image: "versioned-echo:v3"})
			s.wantPath([]canary.Percent{0, 20, 0})
			wantShare(t, s.host(), "v3", 0, 200)
			wantReport(t, s.recordFile(), "Rolled back")
		})
	}
}

// wantStatus sees status say of the release what the record does.
func (s *stage) wantStatus(id string, phase canary.Phase) {
	s.t.Helper()
	var status struct {
		Release struct {
			ID    string
			Phase canary.Phase
		}
	}
	decode(s.t, s.prints("status -o json"), &status)
	if status.Release.ID != id || status.Release.Phase != phase {
		s.t.Errorf("status: %+v, want %s of %s", status.Release, phase, id)
	}
}

// wantHistory sees the history begin with a release, whatever its times and counts.
func (s *stage) wantHistory(want canary.Ended) {
	s.t.Helper()
	var all []canary.Ended
	decode(s.t, s.prints("history -o json"), &all)
	if len(all) == 0 {
		s.t.Fatal("the history is empty")
	}
	got := all[0]
	if got.Started.IsZero() || !got.Ended.After(got.Started) || got.Requests == 0 || got.By == "" || got.Why == "" && want.Outcome == canary.RolledBack {
		s.t.Errorf("the history does not say when, by whom, why, and to how many: %+v", got)
	}
	want.Started, want.Ended, want.Requests, want.Errors, want.By, want.Why = got.Started, got.Ended, got.Requests, got.Errors, got.By, got.Why
	if diff := cmp.Diff(want, got); diff != "" {
		s.t.Errorf("the history (-want +got):\n%s", diff)
	}
}

// wantPath sees which weights the canary had one after the other, and that every
// version of the route said in its annotation what its weights are.
func (s *stage) wantPath(want []canary.Percent) {
	s.t.Helper()
	s.seen.wantValid(s.t)
	var path []canary.Percent
	for _, at := range s.history() {
		r := at.Release()
		if r.ID == "" {
			continue
		}
		weight := weightOfCanary(at)
		if weight != r.Weight {
			s.t.Errorf("version %s of the route has %s%% for the canary, and its position %s%%", at.Version, weight, r.Weight)
		}
		if len(path) == 0 || path[len(path)-1] != weight {
			path = append(path, weight)
		}
	}
	if diff := cmp.Diff(want, path); diff != "" {
		s.t.Errorf("the canary's weights (-want +got):\n%s", diff)
	}
}

// weightOfCanary is the share of the version that is released, also once it is
// stable.
func weightOfCanary(at labtest.Sight) canary.Percent {
	to := at.Position.Canary
	if at.Release().Phase == canary.Promoted && to == "" {
		to = at.Position.Stable
	}
	return at.Weight(to)
}

func describe(at labtest.Sight) string {
	return fmt.Sprintf("%v, %s at step %d (%s)", at.Rules, at.Release().Phase, at.Release().Step, at.Release().Why)
}

// wantReport draws every kind of report of a record.
func wantReport(t *testing.T, record, outcome string) {
	t.Helper()
	dir := t.TempDir()
	for _, c := range []struct{ file, flags, want string }{
		{"page.html", "", "</html>"},
		{"picture.svg", "", "</svg>"},
		{"summary.md", "--format markdown", outcome},
	} {
		path := filepath.Join(dir, c.file)
		sh(t, "canaryctl report "+record+" -o "+path+" "+c.flags)
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(raw), c.want) {
			t.Errorf("%s does not say %q:\n%.600s", c.file, c.want, raw)
		}
	}
}
