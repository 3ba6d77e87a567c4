package canary

import (
	"errors"
	"fmt"
)

// Mistake is a field of a plan that cannot be meant. It wraps ErrPlan.
type Mistake struct {
	Field string // as in the plan's JSON: steps[1].weight
	Text  string
}

func (m Mistake) Error() string { return fmt.Sprintf("%v: %s: %s", ErrPlan, m.Field, m.Text) }

// Unwrap makes it an ErrPlan.
func (m Mistake) Unwrap() error { return ErrPlan }

// Validate returns all Mistakes, joined.
func (p Plan) Validate() error {
	var all []error
	for _, m := range p.Mistakes() {
		all = append(all, m)
	}
	return errors.Join(all...)
}

// mistakes gathers.
type mistakes []Mistake

func (all *mistakes) unless(fine bool, field, format string, args ...any) {
	if !fine {
		*all = append(*all, Mistake{field, fmt.Sprintf(format, args...)})
	}
}

// Mistakes are all fields that cannot be meant, in the order of the plan.
func (p Plan) Mistakes() []Mistake {
	var all mistakes
	all.unless(len(p.Steps) > 0, "steps", "it has none")
	for i, s := range p.Steps {
		at := fmt.Sprintf("steps[%d].", i)
		s.mistakes(at, &all)
		if i > 0 {
			before := p.Steps[i-1].Share()
			all.unless(s.Share() >= before, at+"weight",
				"it gives the canary %s%% of the traffic, and the step before %s%%; a release goes up, and a rollback to 0", s.Share(), before)
		}
	}
	if p.Ramp != nil {
		all.unless(p.Ramp.Errors > 0, "ramp.errors", "%v users' errors leave no room to try anything", p.Ramp.Errors)
		all.unless(p.Ramp.Most >= 1 && p.Ramp.Most <= Total, "ramp.most", "%s is no weight from 1 to %s", p.Ramp.Most, Total)
	}
	all.unless(p.Budget >= 0, "budget", "%v is no number of errors", p.Budget)
	for _, d := range []struct {
		name string
		time Duration
	}{{"timeout", p.Timeout}, {"noData", p.NoData}, {"unready", p.Unready}, {"keepStable", p.KeepStable}} {
		all.unless(d.time >= 0, d.name, "it cannot be negative, and is %s", d.time)
	}
	all.unless(p.Timeout <= 0 || p.Timeout >= p.shortest(), "timeout", "%s is shorter than the steps' min together, %s", p.Timeout, p.shortest())
	all.unless(p.Promotion == Switch || p.Promotion == InPlace, "promotion", "%q is neither %s nor %s", p.Promotion, Switch, InPlace)
	p.Policy.mistakes(&all)
	return all
}

func (s Step) mistakes(at string, all *mistakes) {
	inside := s.Weight >= 0 && s.Weight <= Total
	all.unless(inside, at+"weight", "%s is not from 0 to %s", s.Weight, Total)
	if s.Header != nil {
		all.unless(!inside || s.Weight == 0 && !s.Mirror, at+"header", "such a step has weight 0 and does not mirror; requests with the header all go to the canary")
		all.unless(s.Header.Name != "", at+"header.name", "it is empty")
	}
	all.unless(s.Weight != 0 || s.Header != nil, at+"weight", "at 0 the canary answers nobody; only a step with a header has that")
	all.unless(s.Min >= 0, at+"min", "it cannot be negative, and is %s", s.Min)
	all.unless(s.Max >= 0, at+"max", "it cannot be negative, and is %s", s.Max)
	all.unless(s.Max <= 0 || s.Max >= s.Min, at+"max", "%s is shorter than min, %s", s.Max, s.Min)
}

func (p Policy) mistakes(all *mistakes) {
	for _, r := range []struct {
		name string
		r    Response
	}{{"noData", p.NoData}, {"timeout", p.Timeout}, {"doubt", p.Doubt}, {"foreign", p.Foreign}, {"interrupt", p.Interrupt}} {
		all.unless(r.r == Hold || r.r == Pause || r.r == RollBack, "policy."+r.name, "%q is none of %s, %s, %s", r.r, Hold, Pause, RollBack)
	}
	all.unless(p.Interrupt != Hold, "policy.interrupt", "who is told to end cannot hold; say %s or %s", Pause, RollBack)
}
