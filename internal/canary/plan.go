package canary

import (
	"errors"
	"time"
)

// ErrPlan marks a plan that no release may follow.
var ErrPlan = errors.New("invalid plan")

// Plan is how a release goes. It is fixed before the release begins and stored
// with the route, so that whoever resumes it follows the same one.
type Plan struct {
	// Steps are taken in order. After the last comes the promotion, which gives
	// all traffic to the canary; a last step of 100 is not needed.
	Steps []Step `json:"steps"`
	// Ramp lets the evidence choose the weights between the steps; nil for none.
	Ramp *Ramp `json:"ramp,omitempty"`
	// Timeout bounds the whole release, pauses left out; zero for no bound.
	Timeout Duration `json:"timeout,omitempty"`
	// Proof asks for a verdict of pass before the promotion; without it the
	// planned exposure without an alarm does too.
	Proof bool `json:"proof,omitempty"`
	// Exposure is how many requests the canary must have answered in all before
	// it may be promoted without proof; zero leaves that to the steps.
	Exposure uint64 `json:"exposure,omitempty"`
	// Budget is how many users' errors the canary may cause, beyond what stable
	// would have; zero for no bound. Spent, it is rolled back: no proof needed.
	Budget float64 `json:"budget,omitempty"`
	// NoData is how long the counts may be missing before Policy.NoData applies.
	NoData Duration `json:"noData"`
	// Unready is how long the canary may have traffic and no ready Pod before it
	// is rolled back. It is short: the requests it gets meanwhile all fail, and
	// with no Pod to count them they may never show as evidence.
	Unready Duration `json:"unready,omitempty"`
	// Confirm names the gate that must confirm the promotion; empty for none.
	Confirm string `json:"confirm,omitempty"`
	// Policy says what to do when evidence alone does not.
	Policy Policy `json:"policy"`
	// Promotion is the way in which the canary becomes the stable version.
	Promotion Promotion `json:"promotion"`
	// KeepStable is how long the old version stays scaled up after the promotion,
	// for a late rollback; zero keeps it until somebody deletes it.
	KeepStable Duration `json:"keepStable,omitempty"`
}

// Step is a time at one weight.
type Step struct {
	// Weight is the canary's share of the traffic in percent. With Mirror it is
	// the share of stable's requests that are copied.
	Weight Percent `json:"weight"`
	// Min is the shortest time at this step, however clear the evidence; Max the
	// longest, after which Policy.Timeout applies; zero for no bound.
	Min Duration `json:"min,omitempty"`
	Max Duration `json:"max,omitempty"`
	// Exposure is how many requests the canary must answer at this step.
	Exposure uint64 `json:"exposure,omitempty"`
	// Pause waits for a person before this step begins.
	Pause bool `json:"pause,omitempty"`
	// Gate names what must confirm that this step may begin; empty for nothing.
	Gate string `json:"gate,omitempty"`
	// Header sends the canary only the requests that carry it, for users within
	// the company; Weight is then 0.
	Header *Header `json:"header,omitempty"`
	// Mirror sends the canary copies, whose answers nobody sees.
	Mirror bool `json:"mirror,omitempty"`
}

// Share is the canary's weight in the route at this step, in percent: none where
// only requests with a header, or copies, reach it.
func (s Step) Share() Percent {
	if s.Header != nil || s.Mirror {
		return 0
	}
	return s.Weight
}

// Header is what a request must carry, exactly.
type Header struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Ramp chooses the weights between the steps, and holds a step back, so that the
// expected number of users' errors, were the canary as bad as the evidence still
// allows, stays within Errors: see Plan.Fits.
type Ramp struct {
	Errors float64 `json:"errors"`
	// Most is the greatest weight it chooses, in percent.
	Most Percent `json:"most"`
}

// Promotion is a way in which the canary becomes the stable version.
type Promotion string

const (
	// Switch makes the canary's Deployment the stable one; no Pod restarts.
	Switch Promotion = "switch"
	// InPlace rolls the stable Deployment to the new template while the canary
	// carries the traffic, for those who keep one Deployment's name in Git.
	InPlace Promotion = "in-place"
)

// Policy is what to do when the evidence does not say.
type Policy struct {
	NoData    Response `json:"noData"`    // no counts for longer than Plan.NoData
	Timeout   Response `json:"timeout"`   // a step outlasted its Max, or the release its Timeout
	Doubt     Response `json:"doubt"`     // all steps are over and the promotion's terms are not met
	Foreign   Response `json:"foreign"`   // somebody else changed the route, a Deployment or the subsets
	Interrupt Response `json:"interrupt"` // the engine is told to end
}

// Response is one of the things a policy may ask for.
type Response string

// What a policy may ask for.
const (
	Hold     Response = "hold"     // wait where it is, and go on by itself
	Pause    Response = "pause"    // wait for a person
	RollBack Response = "rollback" // give all traffic back
)

// Leaves reports whether a promotion leaves something to remove: the old version
// after some time, or the canary that stable has become.
func (p Plan) Leaves() bool { return p.Promotion == InPlace || p.KeepStable > 0 }

// GateBefore names the gate before step i, and before the promotion where i is
// past the last step; empty for none.
func (p Plan) GateBefore(i int) string {
	switch {
	case i >= len(p.Steps):
		return p.Confirm
	case i < 0:
		return ""
	}
	return p.Steps[i].Gate
}

// Planned is how many requests the canary must have answered before it may be
// promoted without proof; zero where none are planned, and no number will do.
func (p Plan) Planned() uint64 {
	var steps uint64
	for _, s := range p.Steps {
		steps += s.Exposure
	}
	return max(p.Exposure, steps)
}

// shortest is the least time that the steps take.
func (p Plan) shortest() Duration {
	var sum Duration
	for _, s := range p.Steps {
		sum += s.Min
	}
	return sum
}

// Beside is what the route carries besides the weights at a step: a header that
// leads to the canary, the percentage of stable's requests that are copied.
func (p Plan) Beside(r Release) (header *Header, mirror Percent) {
	if r.Step < 0 || r.Step >= len(p.Steps) || r.Phase.Over() || r.Rolling() {
		return nil, 0
	}
	step := p.Steps[r.Step]
	if step.Mirror {
		mirror = step.Weight
	}
	return step.Header, mirror
}

// DefaultPlan is a plan for a service about which nothing is known.
func DefaultPlan() Plan {
	return Plan{
		Steps: []Step{
			{Weight: 5, Min: Duration(time.Minute)},
			{Weight: 20, Min: Duration(2 * time.Minute)},
			{Weight: 50, Min: Duration(5 * time.Minute)},
		},
		NoData:    Duration(time.Minute),
		Unready:   Duration(10 * time.Second),
		Policy:    DefaultPolicy(),
		Promotion: Switch,
	}
}

// DefaultPolicy holds while nothing is known, and leaves what a machine cannot
// decide to a person.
func DefaultPolicy() Policy {
	return Policy{NoData: Hold, Timeout: Pause, Doubt: Hold, Foreign: Pause, Interrupt: Pause}
}
