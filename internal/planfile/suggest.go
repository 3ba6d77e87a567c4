package planfile

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/canaryctl/canaryctl/internal/analysis"
	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/stats"
)

// Options of a suggestion; zeros stand for the values in brackets.
type Options struct {
	// Effect is how many times as many errors as stable's are to be found before
	// the promotion (2), and Least the share of failing requests below which that
	// is not looked for (0.01): twice almost nothing takes days to see.
	Effect, Least float64
	// Power is the probability of finding it (0.95).
	Power float64
	// Dispersion is how much more errors vary than independent ones (1).
	Dispersion float64
	// Interval is the time between two looks at the counts (2s).
	Interval time.Duration
}

func (o Options) filled() Options {
	return Options{
		Effect:     cmp.Or(o.Effect, 2),
		Least:      cmp.Or(o.Least, 0.01),
		Power:      cmp.Or(o.Power, 0.95),
		Dispersion: cmp.Or(o.Dispersion, 1),
		Interval:   cmp.Or(o.Interval, 2*time.Second),
	}
}

// Note says why a field of a suggestion is what it is.
type Note struct{ Field, Text string }

// ErrUnsuggested is wrapped by Suggest where no plan follows from the traffic.
var ErrUnsuggested = errors.New("no plan follows from the traffic")

// Suggest is a plan for a service that answers rate requests per second, both
// versions together, of which errorShare fail, 0 to 1. Each step lasts as long as
// the evidence needs at its weight to find, with the power asked for, a canary
// that is so bad:
//
//	at the first weight   20 times the excess that is to be found in the end
//	at a quarter           5 times
//	at half                the excess itself
//
// so that a canary which breaks everything meets few users, and one that is a
// little worse meets enough of them to show. The requests of one step count in
// the next, so the last needs only the rest. They are the planned exposure: a
// canary that got through it without an alarm is promoted unattended. The traffic
// decides how long that takes: a minute at 200 requests/s that hardly ever fail,
// hours where few come; the notes say so.
func Suggest(rate, errorShare float64, o Options) (Document, []Note, error) {
	s := suggestion{Document: Default(), Options: o.filled(), rate: rate, stable: errorShare}
	if err := s.make(); err != nil {
		return Default(), nil, fmt.Errorf("suggest a plan for %v requests/s, %v of them bad: %w", rate, errorShare, err)
	}
	return s.Document, s.notes, nil
}

type suggestion struct {
	Document
	Options
	rate, stable float64
	notes        []Note
}

// severities of what the steps are to find, in units of the last.
func severities() []float64 { return []float64{20, 5, 1} }

func (s *suggestion) note(field, format string, args ...any) {
	s.notes = append(s.notes, Note{field, fmt.Sprintf(format, args...)})
}

func (s *suggestion) make() error {
	if !(s.rate > 0 && s.rate <= math.MaxUint32) || !(s.stable >= 0 && s.stable < 1) {
		return ErrUnsuggested
	}
	s.tune()
	first, err := s.firstWeight()
	if err != nil {
		return err
	}
	weights := []canary.Percent{first, 25, 50}
	var sum, total uint64
	s.Spec.Steps = nil
	for i, weight := range weights {
		needs, least, err := s.needs(weight, severities()[i])
		if err != nil {
			return err
		}
		// What was answered before counts, but each step has some looks of its own.
		exposure := max(least, needs-min(needs, sum))
		sum, total = sum+exposure, max(needs, sum+exposure)
		step := canary.Step{Weight: weight, Min: s.looks(), Exposure: exposure}
		s.Spec.Steps = append(s.Spec.Steps, step)
		s.note(fmt.Sprintf("spec.steps[%d]", i), "%s%% for about %s; finds a canary that fails %s of its requests",
			weight, analysis.Span(s.lasts(step)), percent(s.bad(severities()[i])))
	}
	s.Spec.Exposure = total
	s.note("spec.exposure", "after %s requests of the canary, one that fails %s of them would have been found with a probability of %s",
		analysis.Thousands(total), percent(s.bad(1)), percent(s.Power))
	s.bound()
	return s.Validate()
}

// tune sets what the traffic says of the method.
func (s *suggestion) tune() {
	a := &s.Spec.Analysis
	a.Dispersion = 0
	if s.stable < s.Least/4 {
		a.Negligible = Share(s.Least / 2)
		s.note("spec.analysis.negligible", "stable fails %s of its requests; a canary that is shown to fail less than %s passes, whatever the ratio",
			percent(s.stable), percent(float64(a.Negligible)))
	}
}

