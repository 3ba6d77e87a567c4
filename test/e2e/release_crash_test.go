package e2e

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/event"
)

// TestReleaseGoesOnElsewhere loses the machine that drives in the middle of a step.
// Another one, with nothing of the first, goes on at the same step, and knows what
// the canary answered before.
func TestReleaseGoesOnElsewhere(t *testing.T) {
	for _, source := range []string{prometheus, pods} {
		t.Run(source, func(t *testing.T) {
			t.Parallel()
			s := perform(t, source)
			first := s.release("v2", patient, "")
			s.untilStep(0)
			s.until("a saved reading", func(written) bool { return s.saved() > 30 })
			first.kill()
			before := s.saved() // what the lease had to leave
			eventually(t, time.Minute, func() (bool, string) {
				d := s.driven().Driver
				return !d.Alive, d.Name + " drives it"
			})

			elsewhere := t.TempDir()
			path, err := lab.ServiceAccountKubeconfig(t.Context(), s.ns, "canaryctl", elsewhere)
			if err != nil {
				t.Fatal(err)
			}
			one := s.recordFile()
			s.recordFile = func() string { return filepath.Join(elsewhere, "other.jsonl") }
			second := s.driveIn(elsewhere, s.recordFile(), "resume", "KUBECONFIG="+path)
			attached := s.untilKind(event.Attached, 1)
			if attached.At.Step != 0 || attached.At.Weight != 20 || attached.At.Phase != canary.Progressing {
				t.Errorf("it goes on at %+v", attached.At)
			}
			known := s.untilKind(event.Evidence, 1)
			if got := requestsOf(known); got < before {
				t.Errorf("the canary had answered %d requests, and whoever goes on begins with %d", before, got)
			}

			s.types("promote")
			second.wants(0)
			s.wantPath([]canary.Percent{0, 20, 100})
			s.wantHistory(canary.Ended{ID: attached.Release.ID, Outcome: canary.Promoted, From: "v1", To: "v2", Image: "versioned-echo:v2", Basis: canary.ByHand})

			var both written
			decode(t, sh(t, "canaryctl report --format json "+one+" "+s.recordFile()).Stdout, &both)
			if len(both.Gaps) != 1 || !both.Gaps[0].Died || both.Outcome != canary.Promoted {
				t.Errorf("the two records together: %s with the gaps %+v", both.Outcome, both.Gaps)
			}
		})
	}
}

// saved is how many requests the canary answered as far as the lease tells whoever
// goes on.
func (s *stage) saved() uint64 {
	s.t.Helper()
	known := s.driven().Known
	return requestsOf(event.Event{Known: &known})
}
