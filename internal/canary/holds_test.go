package canary_test

import (
	"encoding/json"

	"github.com/canaryctl/canaryctl/internal/canary"
)

// tester is what testing and rapid have in common.
type tester interface {
	Helper()
	Fatalf(format string, args ...any)
}

// holds checks what is true of every decision, whatever led to it.
func holds(t tester, c scene, a canary.Action) {
	t.Helper()
	for _, law := range []struct {
		name string
		kept bool
	}{
		{"an action has a reason", a.Why != ""},
		{"a roll is undone where there is one, and to give back", !a.Undo || undoes(c, a)},
		{"only a wait names a gate", a.Gate == "" || a.Do == canary.Wait},
		{"to wait changes nothing", a.Do != canary.Wait || a.After == c.state},
		{"to act changes something", a.Do == canary.Wait || a.After != c.state || a.After.Weights != c.seen.Weights},
		{"a release that is over stays so", !c.state.Phase.Over() || a.Do == canary.Wait},
		{"weights are valid", a.Do == canary.Wait || a.After.Weights.Validate() == nil},
		{"weights and release agree", agree(c, a)},
		{"no version without a ready Pod gets traffic", !toTheDead(c.seen, a)},
		{"harm wins", harmWins(c, a)},
		{"who is paused waits for a person", stays(c, a)},
		{"a step has what it needs", a.Do != canary.TakeStep || c.state.Wish != "" || mayStep(c, a)},
		{"a promotion rests on a basis", mayPromote(c, a)},
		{"what identifies a release stays", same(c.state.Release, a.After.Release)},
		{"a pause knows when and why", pauseKept(a)},
		{"a person can give back in one act", givesBack(a.After)},
	} {
		if !law.kept {
			t.Fatalf("broken: %s\nplan  %+v\nstate %+v\nseen  %+v\n%s -> %+v\n%s", law.name, c.plan, c.state, c.seen, a.Do, a.After, a.Why)
		}
	}
}

// survives checks that a kill before or after the write of an action changes
// nothing: who goes on reads the same and decides the same.
func survives(t tester, c scene, a canary.Action) {
	t.Helper()
	if got := reread(a.After); got != a.After {
		t.Fatalf("%+v is not what the route remembers, %+v", a.After, got)
	}
	c.state = reread(c.state)
	if got := canary.Next(c.plan, c.state, c.seen); got != a {
		t.Fatalf("decided once: %+v\nand again: %+v", a, got)
	}
}

// reread is a state as another process finds it in the route.
func reread(s canary.State) canary.State {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	var back canary.State
	if err := json.Unmarshal(text, &back); err != nil {
		panic(err)
	}
	return back
}

// agree: a pause leaves weights that somebody else set, all else sets what the
// release says.
func agree(c scene, a canary.Action) bool {
	switch {
	case a.Do == canary.Wait:
		return true
	case a.After.Phase == canary.Paused && a.After.Weights == c.seen.Weights:
		return true
	}
	return a.After.Weights == canary.ToCanary(a.After.Weight)
}

func toTheDead(o canary.Observation, a canary.Action) bool {
	if a.Do == canary.Wait {
		return false
	}
	return a.After.Weights.Canary > o.Weights.Canary && !o.CanaryReady ||
		a.After.Weights.Stable > o.Weights.Stable && !o.StableReady
}

// harmWins: with a verdict of fail nothing but a rollback happens. It waits for a
// stable version that can answer, and where that is being replaced, for a person.
func harmWins(c scene, a canary.Action) bool {
	o, live := c.seen, !c.state.Phase.Over()
	bad := o.Verdict == canary.Fail || o.Broken != "" || overspent(c)
	if !live || !bad {
		return true
	}
	able := o.StableReady || o.Weights.Canary == 0
	switch {
	case c.state.Rolling() && o.Rolled != "" && !o.Undoable:
		return a.After.Phase == canary.Paused
	case able:
		return a.Do == canary.GiveBack && a.After.Phase == canary.RolledBack && a.After.Weights == canary.AllStable()
	}
	return a.Do == canary.Wait || a.Do == canary.TakePause && a.After.Weights == o.Weights
}

