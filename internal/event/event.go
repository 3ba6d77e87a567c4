// Package event is the one vocabulary in which a release tells what happens to
// it: the terminal renders it, hooks send it on, a record keeps it, a report is
// drawn from it. An event is data; nothing here acts.
package event

import (
	"time"

	"github.com/canaryctl/canaryctl/internal/canary"
)

// Kind is what happened.
type Kind string

// The kinds. Their names are a contract: hooks and records carry them.
const (
	Started    Kind = "started"     // the release began, at 100/0
	Attached   Kind = "attached"    // an engine goes on with a release that it finds in the route
	Waiting    Kind = "waiting"     // it waits for something else than before
	Step       Kind = "step"        // the canary's weight, header or mirror changed
	Paused     Kind = "paused"      // it waits for a person
	Resumed    Kind = "resumed"     // a person let it go on
	Gate       Kind = "gate"        // a gate was asked and answered something new
	Evidence   Kind = "evidence"    // what is known of the canary after one more reading
	Rolling    Kind = "rolling"     // the stable Deployment is rolled to the canary's template
	Promoted   Kind = "promoted"    // over: the canary is the stable version
	RolledBack Kind = "rolled-back" // over: all traffic is with the stable version
	Stopped    Kind = "stopped"     // the canary's Pods were, because requests hung on them
	Retired    Kind = "retired"     // a version that is not needed any more was removed
	Foreign    Kind = "foreign"     // somebody else changed the route, a Deployment or the subsets
	Detached   Kind = "detached"    // this engine drives no more; the release stands in the route
	Warning    Kind = "warning"     // something that a person should know, and that stops nothing
)

// Kinds lists all of them, in the order in which a release may meet them.
func Kinds() []Kind {
	return []Kind{Started, Attached, Waiting, Step, Paused, Resumed, Gate, Evidence, Rolling, Promoted, RolledBack, Stopped, Retired, Foreign, Detached, Warning}
}

// Event is one thing that happened. As JSON it is a line of a record.
type Event struct {
	Time    time.Time `json:"time"`
	Kind    Kind      `json:"kind"`
	Release Release   `json:"release"`
	// At is where the release stands after it.
	At At `json:"at"`
	// Message is a sentence for people, without a full stop.
	Message string `json:"message"`
	// By is who caused it, where that was not the plan: a person, a field manager.
	By string `json:"by,omitempty"`
	// Known is set in Evidence, Promoted and RolledBack.
	Known *Known `json:"known,omitempty"`
}

// Release says of which release it is.
type Release struct {
	ID        string `json:"id"`
	App       string `json:"app"`
	Namespace string `json:"namespace"`
	Route     string `json:"route"` // kind and name: "VirtualService shop"
	Host      string `json:"host,omitempty"`
	From      string `json:"from"` // the stable version
	To        string `json:"to"`   // the canary
	Image     string `json:"image,omitempty"`
}

// At is a place in a release.
type At struct {
	Phase canary.Phase `json:"phase"`
	Step  int          `json:"step"`  // index; -1 before the first
	Steps int          `json:"steps"` // how many the plan has
	// Weight is the canary's share of the traffic in percent.
	Weight canary.Percent `json:"weight"`
	Basis  canary.Basis   `json:"basis,omitempty"` // what a promotion rests on
}

// Known is what the evidence says at a moment. Numbers that are not known are
// absent, since JSON has no NaN.
type Known struct {
	Verdict canary.Verdict `json:"verdict"`
	Why     string         `json:"why,omitempty"`
	Source  string         `json:"source,omitempty"` // where the counts come from
	// Counted is when the last reading that is in it was taken, by the source's
	// clock.
	Counted time.Time `json:"counted,omitzero"`
	// Metrics are in the order of the plan; errors first.
	Metrics []Metric `json:"metrics,omitempty"`
	// Harm estimates the users who got no answer of the canary, or a bad one, beyond
	// those that stable would have failed. Needed is how many seconds more a decision takes if all goes on
	// as it has.
	Harm   float64  `json:"harm,omitempty"`
	Needed *float64 `json:"needed,omitempty"`
	// P95 is the latency in seconds below which 95% of the answers since the last
	// reading stayed, interpolated within a bucket: to look at, not to decide by.
	P95 *Pair `json:"p95,omitempty"`
}

// Metric is what one metric says, over the whole release.
type Metric struct {
	Name    string         `json:"name"`
	Verdict canary.Verdict `json:"verdict"`
	Stable  Arm            `json:"stable"`
	Canary  Arm            `json:"canary"`
	// Ratio is how many times as often the canary's requests were bad as stable's,
	// between Lower and Upper with 95% confidence at every moment.
	Ratio *float64 `json:"ratio,omitempty"`
	Lower *float64 `json:"lower,omitempty"`
	Upper *float64 `json:"upper,omitempty"`
	// LogE is the natural logarithm of the evidence against the canary, which
	// suffices at Threshold; LogPass and PassAt are the same for it.
	LogE      float64 `json:"logE"`
	Threshold float64 `json:"threshold"`
	LogPass   float64 `json:"logPass"`
	PassAt    float64 `json:"passAt"`
}

// Arm is what one version answered.
type Arm struct {
	Requests uint64 `json:"requests"`
	Bad      uint64 `json:"bad"`
}

// Pair is one number for each version.
type Pair struct {
	Stable float64 `json:"stable"`
	Canary float64 `json:"canary"`
}
