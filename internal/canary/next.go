package canary

import (
	"fmt"
	"time"
)

// State is what Next decides on: where the release stands, and the weights that
// the route has by it.
type State struct {
	Release
	Weights Weights
}

// Action is what is to be done now. The route shall say After, in one write;
// where After equals the state before there is nothing to write.
type Action struct {
	Do    Move
	After State
	// Why is a sentence for people. For Wait it says what is waited for.
	Why string
	// Gate names the gate to ask: all else that the next step needs is there.
	Gate string
	// Undo says that before anything is written, the stable Deployment shall have
	// its former template again.
	Undo bool
}

// Move is a kind of Action.
type Move string

// The moves.
const (
	Wait       Move = "wait"        // nothing
	TakeStep   Move = "step"        // the next weight
	TakePause  Move = "pause"       // wait for a person
	GiveBack   Move = "roll back"   // all traffic to stable; the release is over
	RollStable Move = "roll stable" // all traffic to the canary; stable's Deployment follows
	Finish     Move = "promote"     // the canary is stable; the release is over
)

// Next decides what to do. It is the only place that does, for a person's
// terminal and a pipeline alike, and it depends on its arguments alone: whoever
// reads the same state and sees the same goes on in the same way, so a release
// survives any crash of what drives it. It never fails: a state that no engine
// wrote is taken for the nearest that one could have.
//
// The rules are in order; the first that has something to say decides.
func Next(p Plan, s State, o Observation) Action {
	r := newRound(p, s, o)
	for _, rule := range r.rules() {
		if a := rule(); a.Do != "" {
			return a
		}
	}
	return r.wait("nothing is left to do")
}

// round is one decision: what it rests on.
type round struct {
	plan Plan
	was  State // as it was given
	now  time.Time
	seen Observation
	step int // the index of the step the release is at; -1 before the first
}

func newRound(p Plan, s State, o Observation) round {
	if o.Weights.Validate() != nil {
		o.Weights = s.set() // no route can say that: take it that nobody touched it
	}
	return round{plan: p, was: s, now: moment(o.Now), seen: o, step: min(max(s.Step, -1), len(p.Steps)-1)}
}

// rules are in the order of what they protect: first the users, then whoever
// else acts on the route, then the person who asks for something, and last the
// plan.
func (r round) rules() []func() Action {
	switch {
	case r.was.Phase.Over():
		return nil
	case r.was.Rolling():
		return []func() Action{r.rollStranded, r.rollHarmed, r.rollHeld, r.rollForeign, r.roll}
	}
	return []func() Action{
		r.harmed, r.stranded, r.interrupted,
		r.foreign, r.wished, r.paused,
		r.silent, r.overdue, r.progress,
	}
}

// harmed gives back as soon as the canary is known to be bad, from every phase.
func (r round) harmed() Action {
	if why := r.harm(); why != "" {
		return r.giveBack(why)
	}
	return Action{}
}

func (r round) harm() string {
	switch o := r.seen; {
	case o.Verdict == Fail:
		return said(o.Why, "the evidence is against the canary")
	case r.plan.Budget > 0 && o.spent() > r.plan.Budget:
		return fmt.Sprintf("the canary failed about %.0f users, and the plan's budget is %g", o.Harm, r.plan.Budget)
	case o.Broken != "":
		return "the canary will not become ready: " + o.Broken
	}
	return ""
}

// stranded gives back when nobody has answered the canary's requests for too
// long: with no Pod to count them, they may never show as evidence.
func (r round) stranded() Action {
	if !r.strands() {
		return Action{}
	}
	return r.giveBack(fmt.Sprintf("the canary has %s%% of the traffic and has had no ready Pod for %s", r.seen.Weights.Canary, brief(r.seen.Unready)))
}

func (r round) strands() bool {
	o := r.seen
	return o.Weights.Canary > 0 && !o.CanaryReady && o.Unready > 0 && o.Unready >= r.plan.Unready.Std()
}

