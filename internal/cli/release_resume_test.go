package cli_test

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/cli"
	"github.com/canaryctl/canaryctl/internal/record"
)

// slow is a plan whose second step lasts until somebody does something.
const slow = `
apiVersion: canaryctl.io/v1alpha1
kind: Plan
spec:
  steps: [{weight: 20, exposure: 200}, {weight: 50, min: 1h}]
`

// weighs reports whether the canary has so much of the traffic.
func (r *release) weighs(percent int) func() bool {
	return func() bool { return weightOf(r.route(), "v2") == percent }
}

// An engine that is told to end does with the release what the plan says, and ends
// with the status of that.
func TestReleaseInterrupted(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		policy   string
		code     int
		says     []string
		standing string
	}{
		{"pause", cli.ExitInterrupted, []string{"canaryctl: interrupted: the release is paused where it was, at 50%", "hint: canaryctl resume goes on"},
			"stable v1 50, canary v2 50\tpaused\tplan\tended: -"},
		{"rollback", cli.ExitRolledBack, []string{"canaryctl: rolled back: canaryctl was told to end"},
			"stable v1 100, canary v2 0\trolled-back\tno plan\tended: rolled-back"},
	} {
		t.Run(test.policy, func(t *testing.T) {
			t.Parallel()
			r := newReleasing(t, healthy())
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			c := r.start(ctx, t, "release", "--image", "versioned-echo:v2", "-f", r.file(t, "plan.yaml", slow+"  policy: {interrupt: "+test.policy+"}\n"))
			r.until(t, r.weighs(50))
			cancel()
			c.wants(t, test.code, test.says...)
			if got := r.standing(t); got != test.standing {
				t.Errorf("stands at %q, want %q", got, test.standing)
			}
		})
	}
}

// A release that waits for a person ends with a status of its own where there is
// none; resumed, it goes on to its end, with both engines in one record.
func TestReleasePausedThenResumed(t *testing.T) {
	t.Parallel()
	r := newReleasing(t, healthy())
	plan := r.file(t, "plan.yaml", strings.Replace(quick, "weight: 50,", "weight: 50, pause: true,", 1))
	lines := r.file(t, "record.jsonl", "")
	c := r.do(t, "release", "--image", "versioned-echo:v2", "-f", plan, "--record", lines)
	c.wants(t, cli.ExitInconclusive, "canaryctl: inconclusive: the release is paused: ", "hint: canaryctl resume goes on")
	if got, want := r.standing(t), "stable v1 80, canary v2 20\tpaused\tplan\tended: -"; got != want {
		t.Fatalf("stands at %q, want %q", got, want)
	}
	other := r.file(t, "other.yaml", slow)
	r.do(t, "resume", "-f", other).wants(t, cli.ExitFailed, "a plan cannot be changed on the way", "hint: leave -f out")
	r.do(t, "release", "--image", "versioned-echo:v3").wants(t, cli.ExitFailed, "a release is in progress", "hint: end that one first")
	if got, want := r.standing(t), "stable v1 80, canary v2 20\tpaused\tplan\tended: -"; got != want {
		t.Fatalf("what was refused changed it: it stands at %q, want %q", got, want)
	}
	again := r.do(t, "resume", "-f", plan, "--record", lines, "-o", "json")
	again.wants(t, cli.ExitDone, "is resumed at step 1 of 2")
	if got, want := kinds(again.events(t)), "attached 20, step 50, promoted 100"; got != want {
		t.Errorf("told %s, want %s\n%s", got, want, again.err.String())
	}
	file, err := os.Open(lines)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	all, err := record.Read(file)
	if err != nil {
		t.Fatal(err)
	}
	whole, ok := all.Find(r.ends(t)[0].ID)
	if !ok || whole.Outcome != canary.Promoted || len(whole.Events) == 0 {
		t.Fatalf("recorded: %+v", whole)
	}
	if got, want := kinds(whole.Events), "started 0, step 20, paused 20, attached 20, step 50, promoted 100"; got != want {
		t.Errorf("recorded %s, want %s", got, want)
	}
}

