package canary_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/canaryctl/canaryctl/internal/canary"
)

// scene is a release as it stands, and what is seen of it when nothing happens.
type scene struct {
	plan  canary.Plan
	state canary.State
	seen  canary.Observation
}

// at is a release of p in the middle of a step.
func at(p canary.Plan, step int) scene {
	s := begun()
	s.Step, s.Since, s.Phase = step, noon().Add(time.Minute), canary.Progressing
	s.Weight, s.Cleared = p.Steps[step].Share(), step+1
	s.Weights = canary.ToCanary(s.Weight)
	return scene{p, s, fine(s, s.Since.Add(30*time.Second))}
}

// ripe is the same with all that the step asks for.
func ripe(p canary.Plan, step int) scene {
	c := at(p, step)
	c.seen.Now = c.state.Since.Add(2 * time.Minute)
	c.seen.Exposure = p.Steps[step].Exposure
	return c
}

func (c scene) paused(cause canary.Cause) scene {
	c.state.Release = c.state.PausedFor(cause, "somebody had to look", c.seen.Now)
	c.seen.Now = c.seen.Now.Add(time.Second)
	return c
}

// rolling is a promotion in place on its way.
func rolling(how canary.Roll) scene {
	p := plan()
	p.Promotion = canary.InPlace
	c := ripe(p, 2)
	c.seen.Verdict = canary.Pass
	c.state = canary.Next(p, c.state, c.seen).After
	c.seen = fine(c.state, c.seen.Now.Add(time.Second))
	c.seen.Rolled = how
	return c
}

func over(phase canary.Phase) scene {
	c := at(plan(), 2)
	switch phase {
	case canary.Promoted:
		c.state.Release = c.state.Done(canary.Proved, 100, "good", c.seen.Now)
		c.state.Weights = canary.AllCanary()
	default:
		c.state.Release, c.state.Weights = c.state.Back("bad", c.seen.Now), canary.AllStable()
	}
	c.seen = fine(c.state, c.seen.Now)
	return c
}

// scenes are the states that a release may be in, by the name of their column.
func scenes() map[string]scene {
	p, begins := plan(), begun()
	header := plan()
	header.Steps = append([]canary.Step{{Header: &canary.Header{Name: "x-user", Value: "us"}, Min: canary.Duration(time.Minute)}}, header.Steps...)
	mirror := plan()
	mirror.Steps = append([]canary.Step{{Mirror: true, Weight: 50, Min: canary.Duration(time.Minute)}}, mirror.Steps...)
	return map[string]scene{
		"prep":  {p, begins, fine(begins, noon().Add(time.Second))},
		"young": at(p, 0),
		"ripe0": ripe(p, 0), // the next step asks a person
		"ripe1": ripe(p, 1), // the next step asks a gate
		"last":  ripe(p, 2), // the promotion is next
		"head":  ripe(header, 0),
		"mirr":  ripe(mirror, 0),
		"held":  ripe(p, 0).paused(canary.CausePerson),
		"roll":  rolling(""),
		"roll2": rolling(canary.Rolling),
		"rheld": rolling(canary.Rolling).paused(canary.CausePerson),
		"done":  over(canary.Promoted),
		"back":  over(canary.RolledBack),
	}
}

