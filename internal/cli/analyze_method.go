package cli

import (
	"github.com/spf13/pflag"

	"github.com/canaryctl/canaryctl/internal/analysis"
	"github.com/canaryctl/canaryctl/internal/planfile"
)

// method is how evidence is weighed, as the flags of analyze, replay and plan say:
// in the words of a plan file, with the metrics and limits in flags of their own.
type method struct {
	planfile.Analysis
	latency latency
	limits  limits
}

func newMethod() method {
	m := method{Analysis: planfile.DefaultAnalysis()}
	m.Pods = nil // counts alone tell nothing of them
	return m
}

// addFlags defines all of them; replay takes some in lists instead.
func (m *method) addFlags(flags *pflag.FlagSet) {
	flags.Var(&m.Tolerance, "tolerance", "excess of errors that is let through, as 0.1 or 10%")
	flags.Float64Var(&m.Margin, "margin", m.Margin, "the canary passes once it is shown to fail less than this many times as often")
	flags.Var(&m.Alpha, "alpha", "probability of ever failing a canary that is within the tolerance")
	flags.Var(&m.limits, "limit", "the greatest share of the canary's requests that may be bad, whatever stable does: errors=1%, or 250ms=5% for slower ones; errors, --latency and each limit have equal parts of what --given-up and --unanswered leave of --alpha")
	m.addCommonFlags(flags)
}

func (m *method) addCommonFlags(flags *pflag.FlagSet) {
	flags.Var(&m.PromoteAlpha, "promote-alpha", "probability of passing a canary that is beyond the margin")
	flags.Var(&m.IntervalAlpha, "interval-alpha", "probability that the ratio is ever outside of its interval, on each side")
	flags.Var(&m.Negligible, "negligible", "share of bad requests below which no ratio counts as harm; 0 for none")
	flags.Var(&m.latency, "latency", "also count slow requests: slower than an edge of their histogram, as 250ms, or than a quantile of stable's, as p95; errors and this have equal parts of --alpha")
	m.addEvidenceFlags(flags)
}

// addEvidenceFlags defines those that say what an interval may add, and what alpha is
// divided between.
func (m *method) addEvidenceFlags(flags *pflag.FlagSet) {
	flags.BoolVar(&m.Onset, "onset", m.Onset, "also look for regressions that begin late")
	flags.IntVar(&m.OnsetIntervals, "onset-intervals", m.OnsetIntervals, "planned number of intervals, over which such a beginning is spread")
	flags.Var(&m.EvidenceCap, "evidence-cap", "factor that one interval can add to the evidence at most, or off")
	flags.Var(&m.Dispersion, "dispersion", "what all evidence is divided by, 1 for independent requests; auto: estimated where Pods are told apart")
	flags.Var(&m.GivenUp.Weight, "given-up", "part of --alpha that is for requests which users did not wait for, where they are counted; 0 leaves them out")
	flags.Var(&m.Unanswered.Weight, "unanswered", "part of --alpha that is for requests which are sent and not answered; 0 leaves them out, and a share that is too small only warns")
}

// config is the method that the flags describe, or a usage error.
func (m *method) config() (analysis.Config, error) {
	a := m.Analysis
	if m.latency.given() {
		a.Metrics = append(a.Metrics[:len(a.Metrics):len(a.Metrics)], m.latency.metric())
	}
	c := a.Config()
	for i, one := range c.Metrics {
		if one.Name != analysis.GivenUp && one.Name != analysis.Unanswered {
			c.Metrics[i].Weight = 0
		}
	}
	switch given, unanswered := a.GivenUp.Weight, a.Unanswered.Weight; {
	case given < 0:
		return c, usagef("--given-up %v: a part of --alpha cannot be negative", given)
	case unanswered < 0:
		return c, usagef("--unanswered %v: a part of --alpha cannot be negative", unanswered)
	case given+unanswered >= 1:
		return c, usagef("--given-up %v and --unanswered %v take all of --alpha, and leave nothing for errors", given, unanswered)
	}
	c.Limits = m.limits
	c = c.Weighed()
	if a.Onset && a.OnsetIntervals < 1 {
		return c, usagef("--onset-intervals %d: say 1 or more, or --onset=false", a.OnsetIntervals)
	}
	if err := c.Validate(); err != nil {
		return c, usagef("%w", err)
	}
	return c, nil
}

// share is a flag's value: 0.1, or 10%.
type share = planfile.Share

func parseShare(text string) (float64, error) {
	var s share
	if err := s.Set(text); err != nil {
		return 0, usagef("%w", err)
	}
	return float64(s), nil
}
