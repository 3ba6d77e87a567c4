package e2e

import (
	"path/filepath"
	"testing"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/event"
)

// TestTwoEngines has a second engine come while another drives. It stands by; told
// to, it takes over, and the first ends and says who has it now.
func TestTwoEngines(t *testing.T) {
	t.Parallel()
	s := perform(t, pods)
	first := s.release("v2", patient, "")
	s.untilStep(0)
	holder := s.driven().Driver.Name

	// As a pipeline that runs twice.
	standing := s.driveIn(t.TempDir(), filepath.Join(t.TempDir(), "other.jsonl"), "release --image versioned-echo:v2 -f "+s.planFile(), s.env)
	standing.untilSays(holder + " drives")
	if !first.alive() || !standing.alive() {
		t.Fatalf("one of two engines ended by itself:\n%s\n%s", first.text(), standing.text())
	}

	second := s.drive("resume --take-over")
	s.untilKind(event.Attached, 1)
	first.wants(1)
	now := s.driven().Driver
	if now.Name == holder || !now.Alive {
		t.Errorf("%s drives, alive: %t; before the take-over %s did", now.Name, now.Alive, holder)
	}
	first.says(now.Name, "--take-over")

	s.types("rollback")
	second.wants(3)
	standing.wants(3) // it looked on until the end
	s.wantPath([]canary.Percent{0, 20, 0})
	s.wantStatus(s.record().ID, canary.RolledBack)
}
