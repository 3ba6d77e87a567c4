package canary_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/canaryctl/canaryctl/internal/canary"
)

// Who resumes goes on from the weights that the route has by then.
func TestAgainAdoptsTheWeights(t *testing.T) {
	p := plan() // 5, 20, 50
	header := plan()
	header.Steps = append([]canary.Step{{Header: &canary.Header{Name: "x-user", Value: "us"}}}, header.Steps...)
	for _, test := range []struct {
		name      string
		plan      canary.Plan
		step      int
		live      canary.Percent
		wantStep  int
		wantPhase canary.Phase
		anew      bool
	}{
		{"as they were", p, 1, 20, 1, canary.Progressing, false},
		{"more, before the next step", p, 1, 30, 1, canary.Progressing, true},
		{"as much as a later step", p, 0, 50, 2, canary.Progressing, true},
		{"all", p, 0, 100, 2, canary.Progressing, true},
		{"less than any step", p, 1, 2, 0, canary.Progressing, true},
		{"less", p, 2, 20, 1, canary.Progressing, true},
		{"none", p, 2, 0, -1, canary.Preparing, true},
		{"the header's step", header, 0, 0, 0, canary.Progressing, false},
		{"more than the header's step", header, 0, 10, 1, canary.Progressing, true},
	} {
		c := ripe(test.plan, test.step).paused(canary.CauseForeign)
		now := c.seen.Now.Add(time.Minute)
		got := c.state.Again(test.plan, canary.ToCanary(test.live), now)
		want := c.state.Release
		want.Phase, want.Step, want.Weight = test.wantPhase, test.wantStep, test.live
		want.Paused, want.Cause, want.Why, want.Resumed = time.Time{}, "", "", now
		if test.anew {
			want.Since = now
		}
		want.Cleared = min(want.Cleared, test.wantStep+1)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}

// What was asked once is answered by who resumes, and not asked again.
func TestAgainAnswers(t *testing.T) {
	ramp := plan()
	ramp.Ramp = &canary.Ramp{Errors: 1, Most: 50}
	first := scene{ramp, begun(), fine(begun(), noon())}
	first.seen.Risk, first.seen.Needs = 1, 6
	doubtful := ripe(plan(), 2)
	doubtful.plan.Policy.Doubt = canary.Pause
	quiet := ripe(plan(), 2)
	quiet.plan.Policy.NoData, quiet.seen.Silent = canary.Pause, 2*time.Minute
	oneQuiet := ripe(plan(), 2)
	oneQuiet.plan.Policy.NoData, oneQuiet.seen.CanarySilent = canary.Pause, 2*time.Minute
	late := ripe(plan(), 2)
	late.seen.Now = late.seen.Now.Add(time.Hour)
	slow := at(plan(), 0)
	slow.seen.Now = slow.seen.Now.Add(10 * time.Minute)
	for _, test := range []struct {
		scene
		cause canary.Cause
		then  canary.Move
	}{
		{ripe(plan(), 0), canary.CauseStep, canary.TakeStep},
		{first, canary.CauseRamp, canary.TakeStep},
		{doubtful, canary.CauseDoubt, canary.Wait},
		{quiet, canary.CauseNoData, canary.Wait},
		{oneQuiet, canary.CauseNoData, canary.Wait},
		{late, canary.CauseTimeout, canary.Wait},
		{slow, canary.CauseTimeout, canary.Wait},
	} {
		a := canary.Next(test.plan, test.state, test.seen)
		if a.Do != canary.TakePause || a.After.Cause != test.cause {
			t.Errorf("%s of %q, want a pause of %q: %s", a.Do, a.After.Cause, test.cause, a.Why)
			continue
		}
		test.state, test.seen.Now = a.After, test.seen.Now.Add(time.Minute)
		test.state.Release = test.state.Again(test.plan, test.state.Weights, test.seen.Now)
		if a = canary.Next(test.plan, test.state, test.seen); a.Do != test.then {
			t.Errorf("resumed from %q: %s, want %s: %s", test.cause, a.Do, test.then, a.Why)
		}
	}
}

// An act that does not fit the phase leaves the release as it is.
func TestActsThatDoNotFit(t *testing.T) {
	now := noon().Add(time.Hour)
	for name, c := range scenes() {
		r := c.state.Release
		for act, got := range map[string]canary.Release{
			"pause":  r.PausedFor(canary.CausePerson, "why", now),
			"resume": r.Again(c.plan, c.state.Weights, now),
			"wish":   r.Wished(canary.WishSkip),
		} {
			fits := !r.Phase.Over() && (act == "wish" || (act == "resume") == (r.Phase == canary.Paused))
			if (got != r) != fits {
				t.Errorf("%s when %s: %+v", act, name, got)
			}
		}
	}
}

func TestEnd(t *testing.T) {
	r := canary.Begin("r1", "hash", noon())
	r.Image, r.By = "echo:v2", "ada"
	want := canary.Ended{
		ID: "r1", Outcome: canary.Promoted, From: "v1", To: "v2", Image: "echo:v2", By: "ada",
		Started: noon(), Ended: noon().Add(time.Hour), Basis: canary.Proved, Why: "as good",
	}
	if diff := cmp.Diff(want, r.Done(canary.Proved, 100, "as good", noon().Add(time.Hour)).End("v1", "v2")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A promotion in place ends where the traffic was: at the stable Deployment.
func TestPromotionInPlace(t *testing.T) {
	c := rolling(canary.Rolling)
	if c.state.Weights != canary.AllCanary() || c.state.Phase != canary.Promoting || c.state.Basis != canary.Proved {
		t.Fatalf("while it is rolled: %+v", c.state)
	}
	c.seen.Rolled = canary.RolledOut
	a := canary.Next(c.plan, c.state, c.seen)
	if a.Do != canary.Finish || a.After.Weights != canary.AllStable() || a.After.Basis != canary.Proved {
		t.Errorf("once it is rolled out: %s of %+v", a.Do, a.After)
	}

	dies := rolling(canary.Rolling)
	dies.seen.CanaryReady, dies.seen.Unready = false, time.Minute
	a = canary.Next(dies.plan, dies.state, dies.seen)
	if a.Do != canary.TakePause || a.After.Weights != canary.AllStable() {
		t.Fatalf("once the canary can no longer answer: %s of %+v", a.Do, a.After)
	}
	dies.state, dies.seen = a.After, fine(a.After, dies.seen.Now.Add(time.Minute))
	dies.seen.Rolled = canary.RolledOut
	dies.state.Release = dies.state.Again(dies.plan, dies.state.Weights, dies.seen.Now)
	if a = canary.Next(dies.plan, dies.state, dies.seen); a.Do != canary.Finish || a.After.Weights != canary.AllStable() {
		t.Errorf("once somebody resumed: %s of %+v", a.Do, a.After)
	}
}

// Harm that shows while the stable Deployment is rolled is given back to what that
// was, as soon as it can answer.
func TestRollUndone(t *testing.T) {
	for _, test := range []struct {
		name string
		see  func(*canary.Observation)
		do   canary.Move
		undo bool
	}{
		{"in its midst", func(o *canary.Observation) { o.Rolled = canary.Rolling }, canary.GiveBack, true},
		{"at its end", func(o *canary.Observation) { o.Rolled = canary.RolledOut }, canary.GiveBack, true},
		{"that fails, too", func(o *canary.Observation) { o.Rolled = canary.RollFailed }, canary.GiveBack, true},
		{"with no Pod of it ready", func(o *canary.Observation) { o.Rolled, o.StableReady = canary.Rolling, false }, canary.Wait, true},
		{"undone already, no Pod ready yet", func(o *canary.Observation) { o.Rolled, o.StableReady = "", false }, canary.Wait, false},
		{"undone already", func(o *canary.Observation) { o.Rolled = "" }, canary.GiveBack, false},
	} {
		c := rolling(canary.Rolling)
		c.seen.Verdict, c.seen.Why, c.seen.Undoable = canary.Fail, "it fails", true
		test.see(&c.seen)
		if a := canary.Next(c.plan, c.state, c.seen); a.Do != test.do || a.Undo != test.undo {
			t.Errorf("%s: %s, undo %t: %s", test.name, a.Do, a.Undo, a.Why)
		}
	}
}
