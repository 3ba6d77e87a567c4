package record

import (
	"slices"
	"time"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/event"
)

// Release is what a record tells of one release. Its JSON is a contract,
// described in docs/report.md.
type Release struct {
	event.Release
	// Outcome is Promoted or RolledBack, or the phase in which the record stops.
	Outcome canary.Phase `json:"outcome"`
	Basis   canary.Basis `json:"basis,omitempty"`
	// Why is the last sentence about it: why it ended, or what it waits for.
	Why string `json:"why"`
	// By is who began it, Ended who ended it where that was not the plan; People
	// are all who had a hand in it, in the order in which they did.
	By      string   `json:"by,omitempty"`
	EndedBy string   `json:"endedBy,omitempty"`
	People  []string `json:"people,omitempty"`
	// Began and Last are the first and the last that is known of the way there;
	// what came after the outcome is left out.
	Began time.Time `json:"began"`
	Last  time.Time `json:"last"`
	// MaxWeight is the most traffic that the canary had, in percent.
	MaxWeight canary.Percent `json:"maxWeight"`
	// Paused is how long it waited for a person.
	Paused Seconds `json:"pausedSeconds"`
	Hurt   Hurt    `json:"hurt"`
	Steps  []Step  `json:"steps"`
	Gaps   []Gap   `json:"gaps,omitempty"`
	// Known is the last that the evidence said; nil for nothing.
	Known  *event.Known  `json:"known,omitempty"`
	Events []event.Event `json:"-"`
}

// Hurt is what the canary cost the users.
type Hurt struct {
	// Requests are those that the canary answered, Bad those of them that failed.
	Requests uint64 `json:"requests"`
	Bad      uint64 `json:"bad"`
	// Harm estimates the errors beyond those that stable would have made.
	Harm float64 `json:"harm"`
}

// Step is a time at one step of the plan.
type Step struct {
	// Step is its index; -1 before the first. Phase is that at its end.
	Step  int          `json:"step"`
	Phase canary.Phase `json:"phase"`
	// Weight is the canary's share in percent at its end; First that at its
	// beginning, from which a ramp may have moved it.
	Weight canary.Percent `json:"weight"`
	First  canary.Percent `json:"firstWeight"`
	From   time.Time      `json:"from"`
	To     time.Time      `json:"to"`
	Paused Seconds        `json:"pausedSeconds"`
	// Stable and Canary are what was answered during it, by the metric of errors.
	Stable event.Arm `json:"stable"`
	Canary event.Arm `json:"canary"`
}

// Took is how long the step lasted.
func (s Step) Took() time.Duration { return s.To.Sub(s.From) }

// Seconds is a duration that is a number in JSON.
type Seconds float64

// Std is the same for package time.
func (s Seconds) Std() time.Duration { return time.Duration(float64(s) * float64(time.Second)) }

// newRelease derives the facts from the events, at least one, sorted by time.
func newRelease(events []event.Event) Release {
	r := Release{Release: events[0].Release, Events: events, Began: events[0].Time}
	for _, e := range events {
		r.follow(e)
	}
	r.Steps = steps(r.Course())
	r.Gaps = gaps(r.Course())
	for _, s := range r.Steps {
		r.Paused += s.Paused
	}
	return r
}

// follow notes what one more event says. What comes after the end, as the
// removal of the old version, is no part of the way there.
func (r *Release) follow(e event.Event) {
	if e.Release.Image != "" {
		r.Image = e.Release.Image
	}
	if e.By != "" && !slices.Contains(r.People, e.By) {
		r.People = append(r.People, e.By)
	}
	if ends := e.At.Phase.Over() && e.At.Phase != r.Outcome; r.Outcome.Over() && !ends {
		return
	}
	r.Outcome, r.Last = e.At.Phase, e.Time
	r.MaxWeight = max(r.MaxWeight, e.At.Weight)
	if e.At.Basis != "" {
		r.Basis = e.At.Basis
	}
	if e.Message != "" && e.Kind != event.Evidence {
		r.Why = e.Message
	}
	switch e.Kind {
	case event.Started:
		r.By = e.By
	case event.Promoted, event.RolledBack:
		r.EndedBy = e.By
	}
	if e.Known != nil {
		r.Known = e.Known
		r.Hurt.Harm = e.Known.Harm
		if _, c, ok := arms(e); ok {
			r.Hurt.Requests, r.Hurt.Bad = max(r.Hurt.Requests, c.Requests), max(r.Hurt.Bad, c.Bad)
		}
	}
}

// Course are the events up to the outcome.
func (r Release) Course() []event.Event {
	end := slices.IndexFunc(r.Events, func(e event.Event) bool { return e.Time.After(r.Last) })
	if end < 0 {
		return r.Events
	}
	return r.Events[:end]
}

// arms are the counts of the first metric, errors.
func arms(e event.Event) (stable, canary event.Arm, ok bool) {
	if e.Known == nil || len(e.Known.Metrics) == 0 {
		return stable, canary, false
	}
	return e.Known.Metrics[0].Stable, e.Known.Metrics[0].Canary, true
}