// events are what may happen, by the name of their row.
func events() map[string]func(*scene) {
	seen := func(f func(o *canary.Observation)) func(*scene) { return func(c *scene) { f(&c.seen) } }
	wish := func(w canary.Wish) func(*scene) { return func(c *scene) { c.state.Wish = w } }
	policy := func(change string, r canary.Response) func(*scene) {
		return func(c *scene) {
			c.plan.Policy = canary.Policy{NoData: r, Timeout: r, Doubt: r, Foreign: r, Interrupt: r}
			events()[change](c)
		}
	}
	list := map[string]func(*scene){
		"nothing":       func(*scene) {},
		"fail":          seen(func(o *canary.Observation) { o.Verdict = canary.Fail }),
		"pass":          seen(func(o *canary.Observation) { o.Verdict = canary.Pass }),
		"exposure":      seen(func(o *canary.Observation) { o.Exposure, o.Total = 1000, 1000 }),
		"budget":        func(c *scene) { c.plan.Budget, c.seen.Harm, c.seen.HarmError = 10, 14.5, 2 },
		"broken":        seen(func(o *canary.Observation) { o.Broken, o.CanaryReady = "no such image", false }),
		"canary-blinks": seen(func(o *canary.Observation) { o.CanaryReady, o.Unready = false, time.Second }),
		"canary-gone":   seen(func(o *canary.Observation) { o.CanaryReady, o.Unready = false, time.Minute }),
		"stable-gone":   seen(func(o *canary.Observation) { o.StableReady = false }),
		"both-gone": seen(func(o *canary.Observation) {
			o.CanaryReady, o.StableReady, o.Unready = false, false, time.Minute
		}),
		"fail+stable-gone": seen(func(o *canary.Observation) { o.Verdict, o.StableReady = canary.Fail, false }),
		"weights":          seen(func(o *canary.Observation) { o.Weights = canary.Weights{Stable: 67, Canary: 33} }),
		"foreign":          seen(func(o *canary.Observation) { o.Foreign = "kubectl changed the Deployment" }),
		"interrupt":        seen(func(o *canary.Observation) { o.Interrupted = true }),
		"blip":             seen(func(o *canary.Observation) { o.Silent = 15 * time.Second }),
		"silence":          seen(func(o *canary.Observation) { o.Silent = 2 * time.Minute }),
		"blip-of-canary":   seen(func(o *canary.Observation) { o.CanarySilent = 15 * time.Second }),
		"canary-silent":    seen(func(o *canary.Observation) { o.CanarySilent = 2 * time.Minute }),
		"stable-silent":    seen(func(o *canary.Observation) { o.StableSilent = 2 * time.Minute }),
		"late":             seen(func(o *canary.Observation) { o.Now = o.Now.Add(time.Hour) }),
		"open":             seen(func(o *canary.Observation) { o.Gate = canary.GateOpen }),
		"denied":           seen(func(o *canary.Observation) { o.Gate = canary.GateDenied }),
		"skip":             wish(canary.WishSkip),
		"promote":          wish(canary.WishPromote),
		"promote+fail":     func(c *scene) { c.state.Wish, c.seen.Verdict = canary.WishPromote, canary.Fail },
		"promote+blink": func(c *scene) {
			c.state.Wish, c.seen.CanaryReady, c.seen.Unready = canary.WishPromote, false, time.Second
		},
		"fail+undo":        seen(func(o *canary.Observation) { o.Verdict, o.Undoable = canary.Fail, true }),
		"canary-gone+undo": seen(func(o *canary.Observation) { o.CanaryReady, o.Unready, o.Undoable = false, time.Minute, true }),
		"undo":             seen(func(o *canary.Observation) { o.Undoable = true }),
		"rolled-out":       seen(func(o *canary.Observation) { o.Rolled = canary.RolledOut }),
		"roll-failed":      seen(func(o *canary.Observation) { o.Rolled = canary.RollFailed }),
	}
	for _, name := range []string{"weights", "foreign", "interrupt", "silence", "canary-silent", "stable-silent", "late", "nothing"} {
		list[name+"/hold"] = policy(name, canary.Hold)
		list[name+"/pause"] = policy(name, canary.Pause)
		list[name+"/back"] = policy(name, canary.RollBack)
	}
	return list
}

