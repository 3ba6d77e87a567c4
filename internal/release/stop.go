package release

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/canaryctl/canaryctl/internal/analysis"
	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/event"
)

// A client with one connection, as those of gRPC have, stands still when requests that
// hang fill its limit of streams: for the other version, too, and whatever the route
// says since. Only the end of the Pods ends them.

// hangs reports whether the evidence is against the canary for requests that it left
// unanswered.
func (e *Engine) hangs() bool {
	if e.evidence.verdict() != canary.Fail {
		return false
	}
	v, err := e.evidence.analysis.Verdict()
	return err == nil && slices.Contains(v.Causes, analysis.Unanswered)
}

// stopHanging stops the Pods of a canary on which requests hung, once the traffic is
// back. Whoever is killed between the two leaves them: the release is over, and
// nobody takes it up again.
func (e *Engine) stopHanging(ctx context.Context) {
	if e.now().Phase != canary.RolledBack || !e.hangs() {
		return
	}
	e.hung = true
	if e.c.Stop == nil || e.route.Weights.Canary > 0 {
		return
	}
	switch err := e.tryStop(ctx); {
	case ctx.Err() != nil:
	case err != nil:
		e.warn(fmt.Sprintf("requests hang on the Pods of %s, and these could not be stopped: %v", e.to, err))
	default:
		e.halted = true
		e.say(event.Stopped, fmt.Sprintf("the Pods of %s are stopped, because requests hung on them", e.to), "")
	}
}

// tryStop tries for a while.
func (e *Engine) tryStop(ctx context.Context) error {
	until := e.c.Clock.Now().Add(stopPatience)
	for {
		bounded, cancel := context.WithTimeout(ctx, writePatience)
		err := e.c.Stop(bounded)
		cancel()
		if err == nil || lasting(err) || !e.c.Clock.Now().Before(until) {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-e.c.Clock.After(time.Second):
		}
	}
}