// bound keeps it from waiting for ever for requests that do not come.
func (s *suggestion) bound() {
	lasts := s.Lasts(s.rate)
	s.Spec.Timeout = canary.Duration(max(15*time.Minute, (4 * lasts).Round(time.Minute)))
	s.note("spec.timeout", "it takes about %s at %s requests/s; after %s it waits for a person",
		analysis.Span(lasts), figure(s.rate), s.Spec.Timeout)
	if lasts > time.Hour {
		s.note("spec", "%s requests/s are few: it takes %s until the evidence could show %s of failing requests", figure(s.rate), analysis.Span(lasts), percent(s.bad(1)))
	}
	if looks := int(math.Ceil(lasts.Seconds() / s.Interval.Seconds())); looks > s.Spec.Analysis.OnsetIntervals {
		s.Spec.Analysis.OnsetIntervals = min(looks, math.MaxInt32)
		s.note("spec.analysis.onsetIntervals", "as many looks as it takes")
	}
}

// bad is the share of failing requests that a step is to find.
func (s *suggestion) bad(severity float64) float64 {
	excess := max(s.Effect*s.stable, s.Least) - s.stable
	return s.stable + min(severity*excess, 0.9*(1-s.stable))
}

// needs is how many requests of the canary show that at a weight, and how many come
// in the looks that it takes to be sure of anything.
func (s *suggestion) needs(weight canary.Percent, severity float64) (needs, least uint64, err error) {
	plan := s.plan(weight, severity)
	n, err := plan.Requests(s.Power)
	switch {
	case errors.Is(err, stats.ErrUndetectable):
		return 0, 0, fmt.Errorf("%w: %w", ErrUnsuggested, err)
	case err != nil:
		return 0, 0, err
	}
	return whole(n), whole(float64(plan.MinScrapes()) * plan.Scrape), nil
}

func (s *suggestion) plan(weight canary.Percent, severity float64) stats.Plan {
	c := s.Spec.Analysis.Config()
	w := weight.Fraction()
	return stats.Plan{
		StableRate: s.stable,
		CanaryRate: s.bad(severity),
		Weight:     w,
		Tolerance:  c.Tolerance,
		Alpha:      c.RollbackAlpha * c.Metrics[0].Weight,
		Dispersion: s.Dispersion,
		Onset:      c.OnsetIntervals > 0,
		Scrape:     s.rate * w * s.Interval.Seconds(),
		Cap:        c.Cap,
	}
}

// looks is the time of the looks that it takes to be sure of anything, and one
// more, in which the first counts become known.
func (s *suggestion) looks() canary.Duration {
	n := time.Duration(s.plan(50, 1).MinScrapes() + 1)
	return canary.Duration(roundUp(n*s.Interval, 5*time.Second))
}

// firstWeight is the least of a few that lets the first step end soon.
func (s *suggestion) firstWeight() (canary.Percent, error) {
	few := []canary.Percent{1, 2, 5, 10}
	for _, weight := range few {
		needs, _, err := s.needs(weight, severities()[0])
		if err != nil {
			return 0, err
		}
		if s.lasts(canary.Step{Weight: weight, Exposure: needs}) <= 2*s.looks().Std() {
			return weight, nil
		}
	}
	return few[len(few)-1], nil
}

// lasts is how long a step takes at the rate.
func (s *suggestion) lasts(step canary.Step) time.Duration { return lasts(step, step.Exposure, s.rate) }

// Lasts is how long a release takes at least that meets no harm, at so many
// requests per second of both versions together; 0 for unknown, which counts the
// steps' shortest times alone.
func (d Document) Lasts(rate float64) time.Duration {
	var all time.Duration
	var answered float64
	for i, step := range d.Spec.Steps {
		needs := step.Exposure
		if missing := float64(d.Spec.Exposure) - answered; i == len(d.Spec.Steps)-1 && missing > float64(needs) {
			needs = whole(missing)
		}
		took := lasts(step, needs, rate)
		all, answered = all+took, answered+took.Seconds()*rate*step.Weight.Fraction()
	}
	return all
}

func lasts(step canary.Step, needs uint64, rate float64) time.Duration {
	took := step.Min.Std()
	if perSecond := rate * step.Share().Fraction(); perSecond > 0 {
		seconds := min(float64(needs)/perSecond, math.MaxInt64/2e11)
		took = max(took, time.Duration(seconds*float64(time.Second)))
	}
	return took
}

func whole(n float64) uint64 { return uint64(math.Ceil(n)) }

func roundUp(d, to time.Duration) time.Duration { return (d + to - 1) / to * to }

func percent(share float64) string { return figure(100*share) + "%" }

// figure has three digits.
func figure(v float64) string { return fmt.Sprintf("%.3g", v) }
