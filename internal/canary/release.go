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
	Weight int `json:"weight"`
	// Since is when this step, or a pause, began; Started the release itself.
	Since   time.Time `json:"since"`
	Started time.Time `json:"started"`
	// Paused is how long it was paused in all, up to Since.
	Paused Duration `json:"paused,omitempty"`
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

const (
	// Proved: the verdict was pass, at the stated error rate.
	Proved Basis = "proved"
	// PassedOnExposure: the planned exposure was reached without an alarm. That
	// has the power which was planned, and is no proof.
	PassedOnExposure Basis = "passed on exposure"
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
