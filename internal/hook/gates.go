package hook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/event"
	"github.com/canaryctl/canaryctl/internal/hint"
)

// ErrNoGate marks a gate that no plan defines.
var ErrNoGate = errors.New("no such gate")

const defaultEvery = 5 * time.Second

// What a question may be asked before.
const (
	BeforeStart     = "start"     // the first step
	BeforeStep      = "step"      // any other
	BeforePromotion = "promotion" // the end
)

// Question is what a gate is asked.
type Question struct {
	// Event says where the release stands, and what is known.
	Event event.Event
	// Before is what will begin once the gate is open: see the constants above.
	Before string
}

// asked is a question as a webhook gets it.
type asked struct {
	Name   string      `json:"name"`
	Before string      `json:"before"`
	Event  event.Event `json:"event"`
}

// Gates are those that a plan defines, by name.
type Gates struct {
	specs  map[string]Gate
	config Config
}

// NewGates checks the gates and asks none. Its error wraps ErrSpec. What a gate
// uses of this machine is read when it is asked: a release that cannot ask its
// gate must still be able to roll back.
func NewGates(specs map[string]Gate, c Config) (*Gates, error) {
	for _, name := range slices.Sorted(maps.Keys(specs)) {
		if err := invalid("spec.gates."+name, specs[name].Mistakes()); err != nil {
			return nil, hint.Wrap(err, "mend it in the plan; docs/hooks.md shows gates of both kinds")
		}
	}
	return &Gates{specs: maps.Clone(specs), config: c.completed()}, nil
}

// Every is how long to wait before a closed gate is asked again.
func (g *Gates) Every(name string) time.Duration {
	if every := g.specs[name].Every.Std(); every > 0 {
		return every
	}
	return defaultEvery
}

// Ask asks the gate of that name once, which takes as long as its timeout and
// retries allow, and says why it answers so, in words that stay the same while
// the reason does. Whatever is no clear answer is
// closed: a gate that fails neither lets a release go on nor ends it. The error
// wraps ErrNoGate, or is that of a context that ended. It may be called by
// several at once.
func (g *Gates) Ask(ctx context.Context, name string, q Question) (canary.Gate, string, error) {
	spec, ok := g.specs[name]
	if !ok {
		err := fmt.Errorf("ask the gate %q: %w in the plan, which has %s", name, ErrNoGate, said(list(slices.Sorted(maps.Keys(g.specs))), "none"))
		return canary.GateClosed, "", hint.Wrap(err, "define it under gates in the plan, or take its name off the step")
	}
	ask := g.config.askWebhook
	if spec.Command != nil {
		ask = g.config.askCommand
	}
	gate, why := ask(ctx, spec, asked{Name: name, Before: q.Before, Event: q.Event})
	if err := ctx.Err(); err != nil {
		return canary.GateClosed, "", fmt.Errorf("ask the gate %q: %w", name, err)
	}
	return gate, why, nil
}

// askWebhook returns the answer and its reason.
func (c Config) askWebhook(ctx context.Context, spec Gate, q asked) (canary.Gate, string) {
	body, err := json.Marshal(q)
	if err != nil {
		return canary.GateClosed, fmt.Sprintf("the question cannot be written as JSON: %v", err)
	}
	a, err := post{
		Config: c, hook: *spec.Webhook, final: decisive, wait: c.pause,
		message: message{
			// Every asking is a message of its own: the answer may have changed.
			id:          identify("gate", body, c.Clock.Now()),
			contentType: "application/json", body: body,
		},
	}.send(ctx)
	if err != nil {
		return canary.GateClosed, err.Error()
	}
	return judge(a)
}

// askCommand returns the answer and its reason.
func (c Config) askCommand(ctx context.Context, spec Gate, q asked) (canary.Gate, string) {
	body, err := json.Marshal(q.Event)
	if err != nil {
		return canary.GateClosed, fmt.Sprintf("the event cannot be written as JSON: %v", err)
	}
	variables := append(environment(q.Event), "CANARYCTL_GATE="+q.Name, "CANARYCTL_BEFORE="+q.Before)
	status, last, err := c.run(ctx, *spec.Command, body, variables)
	if err != nil {
		return canary.GateClosed, err.Error()
	}
	ended := fmt.Sprintf("%s ended with status %d", spec.Command.name(), status)
	switch {
	case status == 0:
		return canary.GateOpen, said(last, ended)
	case status == exitLater:
		return canary.GateClosed, said(last, ended)
	case status >= exitNotRun:
		// A shell's way to say that it could not run something, or that a signal
		// ended it: no answer.
		return canary.GateClosed, ended
	}
	return canary.GateDenied, said(last, ended)
}

// said is a sentence, or another where there is none.
func said(words, otherwise string) string {
	if words == "" {
		return otherwise
	}
	return words
}
