package canary_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/canaryctl/canaryctl/internal/canary"
)

// Whatever happens at the same time, in every state and under every policy, the
// laws hold. It is the whole product of what matters to some rule.
func TestNextLawsHoldForAllCombinations(t *testing.T) {
	var n int
	for _, c := range scenes() {
		for _, c = range times(c) {
			n++
			holds(t, c, canary.Next(c.plan, c.state, c.seen))
		}
	}
	if n < 100_000 {
		t.Errorf("only %d combinations", n)
	}
}

// times is a scene with all that may happen to it at once.
func times(c scene) []scene {
	all := []scene{c}
	for _, axis := range axes(c) {
		var next []scene
		for _, base := range all {
			for _, change := range axis {
				c := base
				change(&c)
				next = append(next, c)
			}
		}
		all = next
	}
	return all
}

func axes(c scene) [][]func(*scene) {
	e := events()
	nothing := e["nothing"]
	list := [][]func(*scene){
		{e["nothing/hold"], e["nothing/pause"], e["nothing/back"]},
		{nothing, e["fail"], e["pass"]},
		{nothing, e["canary-blinks"], e["canary-gone"]},
		{nothing, e["stable-gone"]},
		{nothing, e["weights"], e["foreign"]},
		{nothing, e["interrupt"]},
		{nothing, e["late"]},
		{nothing, e["exposure"]},
		{nothing, e["blip"], e["silence"]},
	}
	if !c.state.Phase.Over() {
		list = append(list, []func(*scene){nothing, e["skip"], e["promote"]})
	}
	if c.state.Rolling() {
		return append(list, []func(*scene){nothing, e["rolled-out"], e["roll-failed"]}, []func(*scene){nothing, e["undo"]})
	}
	return append(list, []func(*scene){nothing, e["open"], e["denied"]})
}

// Also in states that no engine would leave behind, and for numbers that are
// none, there is a decision and it keeps the laws.
func TestNextOfAnythingAtAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var c scene
		c.plan = anyPlan(t)
		c.state, c.seen = anyState(t, c.plan), anySight(t)
		a := canary.Next(c.plan, c.state, c.seen)
		holds(t, c, a)
		survives(t, c, a)
	})
}

// anyPlan draws a plan that is valid.
func anyPlan(t *rapid.T) canary.Plan {
	p := canary.DefaultPlan()
	p.Steps = nil
	tenths := 0
	percent := func(tenths int) canary.Percent { return canary.PercentOf(float64(tenths), 1000) }
	for range rapid.IntRange(0, 2).Draw(t, "steps without weight") {
		if rapid.Bool().Draw(t, "mirror") {
			p.Steps = append(p.Steps, canary.Step{Mirror: true, Weight: percent(rapid.IntRange(10, 1000).Draw(t, "mirrored"))})
			continue
		}
		p.Steps = append(p.Steps, canary.Step{Header: &canary.Header{Name: "x-user", Value: "us"}})
	}
	for range rapid.IntRange(1, 4).Draw(t, "steps") {
		tenths = rapid.IntRange(max(tenths, 10), 1000).Draw(t, "weight")
		p.Steps = append(p.Steps, canary.Step{Weight: percent(tenths)})
	}
	for i := range p.Steps {
		s := &p.Steps[i]
		s.Min = seconds(t, "min", 30)
		if rapid.Bool().Draw(t, "has max") {
			s.Max = s.Min + seconds(t, "max", 60)
		}
		s.Exposure = rapid.Uint64Range(0, 500).Draw(t, "exposure")
		s.Pause = rapid.IntRange(0, 3).Draw(t, "pause") == 0
		s.Gate = rapid.SampledFrom([]string{"", "", "", "owners"}).Draw(t, "gate")
	}
	if rapid.IntRange(0, 2).Draw(t, "ramp") == 0 {
		p.Ramp = &canary.Ramp{Errors: rapid.Float64Range(0.5, 100).Draw(t, "errors"), Most: canary.Percent(rapid.IntRange(1, 100).Draw(t, "most"))}
	}
	if rapid.Bool().Draw(t, "has timeout") {
		p.Timeout = canary.Duration(3*time.Minute) + seconds(t, "timeout", 300)
	}
	p.Proof = rapid.Bool().Draw(t, "proof")
	p.Exposure = rapid.Uint64Range(0, 2000).Draw(t, "total")
	p.Budget = rapid.SampledFrom([]float64{0, 20}).Draw(t, "budget")
	p.NoData, p.Unready = seconds(t, "no data", 20), seconds(t, "unready", 10)
	p.Confirm = rapid.SampledFrom([]string{"", "owners"}).Draw(t, "confirm")
	p.Promotion = rapid.SampledFrom([]canary.Promotion{canary.Switch, canary.InPlace}).Draw(t, "promotion")
	any := rapid.SampledFrom([]canary.Response{canary.Hold, canary.Pause, canary.RollBack})
	ends := rapid.SampledFrom([]canary.Response{canary.Pause, canary.RollBack})
	p.Policy = canary.Policy{
		NoData: any.Draw(t, "on no data"), Timeout: any.Draw(t, "on timeout"), Doubt: any.Draw(t, "on doubt"),
		Foreign: any.Draw(t, "on foreign"), Interrupt: ends.Draw(t, "on interrupt"),
	}
	if err := p.Validate(); err != nil {
		t.Fatalf("%+v: %v", p, err)
	}
	return p
}

