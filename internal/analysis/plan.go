package analysis

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/canaryctl/canaryctl/internal/stats"
)

// Planned is a release before it begins: its traffic, and what is to be caught.
type Planned struct {
	Rate     float64       // requests per second, of both versions together
	BadShare float64       // of stable's requests, 0 to 1
	Weights  []float64     // the canary's share at each step, 0 to 1
	Effect   float64       // how many times as often the canary fails, to be caught
	Power    float64       // probability of catching it within the step
	StepTime time.Duration // that a step is to last
	Interval time.Duration // between two looks at the counts; 0 for a look at each request
}

// PlannedStep is what one weight can do, by itself: evidence carries over from
// step to step, so the second needs less than this.
type PlannedStep struct {
	Weight         float64 `json:"weight"`
	CanaryRate     float64 `json:"canaryRequestsPerSecond"`
	NeedsRequests  Number  `json:"needsRequests"` // of the canary, to catch the effect; null for never
	NeedsSeconds   Number  `json:"needsSeconds"`
	ErrorsAtStake  Number  `json:"errorsAtStake"`   // that users see in that time because of the canary
	CatchesRatio   Number  `json:"catchesRatio"`    // smallest that is caught within the step's time; null for none
	CatchesShare   Number  `json:"catchesBadShare"` // the same as a share of bad requests
	PowerAtEffect  float64 `json:"powerWithinStep"` // of catching the effect within the step's time
	CatchesNothing bool    `json:"catchesNothing"`  // not even a canary that always fails
	Warning        string  `json:"warning,omitempty"`
}

// Plan says what each step needs and what it can catch.
func Plan(c Config, p Planned) ([]PlannedStep, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	weight := c.Metrics[0].Weight
	c = c.Metrics[0].method(c)
	c.RollbackAlpha *= weight // which is this metric's part
	if !(p.Rate > 0 && p.Rate <= math.MaxUint32) {
		return nil, fmt.Errorf("plan: %v requests per second bring no evidence", p.Rate)
	}
	if bad := p.Effect * p.BadShare; bad > 1 {
		return nil, fmt.Errorf("plan: %v times %s is more than every request", p.Effect, percent(Number(p.BadShare)))
	}
	steps := make([]PlannedStep, len(p.Weights))
	for i, w := range p.Weights {
		var err error
		if steps[i], err = p.step(c, w); err != nil {
			return nil, err
		}
	}
	return steps, nil
}

func (p Planned) step(c Config, weight float64) (PlannedStep, error) {
	plan := stats.Plan{
		StableRate: p.BadShare,
		CanaryRate: p.BadShare * p.Effect,
		Weight:     weight,
		Tolerance:  c.Tolerance,
		Alpha:      c.RollbackAlpha,
		Dispersion: c.Dispersion,
		Onset:      c.OnsetIntervals > 0,
		Scrape:     p.Rate * weight * p.Interval.Seconds(),
		Cap:        c.Cap,
	}
	traffic := stats.Traffic{RPS: p.Rate, Weight: weight}
	never := Number(math.Inf(+1))
	s := PlannedStep{
		Weight: weight, CanaryRate: p.Rate * weight,
		NeedsRequests: never, NeedsSeconds: never, ErrorsAtStake: never,
		CatchesRatio: never, CatchesShare: never,
	}

	needed, err := plan.Requests(p.Power)
	switch {
	case err == nil:
		s.NeedsRequests, s.NeedsSeconds = Number(needed), Number(needed/s.CanaryRate)
		s.ErrorsAtStake = Number(needed * (plan.CanaryRate - plan.StableRate))
	case !errors.Is(err, stats.ErrUndetectable):
		return s, err
	}

	within := traffic.Requests(p.StepTime)
	if s.PowerAtEffect, err = plan.Power(within); err != nil && !errors.Is(err, stats.ErrUndetectable) {
		return s, err
	}
	caught, err := plan.Detectable(within, p.Power)
	switch {
	case errors.Is(err, stats.ErrUndetectable):
		s.CatchesNothing = true
	case err != nil:
		return s, err
	default:
		s.CatchesShare, s.CatchesRatio = Number(caught), Number(caught/p.BadShare)
	}
	s.Warning = p.warning(s, plan.MinScrapes())
	return s, nil
}

func (p Planned) warning(s PlannedStep, intervals int) string {
	at := fmt.Sprintf("the step at %s", percent(Number(s.Weight)))
	least := time.Duration(intervals) * p.Interval
	switch {
	case s.CatchesNothing && p.StepTime < least:
		return fmt.Sprintf("%s catches nothing: the counts are read every %s, and it takes %d times to be sure of anything; give it %s",
			at, p.Interval, intervals, Span(least+p.Interval))
	case s.CatchesNothing:
		return fmt.Sprintf("%s catches nothing: in %s it gets about %s requests, too few to notice even a canary that always fails",
			at, p.StepTime, digits(s.CanaryRate*p.StepTime.Seconds(), 2))
	case math.IsInf(float64(s.NeedsSeconds), 0):
		return fmt.Sprintf("%s can never catch that: the tolerance allows it", at)
	case float64(s.NeedsSeconds) > p.StepTime.Seconds():
		return fmt.Sprintf("%s is too short: it catches %s times as many errors with a power of %s; give it %s",
			at, digits(p.Effect, 3), percent(Number(s.PowerAtEffect)), Span(time.Duration(float64(s.NeedsSeconds)*float64(time.Second))))
	}
	return ""
}
