package release

import (
	"context"
	"time"

	"github.com/canaryctl/canaryctl/internal/canary"
)

// gateState is what is known of the gate that the release stands before.
type gateState struct {
	name   string
	step   int // that the release is at
	asking bool
	answer canary.Gate
	why    string
	next   time.Time // when it may be asked again
}

// askGate asks the gate that an action names, beside the loop. No answer outlives
// the place that it was asked at.
func (e *Engine) askGate(ctx context.Context, a canary.Action) {
	step, now := e.now().Step, e.c.Clock.Now()
	if e.gate.name != "" && (e.gate.step != step || a.Gate != e.gate.name && a.Do == canary.Wait) {
		e.gate = gateState{}
	}
	if a.Gate == "" || e.gate.asking || e.gate.name == a.Gate && now.Before(e.gate.next) {
		return
	}
	e.gate = gateState{name: a.Gate, step: step, asking: true, answer: e.gate.answer, why: e.gate.why}
	at, before := e.event(a.Why), e.beforeWhat(step)
	e.beside(func() {
		answer, why, err := e.c.Ask(ctx, a.Gate, before, at)
		e.tell(ctx, func() { e.haveAnswer(a.Gate, step, answer, why, err) })
	})
}

// beforeWhat is what the gate is asked about.
func (e *Engine) beforeWhat(step int) string {
	switch {
	case step < 0:
		return "start"
	case step+1 >= len(e.c.Plan.Steps):
		return "promotion"
	}
	return "step"
}

func (e *Engine) haveAnswer(name string, step int, answer canary.Gate, why string, err error) {
	if e.gate.name != name || e.gate.step != step {
		return // the release is elsewhere by now
	}
	if err != nil {
		answer, why = canary.GateClosed, err.Error()
	}
	e.tellGate(name, step, answer, why)
	e.gate.asking, e.gate.answer, e.gate.why = false, answer, why
	e.gate.next = e.c.Clock.Now().Add(e.c.GateEvery(name))
}
