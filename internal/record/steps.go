package record

import (
	"time"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/event"
)

// silence is how long nothing may be told before it counts as a gap between two
// engines of which the first took no leave: two readings may be so far apart.
const silence = 5 * time.Second

// Gap is a time in which no engine drove the release.
type Gap struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to,omitzero"` // zero while none has gone on
	// Died says that the engine took no leave: it was killed, or cut off.
	Died bool `json:"died,omitempty"`
}

// steps are the times between changes of the step. The roll of the stable
// Deployment is one of its own. Counts are those since the beginning, which a
// source may repeat a little lower after a restart, so only growth counts.
func steps(events []event.Event) []Step {
	var all []Step
	var stable, answered event.Arm
	var before event.Event
	for i, e := range events {
		if len(all) > 0 {
			now := &all[len(all)-1]
			now.To = e.Time
			if before.At.Phase == canary.Paused {
				now.Paused += Seconds(e.Time.Sub(before.Time).Seconds())
			}
			if s, c, ok := arms(e); ok {
				grow(&now.Stable, &stable, s)
				grow(&now.Canary, &answered, c)
			}
		}
		if i == 0 || begins(before.At, e.At) {
			all = append(all, Step{Step: e.At.Step, First: e.At.Weight, From: e.Time, To: e.Time})
		}
		if now := &all[len(all)-1]; !e.At.Phase.Over() {
			now.Phase, now.Weight = e.At.Phase, e.At.Weight
		}
		before = e
	}
	return all
}

func begins(was, is event.At) bool {
	switch {
	case is.Phase.Over():
		return false
	case was.Phase.Over():
		return true
	}
	return was.Step != is.Step || (was.Phase == canary.Promoting) != (is.Phase == canary.Promoting)
}

func grow(sum, seen *event.Arm, now event.Arm) {
	if now.Requests > seen.Requests {
		sum.Requests += now.Requests - seen.Requests
		seen.Requests = now.Requests
	}
	if now.Bad > seen.Bad {
		sum.Bad += now.Bad - seen.Bad
		seen.Bad = now.Bad
	}
}

// gaps are between an engine's leave, or the last that it told, and the next
// engine. One that is taken over says so after its successor began: others
// follow at once.
func gaps(events []event.Event) []Gap {
	var all []Gap
	for i, e := range events {
		switch {
		case e.Kind == event.Attached && i > 0:
			was := events[i-1]
			left := was.Kind == event.Detached
			if apart := e.Time.Sub(was.Time); apart > silence || left && apart > 0 {
				all = append(all, Gap{From: was.Time, To: e.Time, Died: !left})
			}
		case e.Kind == event.Detached && i == len(events)-1 && !e.At.Phase.Over():
			all = append(all, Gap{From: e.Time})
		}
	}
	return all
}
