package cli_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/cli"
	"github.com/canaryctl/canaryctl/internal/kube"
)

// TestSteeringDecidesAnew has an engine write between what a command read and what
// it wrote: the command must not take back what the engine did, nor what it
// remembered.
func TestSteeringDecidesAnew(t *testing.T) {
	t.Setenv("USER", "ana")
	now := time.Date(2026, 1, 1, 0, 9, 0, 0, time.UTC)
	took := func(r canary.Release) (canary.Release, int) {
		r.Step, r.Weight = 2, 50
		return r, 50
	}
	gave := func(r canary.Release) (canary.Release, int) { return r.Back("it is worse", now), 0 }
	for _, test := range []struct {
		name, command string
		engine        func(canary.Release) (canary.Release, int)
		code          int
		want, told    string
	}{
		{"pause, a step later", "pause", took, cli.ExitDone,
			"stable v1 50, canary v2 50\tpaused\tplan\tended: -", "is paused at step 3 of 3: v1 50%, v2 50%"},
		{"pause, and it is over", "pause", gave, cli.ExitFailed,
			"stable v1 100, canary v2 0\trolled-back\tno plan\tended: rolled-back", "is over: rolled back: it is worse"},
		{"promote, a step later", "promote", took, cli.ExitDone,
			"stable v1 50, canary v2 50\tprogressing, asked to promote\tplan\tended: -", "is asked to go to its end"},
		{"rollback, a step later", "rollback", took, cli.ExitDone,
			"stable v1 100, canary v2 0\trolled-back\tno plan\tended: rolled-back", "rolled back to v1: v1 100%, v2 0% (was v1 50%, v2 50%)"},
		{"rollback, and it is over", "rollback", gave, cli.ExitDone,
			"stable v1 100, canary v2 0\trolled-back\tno plan\tended: rolled-back", "nothing to roll back"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRelease(t, [][]string{{"create-canary", "--image", "versioned-echo:v2"}})
			var at standingAt
			for _, s := range standings() {
				if s.name == "progressing" {
					at = s
				}
			}
			at.put(t, r)
			standing := r.standing
			if test.command == "promote" {
				standing = r.driven(t)
			}
			r.server.Conflict(1, "virtualservices", func() {
				later, weight := test.engine(*at.release)
				standingAt{weight: weight, release: &later}.put(t, r)
			})
			code := r.run(t, strings.Fields(test.command))
			if code != test.code || !strings.Contains(r.narration.String(), test.told) {
				t.Errorf("status %d, want %d; told:\n%s\nwant: %s", code, test.code, r.narration.String(), test.told)
			}
			if got := standing(t); got != test.want {
				t.Errorf("stands at: %q, want %q", got, test.want)
			}
		})
	}
}

// Somebody who keeps changing the weights cannot keep a person from rolling back.
func TestRollbackOverrules(t *testing.T) {
	r := newRelease(t, [][]string{{"create-canary", "--image", "versioned-echo:v2"}})
	for _, s := range standings() {
		if s.name == "progressing" {
			s.put(t, r)
		}
	}
	weight := 20
	r.server.Conflict(3, "virtualservices", func() {
		weight++
		vs := r.server.Get(kube.VirtualServices(), "default", "versioned-echo-virtualservice")
		place := canary.Position{}
		if err := json.Unmarshal([]byte(vs.GetAnnotations()[canary.Annotation]), &place); err != nil {
			t.Error(err)
		}
		standingAt{weight: weight, release: place.Release}.put(t, r)
	})
	if code := r.run(t, []string{"rollback"}); code != cli.ExitDone {
		t.Errorf("status %d\n%s", code, r.narration.String())
	}
	const want = "stable v1 100, canary v2 0\trolled-back\tno plan\tended: rolled-back"
	if got := r.standing(t); got != want {
		t.Errorf("stands at: %q, want %q", got, want)
	}
}