// Every state meets every event. A cell is what is done:
//
//	.  wait    G  wait, and ask the gate    S  step          P  pause
//	B  roll back    R  roll the stable Deployment            F  promote
//
// What follows a slash is the policy that the plan has for everything.
func TestNextTable(t *testing.T) {
	const table = `
                 prep young ripe0 ripe1 last head mirr held roll roll2 rheld done back
nothing             S     .     P     G    .    S    S    .    .     .     .    .    .
nothing/hold        S     .     P     G    .    S    S    .    .     .     .    .    .
nothing/pause       S     .     P     G    P    S    S    .    .     .     .    .    .
nothing/back        S     .     P     G    B    S    S    .    .     .     .    .    .
pass                S     .     P     G    F    S    S    .    .     .     .    .    .
exposure            S     .     P     G    F    S    S    .    .     .     .    .    .
fail                B     B     B     B    B    B    B    B    B     P     .    .    .
budget              B     B     B     B    B    B    B    B    B     P     .    .    .
broken              B     B     B     B    B    B    B    B    B     P     .    .    .
canary-blinks       .     .     .     .    .    .    .    .    .     .     .    .    .
canary-gone         .     B     B     B    B    .    .    B    B     P     P    .    .
stable-gone         .     .     .     .    .    .    .    .    .     .     .    .    .
both-gone           .     .     .     .    .    .    .    .    .     .     .    .    .
fail+stable-gone    B     .     .     .    .    B    B    .    .     P     .    .    .
fail+undo           B     B     B     B    B    B    B    B    B     B     B    .    .
canary-gone+undo    .     B     B     B    B    .    .    B    B     B     B    .    .
weights             P     P     P     P    P    P    P    .    P     P     .    .    .
weights/hold        .     .     .     .    .    .    .    .    .     .     .    .    .
weights/pause       P     P     P     P    P    P    P    .    P     P     .    .    .
weights/back        B     B     B     B    B    B    B    .    P     P     .    .    .
foreign             P     P     P     P    P    P    P    .    P     P     .    .    .
foreign/hold        .     .     .     .    .    .    .    .    .     .     .    .    .
foreign/pause       P     P     P     P    P    P    P    .    P     P     .    .    .
foreign/back        B     B     B     B    B    B    B    .    P     P     .    .    .
interrupt           P     P     P     P    P    P    P    .    .     .     .    .    .
interrupt/hold      P     P     P     P    P    P    P    .    .     .     .    .    .
interrupt/pause     P     P     P     P    P    P    P    .    .     .     .    .    .
interrupt/back      B     B     B     B    B    B    B    B    .     .     .    .    .
blip                S     .     .     .    .    S    .    .    .     .     .    .    .
silence             S     .     .     .    .    S    .    .    .     .     .    .    .
silence/hold        S     .     .     .    .    S    .    .    .     .     .    .    .
silence/pause       S     P     P     P    P    S    P    .    .     .     .    .    .
silence/back        S     B     B     B    B    S    B    .    .     .     .    .    .
blip-of-canary      S     .     .     .    .    S    .    .    .     .     .    .    .
canary-silent       S     .     .     .    .    S    .    .    .     .     .    .    .
canary-silent/hold  S     .     .     .    .    S    .    .    .     .     .    .    .
canary-silent/pause S     P     P     P    P    S    P    .    .     .     .    .    .
canary-silent/back  S     B     B     B    B    S    B    .    .     .     .    .    .
stable-silent       S     .     .     .    .    S    .    .    .     .     .    .    .
stable-silent/hold  S     .     .     .    .    S    .    .    .     .     .    .    .
stable-silent/pause S     P     P     P    P    S    P    .    .     .     .    .    .
stable-silent/back  S     B     B     B    B    S    B    .    .     .     .    .    .
late                P     P     P     P    P    P    P    .    .     .     .    .    .
late/hold           S     .     P     G    .    S    S    .    .     .     .    .    .
late/pause          P     P     P     P    P    P    P    .    .     .     .    .    .
late/back           B     B     B     B    B    B    B    .    .     .     .    .    .
open                S     .     P     S    .    S    S    .    .     .     .    .    .
denied              S     .     P     B    .    S    S    .    .     .     .    .    .
skip                S     S     S     S    F    S    S    S    .     .     R    .    .
promote             F     F     F     F    F    F    F    F    .     .     R    .    .
promote+fail        B     B     B     B    B    B    B    B    B     P     .    .    .
promote+blink       .     .     .     .    .    .    .    .    .     .     R    .    .
undo                S     .     P     G    .    S    S    .    .     .     .    .    .
rolled-out          S     .     P     G    .    S    S    .    F     F     .    .    .
roll-failed         S     .     P     G    .    S    S    .    P     P     .    .    .
`
	lines := strings.Split(strings.TrimSpace(table), "\n")
	columns := strings.Fields(lines[0])
	all := events()
	for _, line := range lines[1:] {
		cells := strings.Fields(line)
		name, want := cells[0], strings.Join(cells[1:], " ")
		var got []string
		for _, column := range columns {
			c := scenes()[column]
			all[name](&c)
			a := canary.Next(c.plan, c.state, c.seen)
			holds(t, c, a)
			survives(t, c, a)
			got = append(got, cell(a))
		}
		if diff := cmp.Diff(want, strings.Join(got, " ")); diff != "" {
			t.Errorf("%s, of %s (-want +got):\n%s", name, columns, diff)
		}
		delete(all, name)
	}
	if len(columns) != len(scenes()) || len(all) > 0 {
		t.Errorf("the table lacks some of the states %v, or the events %v", scenes(), all)
	}
}

func cell(a canary.Action) string {
	if a.Gate != "" {
		return "G"
	}
	return map[canary.Move]string{
		canary.Wait: ".", canary.TakeStep: "S", canary.TakePause: "P",
		canary.GiveBack: "B", canary.RollStable: "R", canary.Finish: "F",
	}[a.Do]
}
