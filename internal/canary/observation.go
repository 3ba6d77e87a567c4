package canary

import "time"

// Observation is what is seen at one moment. Everything that Next may know of the
// world is in it.
type Observation struct {
	// Now is the engine's clock.
	Now time.Time
	// Weights are what the route says now, whoever wrote it.
	Weights Weights
	// Verdict is what the evidence says, and Why its sentence.
	Verdict Verdict
	Why     string
	// Exposure is how many requests the canary answered since this step began, and
	// Total since the release began.
	Exposure, Total uint64
	// Harm estimates the users who got no answer of the canary, or a bad one, beyond
	// those that stable would have failed; Rate is the requests per second of both versions together, and
	// Risk the share of bad requests above stable's that the evidence still
	// allows the canary: 1 while nothing is known. They are for the budget and the
	// ramp.
	Harm, Rate, Risk float64
	// HarmError is the standard error of Harm: a canary as good as stable strays by
	// twice as much.
	HarmError float64
	// Needs is how many more requests the canary would have to answer until the
	// evidence shows Risk, if that is what it has. Lag is the longest time from a
	// response to the route's write that it leads to, with the time between two
	// looks. They are for the ramp.
	Needs float64
	Lag   time.Duration
	// Silent is how long the source of counts has told nothing; zero while it
	// does.
	Silent time.Duration
	// CanarySilent and StableSilent are how long nothing has been counted of one version
	// although it has traffic and the other was counted; zero where it was, or may
	// have had no request by chance.
	CanarySilent, StableSilent time.Duration
	// CanaryReady and StableReady say that a version has a Pod that can answer;
	// Unready is how long the canary has had none.
	CanaryReady, StableReady bool
	Unready                  time.Duration
	// Broken says why the canary will never be ready; empty while it may be.
	Broken string
	// Gate is the answer of the gate that the last Action named; the zero value
	// where it named none, so that no answer is taken for two steps.
	Gate Gate
	// Foreign says who changed what of the release, in words; empty for nobody,
	// and again once a person resumed. Weights that the engine did not set count
	// without it.
	Foreign string
	// Interrupted says that the engine is told to end.
	Interrupted bool
	// Rolled is how far the stable Deployment is on its way to the new template,
	// in a promotion in place.
	Rolled Roll
	// Undoable says that the stable Deployment still knows what it was before, and
	// can be given that template again.
	Undoable bool
}

// spent is how much harm there is, chance left out: a budget is no test, and a good
// canary that had bad luck has not spent it.
func (o Observation) spent() float64 { return o.Harm - 2*max(o.HarmError, 0) }

// Verdict is what the evidence says.
type Verdict string

// The three verdicts, as package analysis has them.
const (
	Pass         Verdict = "pass"
	Fail         Verdict = "fail"
	Inconclusive Verdict = "inconclusive"
)

// Gate is the answer of a gate.
type Gate string

// What a gate may say. The zero value is for none that was asked yet.
const (
	GateOpen   Gate = "open"
	GateClosed Gate = "closed" // not yet
	GateDenied Gate = "denied" // never: roll back
)

// Roll is the state of a stable Deployment that is rolled to a new template.
type Roll string

// How far it is. The zero value is not begun.
const (
	Rolling    Roll = "rolling"
	RolledOut  Roll = "rolled out" // all its Pods are new, and ready
	RollFailed Roll = "failed"
)
