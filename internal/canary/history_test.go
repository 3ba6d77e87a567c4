package canary_test

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/canaryctl/canaryctl/internal/canary"
)

// world is a cluster with one release in it, reduced to what Next sees of it.
type world struct {
	plan  canary.Plan
	route canary.State // what the route says; Weights may be somebody else's
	now   time.Time

	canaryReady, stableReady bool
	unready, silent          time.Duration // for how long, by the engine's knowledge
	step, total              uint64        // requests that the canary answered
	began                    time.Time     // the step, by our own reckoning
	verdict                  canary.Verdict
	risk, harm               float64
	gate                     canary.Gate
	asked                    bool // the last action named a gate
	foreign                  string
	interrupted              bool
	rolled                   canary.Roll
	undoable                 bool
}

func newWorld(p canary.Plan) *world {
	return &world{
		plan: p, route: begun(), now: noon(), began: noon(),
		canaryReady: true, stableReady: true, verdict: canary.Inconclusive, risk: 0.001,
	}
}

func (w *world) seen() canary.Observation {
	o := canary.Observation{
		Now: w.now, Weights: w.route.Weights, Verdict: w.verdict, Exposure: w.step, Total: w.total,
		Harm: w.harm, Rate: 50, Risk: w.risk, Needs: 10, Lag: time.Second, Silent: w.silent,
		CanaryReady: w.canaryReady, StableReady: w.stableReady, Unready: w.unready,
		Foreign: w.foreign, Interrupted: w.interrupted, Rolled: w.rolled, Undoable: w.undoable,
	}
	if w.asked {
		o.Gate = w.gate
	}
	return o
}

// pass is time that goes by, with the requests that the canary gets in it.
func (w *world) pass(d time.Duration) {
	w.now = w.now.Add(d)
	if !w.canaryReady {
		w.unready += d
	}
	if w.silent > 0 {
		w.silent += d
	}
	if w.canaryReady && w.silent == 0 {
		n := uint64(math.Ceil(d.Seconds() * float64(w.share())))
		w.step, w.total = w.step+n, w.total+n
	}
}

// share is what part of its requests the canary gets, copies too.
func (w *world) share() canary.Percent {
	header, mirror := w.plan.Beside(w.route.Release)
	if header != nil {
		return 1
	}
	return w.route.Weights.Canary + mirror
}

// look is one round of the engine.
func (w *world) look(t tester) canary.Action {
	t.Helper()
	was := scene{w.plan, w.route, w.seen()}
	a := canary.Next(was.plan, was.state, was.seen)
	holds(t, was, a)
	survives(t, was, a)
	w.asked = a.Gate != ""
	if a.Undo {
		w.rolled = ""
	}
	if a.Do == canary.Wait {
		return a
	}
	w.route = a.After
	moved := a.Do == canary.TakeStep && (w.route.Step != was.state.Step || was.state.Wish != "")
	if moved || a.Do == canary.RollStable && !was.state.Rolling() {
		if w.route.Step > was.state.Step+1 && was.state.Wish == "" {
			t.Fatalf("from step %d to %d, unasked", was.state.Step, w.route.Step)
		}
		w.restart()
	}
	return a
}

// restart begins a step, by our own reckoning.
func (w *world) restart() { w.began, w.step = w.now, 0 }

// resume is what the command does.
func (w *world) resume() {
	was := w.route
	w.route.Release = w.route.Again(w.plan, w.route.Weights, w.now)
	if was.Phase != canary.Paused {
		return
	}
	w.foreign = ""
	if w.route.Weight != was.Weight && !w.route.Rolling() {
		w.restart()
	}
}

// rollBack is what the command does.
func (w *world) rollBack() {
	if w.route.Phase.Over() {
		return
	}
	w.route = canary.State{Release: w.route.Back("somebody asked", w.now), Weights: canary.AllStable()}
}