// A plan in the route that would run something here is obeyed only by whoever
// trusts the route.
func TestResumeTrustsNoRoute(t *testing.T) {
	t.Parallel()
	r := newReleasing(t, healthy())
	witness := r.file(t, "witness", "")
	plan := r.file(t, "plan.yaml", strings.Replace(quick, "weight: 50,", "weight: 50, pause: true,", 1)+
		"  notify: [{on: [attached], command: {args: [cp, /dev/stdin, "+witness+"]}}]\n")
	r.do(t, "release", "--image", "versioned-echo:v2", "-f", plan).wants(t, cli.ExitInconclusive)
	r.do(t, "resume").wants(t, cli.ExitFailed, "the plan in the route wants to use this machine:\n  run \"cp\" ", "--trust-plan")
	if text, err := os.ReadFile(witness); err != nil || len(text) > 0 {
		t.Fatalf("it was run: %v %s", err, text)
	}
	r.do(t, "resume", "--trust-plan").wants(t, cli.ExitDone)
	if text, err := os.ReadFile(witness); err != nil || !strings.Contains(string(text), `"attached"`) {
		t.Fatalf("it was not run: %v %s", err, text)
	}
}

// A second engine stands by, says who drives, and ends as the release does.
func TestSecondEngineStandsBy(t *testing.T) {
	t.Parallel()
	r := newReleasing(t, healthy())
	first := r.start(t.Context(), t, "release", "--image", "versioned-echo:v2", "-f", r.file(t, "plan.yaml", slow))
	r.until(t, r.weighs(50))
	second := r.do(t, "resume")
	second.wants(t, cli.ExitDone, " drives it\n")
	watches := r.start(t.Context(), t, "resume", "-w")
	watches.hears(t, "drives it\n")
	r.do(t, "rollback").wants(t, cli.ExitDone)
	first.wants(t, cli.ExitRolledBack, "rolled-back   0%")
	watches.wants(t, cli.ExitRolledBack, "rolled back: ")
}

// Who takes a release over drives it, and the engine before ends without harm.
func TestTakeOver(t *testing.T) {
	t.Parallel()
	r := newReleasing(t, healthy())
	first := r.start(t.Context(), t, "release", "--image", "versioned-echo:v2", "-f", r.file(t, "plan.yaml", slow))
	r.until(t, r.weighs(50))
	second := r.start(t.Context(), t, "resume", "--take-over", "-o", "json")
	first.wants(t, cli.ExitFailed, "it goes on there", "hint: canaryctl status -w watches it")
	r.do(t, "promote", "--step").wants(t, cli.ExitDone)
	second.wants(t, cli.ExitDone)
	if got, want := kinds(second.events(t)), "attached 50, promoted 100"; got != want {
		t.Errorf("told %s, want %s\n%s", got, want, second.err.String())
	}
	if got, want := r.standing(t), "previous v1 0, stable v2 100\tpromoted\tno plan\tended: promoted"; got != want {
		t.Errorf("stands at %q, want %q", got, want)
	}
}

// promote brings a release to its end that nothing drives, whatever the plan waits
// for.
func TestPromoteDrivesWhatNobodyDrives(t *testing.T) {
	t.Parallel()
	r := newReleasing(t, healthy())
	plan := r.file(t, "plan.yaml", strings.Replace(quick, "weight: 50,", "weight: 50, pause: true,", 1))
	r.do(t, "release", "--image", "versioned-echo:v2", "-f", plan).wants(t, cli.ExitInconclusive)
	r.do(t, "promote").wants(t, cli.ExitDone, "is asked to go to its end", "nobody drives it, so it is driven here", "promoted    100%")
	if got, want := r.standing(t), "previous v1 0, stable v2 100\tpromoted\tno plan\tended: promoted"; got != want {
		t.Errorf("stands at %q, want %q", got, want)
	}
	if end := r.ends(t)[0]; end.Basis != canary.ByHand {
		t.Errorf("remembered: %+v", end)
	}
}

// A release takes the place of a canary that gets no traffic only where it is told
// to, and that one is gone then.
func TestReleaseInPlaceOfAnother(t *testing.T) {
	t.Parallel()
	r := newReleasing(t, healthy())
	r.do(t, "create-canary", "--image", "versioned-echo:v3").wants(t, cli.ExitDone)
	plan := r.file(t, "plan.yaml", quick)
	before := r.dump(t)
	r.do(t, "release", "--image", "versioned-echo:v2", "-f", plan).wants(t, cli.ExitFailed, "--replace puts v2 in its place")
	if r.dump(t) != before {
		t.Error("what was refused changed something")
	}
	r.do(t, "release", "--image", "versioned-echo:v2", "-f", plan, "--replace").wants(t, cli.ExitDone, "Deployment versioned-echo-v3: deleted")
	if got, want := r.standing(t), "previous v1 0, stable v2 100\tpromoted\tno plan\tended: promoted"; got != want {
		t.Errorf("stands at %q, want %q", got, want)
	}
}
