package cli_test

import (
	"os"
	"strings"
	"testing"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/cli"
)

// A good canary becomes the stable version, and the route says on what that rests.
func TestReleaseOfAGoodCanary(t *testing.T) {
	t.Parallel()
	r := newReleasing(t, healthy())
	record := r.file(t, "record.jsonl", "")
	c := r.do(t, "release", "--image", "versioned-echo:v2", "-f", r.file(t, "plan.yaml", quick), "--record", record, "-o", "json")
	c.wants(t, cli.ExitDone)
	if got, want := kinds(c.events(t)), "started 0, step 20, step 50, promoted 100"; got != want {
		t.Errorf("told %s, want %s\n%s", got, want, c.err.String())
	}
	if got, want := r.standing(t), "previous v1 0, stable v2 100\tpromoted\tno plan\tended: promoted"; got != want {
		t.Errorf("stands at %q, want %q", got, want)
	}
	end := r.ends(t)[0]
	if end.Basis != canary.PassedOnExposure && end.Basis != canary.Proved || end.Requests < 600 || end.Image != "versioned-echo:v2" || end.From != "v1" || end.To != "v2" {
		t.Errorf("remembered: %+v", end)
	}
	text, err := os.ReadFile(record)
	if err != nil {
		t.Fatal(err)
	}
	if string(text) != c.out.String() {
		t.Errorf("the record differs from the events:\n%s", text)
	}
	shown := r.do(t, "history")
	shown.wants(t, cli.ExitDone)
	if !strings.Contains(shown.out.String(), string(end.Basis)) {
		t.Errorf("history does not know on what it rests:\n%s", shown.out.String())
	}
}

// A bad one gives all traffic back, and it is said how many requests were hurt.
func TestReleaseOfABadCanary(t *testing.T) {
	t.Parallel()
	r := newReleasing(t, harmful())
	c := r.do(t, "release", "--image", "versioned-echo:v2", "-f", r.file(t, "plan.yaml", quick))
	c.wants(t, cli.ExitRolledBack, "rolled-back   0%  ", "canaryctl: rolled back: ", "hint: the canary stays for inspection")
	if got, want := r.standing(t), "stable v1 100, canary v2 0\trolled-back\tno plan\tended: rolled-back"; got != want {
		t.Errorf("stands at %q, want %q", got, want)
	}
	if end := r.ends(t)[0]; end.Errors == 0 || end.Errors > end.Requests {
		t.Errorf("remembered: %+v", end)
	}
}