// interrupted leaves no release without somebody who watches it, except a paused
// one where the policy says so.
func (r round) interrupted() Action {
	if !r.seen.Interrupted {
		return Action{}
	}
	const why = "canaryctl was told to end"
	if r.plan.Policy.Interrupt == RollBack && r.safe() {
		return r.giveBack(why)
	}
	if r.was.Phase == Paused {
		return r.wait("it is paused")
	}
	return r.pause(CauseInterrupt, why)
}

// foreign never fights over a route. Who is paused already has a person.
func (r round) foreign() Action {
	why := r.stranger()
	if why == "" || r.was.Phase == Paused {
		return Action{}
	}
	if a := r.follow(r.plan.Policy.Foreign, CauseForeign, why); a.Do != "" {
		return a
	}
	return r.wait(why + "; it goes on when that is undone")
}

func (r round) stranger() string {
	switch o := r.seen; {
	case o.Foreign != "":
		return o.Foreign
	case o.Weights != r.was.set():
		return fmt.Sprintf("somebody set the weights to %s, and the release had %s", o.Weights, r.was.set())
	}
	return ""
}

// paused waits for a person, whatever the evidence comes to short of harm.
func (r round) paused() Action {
	if r.was.Phase != Paused {
		return Action{}
	}
	return r.wait("it is paused: " + said(r.was.Why, string(r.was.Cause)))
}

// silent follows the policy when nothing is known for too long. Who resumes in
// spite of it waits as long again.
func (r round) silent() Action {
	limit := r.plan.NoData.Std()
	quiet, why := r.unheard()
	if quiet <= limit || r.now.Sub(r.was.Resumed) <= limit {
		return Action{}
	}
	return r.follow(r.plan.Policy.NoData, CauseNoData, why)
}

// unheard is how long nothing is known of both versions, or of one; zero where
// there are counts, or need be none.
func (r round) unheard() (time.Duration, string) {
	const one = "nothing has been counted of %s for %s, though it has %s%% of the traffic and %s was counted"
	switch o := r.seen; {
	case !r.counted():
	case o.Silent > 0:
		return o.Silent, fmt.Sprintf("there have been no counts for %s", brief(o.Silent))
	case o.CanarySilent > 0:
		return o.CanarySilent, fmt.Sprintf(one, "the canary", brief(o.CanarySilent), o.Weights.Canary, "stable")
	case o.StableSilent > 0:
		return o.StableSilent, fmt.Sprintf(one, "stable", brief(o.StableSilent), o.Weights.Stable, "the canary")
	}
	return 0, ""
}

// overdue follows the policy when the whole release takes too long.
func (r round) overdue() Action {
	limit := r.plan.Timeout.Std()
	if limit == 0 || r.unattended(r.was.Started) < limit {
		return Action{}
	}
	return r.follow(r.plan.Policy.Timeout, CauseTimeout, fmt.Sprintf("the release has not ended within %s", brief(limit)))
}

// unattended is the time since something began, or since a person last looked.
func (r round) unattended(since time.Time) time.Duration {
	if r.was.Resumed.After(since) {
		since = r.was.Resumed
	}
	return r.now.Sub(since)
}

// follow does what a policy says. Hold does nothing here: the rules after it
// decide, and none takes a step without what it needs.
func (r round) follow(policy Response, cause Cause, why string) Action {
	switch policy {
	case RollBack:
		return r.giveBack(why)
	case Pause:
		return r.pause(cause, why)
	case Hold:
	}
	return Action{}
}

// said is a sentence, or another where there is none.
func said(why, otherwise string) string {
	if why == "" {
		return otherwise
	}
	return why
}

// brief is a duration without what nobody reads.
func brief(d time.Duration) time.Duration {
	if d < time.Second {
		return d.Round(time.Millisecond)
	}
	return d.Round(time.Second)
}