func seconds(t *rapid.T, name string, most int) canary.Duration {
	return canary.Duration(rapid.IntRange(0, most).Draw(t, name)) * canary.Duration(time.Second)
}

func anyState(t *rapid.T, p canary.Plan) canary.State {
	s := begun()
	s.Step = rapid.IntRange(-1, len(p.Steps)-1).Draw(t, "step")
	s.Since = s.Started.Add(seconds(t, "since", 300).Std())
	s.Cleared = rapid.IntRange(0, len(p.Steps)+2).Draw(t, "cleared")
	s.Wish = rapid.SampledFrom([]canary.Wish{"", "", canary.WishSkip, canary.WishPromote}).Draw(t, "wish")
	s.Phase = rapid.SampledFrom([]canary.Phase{
		canary.Preparing, canary.Progressing, canary.Paused, canary.Promoting, canary.Promoted, canary.RolledBack,
	}).Draw(t, "phase")
	s.Weight = canary.PercentOf(rapid.Float64Range(0, 100).Draw(t, "weight"), 100)
	s.Weights = canary.ToCanary(s.Weight)
	if s.Phase == canary.Paused {
		s.Paused, s.Cause = s.Since, canary.CausePerson
	}
	if s.Phase == canary.Promoting || s.Phase == canary.Paused && rapid.Bool().Draw(t, "rolling") {
		s.Basis = canary.Proved
	}
	return s
}

func anySight(t *rapid.T) canary.Observation {
	number := rapid.OneOf(rapid.Float64(), rapid.Float64Range(0, 1000))
	weight := canary.PercentOf(rapid.Float64Range(0, 100).Draw(t, "live"), 100)
	o := canary.Observation{
		Now:     noon().Add(5 * time.Minute).Add(seconds(t, "now", 3000).Std()),
		Weights: canary.ToCanary(weight),
		Verdict: rapid.SampledFrom([]canary.Verdict{"", canary.Pass, canary.Fail, canary.Inconclusive}).Draw(t, "verdict"),
		Total:   rapid.Uint64().Draw(t, "total"), Exposure: rapid.Uint64().Draw(t, "exposed"),
		Harm: number.Draw(t, "harm"), HarmError: number.Draw(t, "its error"), Rate: number.Draw(t, "rate"), Risk: number.Draw(t, "risk"),
		Needs: number.Draw(t, "needs"), Lag: seconds(t, "lag", 20).Std(), Silent: seconds(t, "silent", 40).Std(),
		CanarySilent: seconds(t, "canary silent", 40).Std(), StableSilent: seconds(t, "stable silent", 40).Std(),
		CanaryReady: rapid.Bool().Draw(t, "canary ready"), StableReady: rapid.Bool().Draw(t, "stable ready"),
		Foreign: rapid.SampledFrom([]string{"", "", "kubectl did"}).Draw(t, "foreign"), Interrupted: rapid.Bool().Draw(t, "interrupted"),
		Gate:     rapid.SampledFrom([]canary.Gate{"", canary.GateOpen, canary.GateClosed, canary.GateDenied}).Draw(t, "gate"),
		Rolled:   rapid.SampledFrom([]canary.Roll{"", canary.Rolling, canary.RolledOut, canary.RollFailed}).Draw(t, "rolled"),
		Undoable: rapid.Bool().Draw(t, "undoable"),
	}
	if !o.CanaryReady {
		o.Unready = seconds(t, "not ready for", 30).Std()
	}
	return o
}