func undoes(c scene, a canary.Action) bool {
	return c.state.Rolling() && c.seen.Rolled != "" && c.seen.Undoable && (a.Do == canary.GiveBack || !c.seen.StableReady)
}

// overspent: the harm is above the budget by more than chance.
func overspent(c scene) bool {
	return c.plan.Budget > 0 && c.seen.Harm-2*max(c.seen.HarmError, 0) > c.plan.Budget
}

// stays: only a wish, harm, or the policy of an engine that ends, moves a paused
// release.
func stays(c scene, a canary.Action) bool {
	o := c.seen
	if c.state.Phase != canary.Paused || c.state.Wish != "" {
		return true
	}
	dead := o.Weights.Canary > 0 && !o.CanaryReady && o.Unready > 0
	switch a.Do {
	case canary.Wait:
		return true
	case canary.GiveBack:
		return dead || o.Interrupted || o.Broken != "" || o.Verdict == canary.Fail || overspent(c)
	case canary.TakePause: // the traffic goes to the Pods that there are
		return dead && c.state.Rolling()
	}
	return false
}

// mayStep: nobody asked for it, so it is the plan's own next step, in its time
// and with its exposure, or a ramp within the step.
func mayStep(c scene, a canary.Action) bool {
	o, was, next := c.seen, c.state, a.After
	if !o.CanaryReady || !o.StableReady || o.Interrupted || o.Foreign != "" || next.Weight < was.Weight {
		return false
	}
	if o.Silent+o.CanarySilent+o.StableSilent > 0 && was.Weight > 0 {
		return false
	}
	if next.Step == was.Step {
		return c.plan.Ramp != nil && next.Since.Equal(was.Since) && next.Weight <= c.plan.Ramp.Most
	}
	if was.Step >= 0 {
		step := c.plan.Steps[was.Step]
		if o.Now.Sub(was.Since) < step.Min.Std() || o.Exposure < step.Exposure {
			return false
		}
	}
	step := c.plan.Steps[next.Step]
	asked := !step.Pause || was.Cleared > next.Step
	open := step.Gate == "" || o.Gate == canary.GateOpen
	return next.Step == was.Step+1 && next.Since.Equal(o.Now) && asked && open
}

// mayPromote: unattended, only at the end of the plan and by proof or by the
// planned exposure.
func mayPromote(c scene, a canary.Action) bool {
	o, was := c.seen, c.state
	if a.Do != canary.Finish && a.Do != canary.RollStable {
		return true
	}
	if was.Rolling() {
		if a.Do == canary.Finish && (o.Rolled != canary.RolledOut || a.After.Weights != canary.AllStable()) {
			return false
		}
		return a.After.Basis == was.Basis
	}
	if a.After.Weights != canary.AllCanary() || (a.Do == canary.RollStable) != (c.plan.Promotion == canary.InPlace) {
		return false
	}
	if was.Wish != "" {
		return a.After.Basis == canary.ByHand
	}
	last := c.plan.Steps[len(c.plan.Steps)-1]
	ended := was.Step == len(c.plan.Steps)-1 && o.Exposure >= last.Exposure && o.Now.Sub(was.Since) >= last.Min.Std()
	confirmed := c.plan.Confirm == "" || o.Gate == canary.GateOpen
	switch a.After.Basis {
	case canary.Proved:
		return ended && confirmed && o.Verdict == canary.Pass
	case canary.PassedOnExposure:
		return ended && confirmed && !c.plan.Proof && o.Total > 0 && o.Total >= c.plan.Planned()
	}
	return false
}

func same(was, is canary.Release) bool {
	return was.ID == is.ID && was.Plan == is.Plan && was.Started.Equal(is.Started) &&
		was.Image == is.Image && was.By == is.By && !is.Since.Before(was.Since)
}

func pauseKept(a canary.Action) bool {
	paused := a.After.Phase == canary.Paused
	return paused == !a.After.Paused.IsZero() && paused == (a.After.Cause != "")
}

func givesBack(s canary.State) bool {
	r := s.Back("somebody asked", s.Since)
	return r.Phase == canary.RolledBack && r.Weight == 0 && r.Wish == "" && r.Paused.IsZero() && r.Basis == ""
}
