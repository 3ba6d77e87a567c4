package canary

import "time"

// Release is where an automated release stands. It is part of the Position, so
// that it changes in the same write as the weights: who reads the route knows
// where to go on.
type Release struct {
	// ID tells this release from the others of the application.
	ID string `json:"id"`
	// Plan is the hash of the Plan, which the route carries in PlanAnnotation.
	Plan  string `json:"plan"`
	Phase Phase  `json:"phase"`
	// Step is the index of the step that the weights are of; -1 before the first.
	Step int `json:"step"`
	// Weight is the canary's weight that the engine set last, in percent. The
	// route says another: then somebody else moved the traffic.
	Weight Percent `json:"weight"`
	// Started is when the release began. Since is when this step did, or the roll
	// of the stable Deployment, or when the release ended; a pause leaves it.
	Started time.Time `json:"started"`
	Since   time.Time `json:"since"`
	// Paused is when the pause began; zero unless it is paused. Cause says of what
	// kind it is.
	Paused time.Time `json:"paused,omitzero"`
	Cause  Cause     `json:"cause,omitempty"`
	// Resumed is when it was last resumed. A person has looked then, so what may
	// take only so long unattended counts from there: Step.Max and Plan.Timeout.
	Resumed time.Time `json:"resumed,omitzero"`
	// Cleared counts the steps from the first whose beginning nobody needs to be
	// asked about any more; the promotion counts as one more step.
	Cleared int `json:"cleared,omitempty"`
	// Templates tells the Pod templates that are judged from any others.
	Templates string `json:"templates,omitempty"`
	// Judged is since when they are, where that is later than Started.
	Judged time.Time `json:"judged,omitzero"`
	// Image and By say what is released and who began it.
	Image string `json:"image,omitempty"`
	By    string `json:"by,omitempty"`
	// Why says in a sentence why it is paused, or why it ended.
	Why string `json:"why,omitempty"`
	// Wish is what a person asked a running engine for and it has not done yet.
	Wish Wish `json:"wish,omitempty"`
	// Basis is what the promotion rests on.
	Basis Basis `json:"basis,omitempty"`
}

// Phase is what a release is at.
type Phase string

// The phases. Each says what the traffic is.
const (
	// Preparing: the canary is being created and gets no traffic.
	Preparing Phase = "preparing"
	// Progressing: the canary gets the traffic of a step.
	Progressing Phase = "progressing"
	// Paused: as Progressing, and waiting for a person.
	Paused Phase = "paused"
	// Promoting: the canary has all traffic while the stable Deployment is rolled
	// to its template; only with InPlace.
	Promoting Phase = "promoting"
	// Promoted, RolledBack: it is over.
	Promoted   Phase = "promoted"
	RolledBack Phase = "rolled-back"
)

// Over reports whether nothing is left to do.
func (p Phase) Over() bool { return p == Promoted || p == RolledBack }

// Cause is why a release is paused.
type Cause string

// What a release may be paused for. The sentence is in Release.Why.
const (
	CausePerson    Cause = "person"    // somebody asked for it
	CauseStep      Cause = "step"      // the plan asks a person before the next step
	CauseRamp      Cause = "ramp"      // any traffic at all could cost more errors than the ramp allows
	CauseDoubt     Cause = "doubt"     // the steps are over, the evidence is not
	CauseNoData    Cause = "no data"   // nothing is known of the canary
	CauseTimeout   Cause = "timeout"   // a step, or the release, took too long
	CauseForeign   Cause = "foreign"   // somebody else changed something
	CauseInterrupt Cause = "interrupt" // the engine was told to end
	CauseRoll      Cause = "roll"      // the stable Deployment does not follow, or should not
)

// Wish is what a person may ask of a running release.
type Wish string

const (
	// WishSkip begins the next step at once.
	WishSkip Wish = "skip"
	// WishPromote goes to the end at once. A verdict of fail overrules it.
	WishPromote Wish = "promote"
)

// Basis is what a promotion rests on. Only the first two are unattended.
type Basis string

// What a promotion may rest on.
const (
	// Proved: the verdict was pass, at the stated error rate.
	Proved Basis = "proved"
	// PassedOnExposure: the planned exposure was reached without an alarm. That
	// has the power which was planned, and is no proof.
	PassedOnExposure Basis = "passed on exposure" //nolint:gosec // words, and no password
	// ByHand: a person asked for it.
	ByHand Basis = "by hand"
)

// PlanAnnotation is the key under which a route carries the Plan of its release,
// HistoryAnnotation that of the releases that are over.
const (
	PlanAnnotation    = "canaryctl.io/plan"
	HistoryAnnotation = "canaryctl.io/history"
)

// Ended is what is remembered of a release that is over.
type Ended struct {
	ID       string    `json:"id"`
	Outcome  Phase     `json:"outcome"`
	From     string    `json:"from"` // the stable version
	To       string    `json:"to"`   // the canary
	Image    string    `json:"image,omitempty"`
	By       string    `json:"by,omitempty"`
	Started  time.Time `json:"started"`
	Ended    time.Time `json:"ended"`
	Basis    Basis     `json:"basis,omitempty"`
	Why      string    `json:"why,omitempty"`
	Requests uint64    `json:"requests,omitempty"` // that the canary answered
	Errors   uint64    `json:"errors,omitempty"`   // of them
}
