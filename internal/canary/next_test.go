package canary_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/canaryctl/canaryctl/internal/canary"
)

// noon is when the tests' releases begin.
func noon() time.Time { return time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC) }

// plan has all that a step may ask for.
func plan() canary.Plan {
	p := canary.DefaultPlan()
	p.Steps = []canary.Step{
		{Weight: 5, Min: canary.Duration(time.Minute), Max: canary.Duration(10 * time.Minute), Exposure: 100},
		{Weight: 20, Min: canary.Duration(time.Minute), Exposure: 200, Pause: true},
		{Weight: 50, Min: canary.Duration(time.Minute), Exposure: 300, Gate: "owners"},
	}
	p.Timeout = canary.Duration(time.Hour)
	return p
}

// begun is a release that waits for its canary.
func begun() canary.State {
	return canary.State{Release: canary.Begin("r1", "hash", noon()), Weights: canary.AllStable()}
}

// fine is what is seen of a state where nothing is wrong and nothing is decided.
func fine(s canary.State, now time.Time) canary.Observation {
	return canary.Observation{
		Now: now, Weights: s.Weights, Verdict: canary.Inconclusive,
		CanaryReady: true, StableReady: true,
	}
}

// A release goes through all that its plan asks for.
func TestNextFollowsThePlan(t *testing.T) {
	type row struct {
		Do     canary.Move
		Phase  canary.Phase
		Step   int
		Weight canary.Percent
		Gate   string
	}
	p, s, now := plan(), begun(), noon()
	look := func(want row, change func(*canary.Observation)) {
		t.Helper()
		o := fine(s, now)
		if change != nil {
			change(&o)
		}
		a := canary.Next(p, s, o)
		got := row{a.Do, a.After.Phase, a.After.Step, a.After.Weights.Canary, a.Gate}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("at %s (-want +got):\n%s%s", now.Sub(noon()), diff, a.Why)
		}
		s = a.After
	}
	exposed := func(step, total uint64) func(*canary.Observation) {
		return func(o *canary.Observation) { o.Exposure, o.Total = step, total }
	}

	look(row{canary.Wait, canary.Preparing, -1, 0, ""}, func(o *canary.Observation) { o.CanaryReady = false })
	look(row{canary.TakeStep, canary.Progressing, 0, 5, ""}, nil)
	look(row{canary.Wait, canary.Progressing, 0, 5, ""}, exposed(100, 100))
	now = now.Add(time.Minute)
	look(row{canary.Wait, canary.Progressing, 0, 5, ""}, exposed(99, 99))
	look(row{canary.TakePause, canary.Paused, 0, 5, ""}, exposed(100, 100))
	now = now.Add(2 * time.Hour)
	look(row{canary.Wait, canary.Paused, 0, 5, ""}, exposed(9000, 9000))
	s.Release = s.Again(p, s.Weights, now)
	look(row{canary.TakeStep, canary.Progressing, 1, 20, ""}, exposed(9000, 9000))
	now = now.Add(time.Minute)
	look(row{canary.Wait, canary.Progressing, 1, 20, "owners"}, exposed(200, 9200))
	look(row{canary.Wait, canary.Progressing, 1, 20, "owners"}, func(o *canary.Observation) { o.Exposure, o.Gate = 200, canary.GateClosed })
	look(row{canary.TakeStep, canary.Progressing, 2, 50, ""}, func(o *canary.Observation) { o.Exposure, o.Gate = 200, canary.GateOpen })
	now = now.Add(time.Minute)
	look(row{canary.Wait, canary.Progressing, 2, 50, ""}, exposed(299, 9499))
	look(row{canary.Finish, canary.Promoted, 2, 100, ""}, exposed(300, 9500))
	if s.Basis != canary.PassedOnExposure {
		t.Errorf("promoted on %q", s.Basis)
	}
}

// TestBudgetIsNotSpentByChance leaves a canary alone that had bad luck.
func TestBudgetIsNotSpentByChance(t *testing.T) {
	p := canary.DefaultPlan()
	p.Budget = 10
	at := canary.Begin("r1", "hash", time.Unix(1, 0))
	at.Phase, at.Step, at.Weight = canary.Progressing, 0, 5
	o := canary.Observation{
		Now: time.Unix(2, 0), Weights: canary.Weights{Stable: 95, Canary: 5}, CanaryReady: true, StableReady: true, Harm: 12, HarmError: 2,
	}
	if a := canary.Next(p, canary.State{Release: at, Weights: o.Weights}, o); a.Do == canary.GiveBack {
		t.Errorf("rolled back: %s", a.Why)
	}
	o.Harm = 15
	if a := canary.Next(p, canary.State{Release: at, Weights: o.Weights}, o); a.Do != canary.GiveBack {
		t.Errorf("%s: %s", a.Do, a.Why)
	}
}

// One version of which nothing is counted is named, with what it should have had.
func TestSilenceOfOneVersionHasWords(t *testing.T) {
	for want, seen := range map[string]canary.Observation{
		"nothing has been counted of the canary for 12s, though it has 50% of the traffic and stable was counted": {CanarySilent: 12 * time.Second},
		"nothing has been counted of stable for 12s, though it has 50% of the traffic and the canary was counted": {StableSilent: 12 * time.Second},
		"there have been no counts for 5s": {Silent: 5 * time.Second, CanarySilent: 12 * time.Second},
	} {
		c := ripe(plan(), 2)
		c.seen.Silent, c.seen.CanarySilent, c.seen.StableSilent = seen.Silent, seen.CanarySilent, seen.StableSilent
		if a := canary.Next(c.plan, c.state, c.seen); a.Do != canary.Wait || a.Why != want {
			t.Errorf("%s: %s, want %s", a.Do, a.Why, want)
		}
	}
}
