package release

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/event"
)

// event is one with everything in it but what it is.
func (e *Engine) event(message string) event.Event {
	r := e.now()
	return event.Event{
		Time: e.c.Clock.Now().UTC(),
		Release: event.Release{
			ID: r.ID, App: e.route.App, Namespace: e.route.Namespace, Route: e.route.Kind + " " + e.route.Name, Host: e.route.Host,
			From: e.from, To: e.to, Image: r.Image,
		},
		At:      event.At{Phase: r.Phase, Step: r.Step, Steps: len(e.c.Plan.Steps), Weight: r.Weight, Basis: r.Basis},
		Message: message,
	}
}

func (e *Engine) say(kind event.Kind, message, by string) {
	said := e.event(message)
	said.Kind, said.By = kind, by
	if kind == event.Promoted || kind == event.RolledBack {
		said.Known = e.evidence.final(e.c.Clock.Now)
	}
	e.c.Tell(said)
}

func (e *Engine) warn(message string) { e.say(event.Warning, message, "") }

// warnOnce warns of a trouble, and not again for as long as its reason is the same,
// whatever else is warned of meanwhile.
func (e *Engine) warnOnce(trouble string, reason error) {
	if is := withoutNumbers(reason.Error()); e.warned[trouble] != is {
		e.warned[trouble] = is
		e.warn(trouble + ": " + reason.Error())
	}
}

// withoutNumbers is a text less all that differs from one time to the next, such as
// how long still, or from which port.
func withoutNumbers(text string) string {
	words := slices.DeleteFunc(strings.Fields(text), func(word string) bool { return strings.ContainsAny(word, "0123456789") })
	return strings.Join(words, " ")
}

// announce says whose release begins, or goes on.
func (e *Engine) announce() {
	r := e.now()
	if r.Phase == canary.Preparing && r.Step < 0 && !e.c.GoesOn {
		e.say(event.Started, fmt.Sprintf("releasing %s to replace %s", e.to, e.from), r.By)
		return
	}
	e.say(event.Attached, fmt.Sprintf("driven again, from %s", place(r, len(e.c.Plan.Steps))), "")
}

// place says where a release stands.
func place(r canary.Release, steps int) string {
	switch {
	case r.Step < 0:
		return "the beginning"
	case r.Rolling():
		return "the promotion"
	}
	return fmt.Sprintf("step %d of %d, %s%%", r.Step+1, steps, r.Weight)
}

// tellChange tells what another release state means, whoever wrote it.
func (e *Engine) tellChange(before, after canary.Release, why string) {
	by := ""
	if why == "" {
		by = e.route.Author
	}
	say := func(kind event.Kind, otherwise string) { e.say(kind, cmp.Or(why, after.Why, otherwise), by) }
	if before.Phase == canary.Paused && after.Phase != canary.Paused && !after.Phase.Over() {
		say(event.Resumed, "somebody resumed it")
	}
	switch {
	case before.Phase == after.Phase && before.Step == after.Step && before.Weight == after.Weight:
	case after.Phase == canary.RolledBack:
		say(event.RolledBack, "all traffic is with "+e.from)
	case after.Phase == canary.Promoted:
		say(event.Promoted, e.to+" is the stable version")
	case after.Phase == canary.Promoting:
		say(event.Rolling, "the stable Deployment is rolled to "+e.to)
	case after.Phase == canary.Paused && before.Phase != canary.Paused:
		say(event.Paused, "it waits for a person")
	case before.Step != after.Step || before.Weight != after.Weight:
		say(event.Step, place(after, len(e.c.Plan.Steps)))
	}
}

// tellWaiting tells what is waited for when that is another thing than before. How
// long still, or how many requests, is none.
func (e *Engine) tellWaiting(a canary.Action) {
	if e.waits = a.Why; a.Do != canary.Wait {
		e.waiting, e.waits = "", ""
		return
	}
	if thing := withoutNumbers(a.Why); thing != e.waiting {
		e.waiting = thing
		e.say(event.Waiting, a.Why, "")
	}
}

// tellGate tells what a gate answers where that is new: what is asked again after
// something else was waited for often is not.
func (e *Engine) tellGate(name string, step int, answer canary.Gate, why string) {
	said := gateState{name: name, step: step, answer: answer, why: why}
	if said == e.toldGate {
		return
	}
	e.toldGate = said
	message := fmt.Sprintf("gate %q is %s", name, answer)
	if why != "" {
		message += ": " + why
	}
	e.say(event.Gate, message, "")
}