// people and Pods are the things that happen to a release.
func (w *world) happenings() map[string]func(*rapid.T) {
	live := func(f func(*rapid.T)) func(*rapid.T) {
		return func(t *rapid.T) {
			if !w.route.Phase.Over() {
				f(t)
			}
		}
	}
	look := func(t *rapid.T) { w.look(t) }
	later := func(t *rapid.T) {
		w.pass(time.Duration(rapid.IntRange(1, 40).Draw(t, "seconds")) * time.Second)
		w.look(t)
	}
	return map[string]func(*rapid.T){
		"look": look, "look again": look, "later": later, "much later": later, "later still": later,
		"canary": func(*rapid.T) { w.canaryReady, w.unready = !w.canaryReady, 0 },
		"stable": func(*rapid.T) { w.stableReady = !w.stableReady },
		"counts": func(*rapid.T) {
			if w.silent > 0 {
				w.silent = 0
			} else {
				w.silent = time.Second
			}
		},
		"evidence": func(t *rapid.T) {
			w.verdict = rapid.SampledFrom([]canary.Verdict{canary.Pass, canary.Inconclusive, canary.Inconclusive, canary.Fail}).Draw(t, "verdict")
			w.risk = rapid.Float64Range(0, 1).Draw(t, "risk")
		},
		"harm": func(t *rapid.T) { w.harm += rapid.Float64Range(-1, 3).Draw(t, "errors") },
		"gate": func(t *rapid.T) {
			w.gate = rapid.SampledFrom([]canary.Gate{"", canary.GateOpen, canary.GateOpen, canary.GateClosed, canary.GateDenied}).Draw(t, "gate")
		},
		"roll": func(t *rapid.T) {
			if w.route.Rolling() {
				w.rolled = rapid.SampledFrom([]canary.Roll{canary.Rolling, canary.RolledOut, canary.RollFailed}).Draw(t, "rolled")
				w.undoable = rapid.Bool().Draw(t, "undoable")
			}
		},
		"kill":      func(*rapid.T) { w.unready, w.silent = 0, min(w.silent, time.Second) },
		"interrupt": func(t *rapid.T) { w.interrupted = true; w.look(t); w.interrupted = false },
		"person pauses": live(func(*rapid.T) {
			w.route.Release = w.route.PausedFor(canary.CausePerson, "somebody asked", w.now)
		}),
		"person resumes": live(func(*rapid.T) { w.resume() }),
		"person wishes": live(func(t *rapid.T) {
			w.route.Release = w.route.Wished(rapid.SampledFrom([]canary.Wish{canary.WishSkip, canary.WishSkip, canary.WishSkip, canary.WishPromote}).Draw(t, "wish"))
		}),
		"somebody sets weights": live(func(t *rapid.T) {
			w.route.Weights = canary.ToCanary(canary.PercentOf(float64(rapid.OneOf(rapid.Just(0), rapid.IntRange(10, 1000)).Draw(t, "weight")), 1000))
		}),
		"somebody changes Pods": live(func(*rapid.T) { w.foreign = "somebody changed the Deployment" }),
	}
}

// In every history the laws hold at every moment, and from everywhere a person,
// a verdict of fail, and a good end are one act, one look, and a while away.
func TestNextHistories(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(anyPlan(t))
		happenings := w.happenings()
		happenings[""] = func(t *rapid.T) {
			w.reckons(t)
			person, evidence, end := *w, *w, *w
			person.rollBack()
			if !w.route.Phase.Over() && (person.route.Phase != canary.RolledBack || person.route.Weights != canary.AllStable()) {
				t.Fatalf("a rollback of %+v leaves %+v", w.route, person.route)
			}
			evidence.failsAtOnce(t)
			end.endsWell(t)
		}
		t.Repeat(happenings)
	})
}

// reckons compares the release's books with ours.
func (w *world) reckons(t *rapid.T) {
	r := w.route.Release
	if !r.Phase.Over() && !r.Since.Equal(w.began) {
		t.Fatalf("the step began at %s, and the release says %+v", w.began, r)
	}
	if r.Phase == canary.Paused && (r.Paused.Before(r.Since) || r.Paused.After(w.now)) || r.Resumed.After(w.now) {
		t.Fatalf("at %s it was never paused or resumed like this: %+v", w.now, r)
	}
}

// failsAtOnce: a verdict of fail gives everything back in one look, from every
// state that has something to give back to.
func (w *world) failsAtOnce(t *rapid.T) {
	if w.route.Phase.Over() || w.rolled != "" && !w.undoable {
		return
	}
	w.verdict, w.stableReady = canary.Fail, true
	if a := w.look(t); a.Do != canary.GiveBack || w.route.Weights != canary.AllStable() {
		t.Fatalf("a verdict of fail led to %s of %+v: %s", a.Do, w.route, a.Why)
	}
}

// endsWell: once nothing is wrong any more, and a person resumes what is paused,
// the release ends. No state is a trap.
func (w *world) endsWell(t *rapid.T) {
	w.canaryReady, w.stableReady, w.unready, w.silent = true, true, 0, 0
	w.verdict, w.risk, w.harm, w.gate, w.foreign = canary.Pass, 0, 0, canary.GateOpen, ""
	if w.route.Rolling() {
		w.rolled = canary.RolledOut
	}
	for range 600 {
		if w.route.Phase.Over() {
			return
		}
		if w.route.Phase == canary.Paused || w.route.Weights.Canary != w.route.Weight {
			w.route.Release = w.route.PausedFor(canary.CausePerson, "to adopt the weights", w.now)
			w.resume()
		}
		w.look(t)
		if w.route.Rolling() {
			w.rolled = canary.RolledOut
		}
		w.pass(5 * time.Second)
	}
	t.Fatalf("it does not end: %+v of %+v", w.route, w.plan)
}
