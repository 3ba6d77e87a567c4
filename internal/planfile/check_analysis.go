package planfile

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/canaryctl/canaryctl/internal/analysis"
	"github.com/canaryctl/canaryctl/internal/metrics"
	"github.com/canaryctl/canaryctl/internal/stats"
)

// check asks the statistics about one setting at a time, so that all mistakes show.
func (a Analysis) check(all *checks) {
	const at = "spec.analysis."
	before := len(*all)
	for _, s := range []setting{
		{"tolerance", func(c *stats.Config) { c.Tolerance = float64(a.Tolerance) }},
		{"margin", func(c *stats.Config) { c.Margin = a.Margin }},
		{"negligible", func(c *stats.Config) { c.Negligible = float64(a.Negligible) }},
		{"alpha", func(c *stats.Config) { c.RollbackAlpha = float64(a.Alpha) }},
		{"promoteAlpha", func(c *stats.Config) { c.PromoteAlpha = float64(a.PromoteAlpha) }},
		{"intervalAlpha", func(c *stats.Config) { c.IntervalAlpha = float64(a.IntervalAlpha) }},
		{"evidenceCap", func(c *stats.Config) { c.Cap = a.EvidenceCap.log() }},
		{"onsetIntervals", func(c *stats.Config) { c.OnsetIntervals = a.OnsetIntervals }},
	} {
		s.check(at, all)
	}
	all.unless(!a.Onset || a.OnsetIntervals >= 1, at+"onsetIntervals", "say 1 or more, or onset: false")
	all.unless(a.WarmUp >= 0, at+"warmUp", "it cannot be negative, and is %s", a.WarmUp)
	for i, status := range a.GRPCFailed {
		at := fmt.Sprintf("%sgrpcFailed[%d]", at, i)
		_, err := metrics.ParseFailedStatus(string(status))
		all.unless(err == nil, at, "%v", err)
		all.unless(!slices.Contains(a.GRPCFailed[:i], status), at, "%s is there twice", status)
	}
	if a.Pods != nil {
		all.unless(a.Pods.MaxRestarts >= 0, at+"pods.maxRestarts", "%d restarts cannot be let through", a.Pods.MaxRestarts)
		all.unless(a.Pods.Unready >= 0, at+"pods.unready", "it cannot be negative, and is %s", a.Pods.Unready)
		all.unless(a.Pods.Calm >= 0, at+"pods.calm", "it cannot be negative, and is %s", a.Pods.Calm)
	}
	a.checkMetrics(at+"metrics", all)
	a.checkLimits(at+"limits", all)
	a.checkWeights(at+"metrics", all)
	a.checkOutcomes(at, all)
	if before < len(*all) {
		return
	}
	if err := a.Config().Validate(); err != nil { // what only all of it together shows
		all.unless(false, "spec.analysis", "%s", strings.TrimPrefix(err.Error(), "analysis: "))
	}
}

// setting of the statistics.
type setting struct {
	name string
	set  func(*stats.Config)
}

func (s setting) check(at string, all *checks) {
	c := stats.Default()
	s.set(&c)
	if err := c.Validate(); err != nil {
		all.unless(false, at+s.name, "%s", strings.TrimPrefix(err.Error(), "statistics: "))
	}
}

func (a Analysis) checkMetrics(at string, all *checks) {
	all.unless(len(a.Metrics) > 0, at, "it has none")
	seen := map[string]bool{}
	for i, m := range a.Metrics {
		at := fmt.Sprintf("%s[%d].", at, i)
		m.checkOwn(at, all)
		switch timed := m.Over != 0 || m.Quantile != 0; m.Name {
		case analysis.Errors:
			all.unless(!timed, at+"name", "%s are counted whatever time they take; over and quantile go with %s", m.Name, Latency)
		case Latency:
			all.unless(timed, at+"name", "say from where on a request is slow: over, as 250ms, or quantile, as p95")
			all.unless(m.Over == 0 || m.Quantile == 0, at+"quantile", "a metric has over or quantile, not both")
			all.unless(m.Over >= 0, at+"over", "it cannot be negative, and is %s", m.Over)
		default:
			all.unless(false, at+"name", "%q is neither %s nor %s", m.Name, analysis.Errors, Latency)
			continue
		}
		name := m.metric().Name
		all.unless(!seen[name], at+"name", "%s is there twice", name)
		seen[name] = true
	}
}

// checkOutcomes sees to it that the metrics get something of alpha.
func (a Analysis) checkOutcomes(at string, all *checks) {
	for _, o := range []struct {
		name string
		of   Outcome
	}{{"givenUp", a.GivenUp}, {"unanswered", a.Unanswered.Outcome}} {
		at := at + o.name + "."
		all.unless(o.of.Weight >= 0, at+"weight", "it cannot be negative, and is %v", o.of.Weight)
		Metric{Tolerance: o.of.Tolerance, Margin: o.of.Margin, Negligible: o.of.Negligible}.checkOwn(at, all)
	}
	all.unless(a.Unanswered.Within >= 0, at+"unanswered.within", "it cannot be negative, and is %s", a.Unanswered.Within)
	sum := a.GivenUp.Weight + a.Unanswered.Weight
	all.unless(sum < 1, at+"unanswered.weight", "givenUp and unanswered take %s of alpha, and leave nothing for the metrics", figure(float64(sum)))
}

// checkOwn is of what a metric has in the place of the analysis' settings.
func (m Metric) checkOwn(at string, all *checks) {
	if v := m.Tolerance; v != nil {
		setting{"tolerance", func(c *stats.Config) { c.Tolerance = float64(*v) }}.check(at, all)
	}
	if v := m.Margin; v != nil {
		setting{"margin", func(c *stats.Config) { c.Margin = *v }}.check(at, all)
	}
	if v := m.Negligible; v != nil {
		setting{"negligible", func(c *stats.Config) { c.Negligible = float64(*v) }}.check(at, all)
	}
}

func (a Analysis) checkLimits(at string, all *checks) {
	seen := map[string]bool{}
	for i, l := range a.Limits {
		at := fmt.Sprintf("%s[%d].", at, i)
		switch l.Metric {
		case analysis.Errors:
			all.unless(l.Over == 0, at+"over", "%s are counted whatever time they take; over goes with %s", l.Metric, Latency)
		case Latency:
			all.unless(l.Over > 0, at+"over", "say from where on a request is slow, as 250ms")
		default:
			all.unless(false, at+"metric", "%q is neither %s nor %s", l.Metric, analysis.Errors, Latency)
			continue
		}
		_, err := stats.NewViolated(float64(l.Share), stats.Default())
		all.unless(err == nil, at+"share", "%v is no share above 0 and below 1 that may be bad", l.Share)
		name := l.limit().Metric
		all.unless(!seen[name], at+"metric", "there are two limits of %s", name)
		seen[name] = true
	}
}

// checkWeights sees to it that all parts of alpha make one.
func (a Analysis) checkWeights(at string, all *checks) {
	var sum float64
	open := false
	add := func(weight Share, at string) {
		all.unless(weight >= 0, at, "it cannot be negative, and is %v", weight)
		sum, open = sum+float64(weight), open || weight == 0
	}
	for i, m := range a.Metrics {
		add(m.Weight, fmt.Sprintf("spec.analysis.metrics[%d].weight", i))
	}
	for i, l := range a.Limits {
		add(l.Weight, fmt.Sprintf("spec.analysis.limits[%d].weight", i))
	}
	all.unless(!open || sum < 1, at, "the weights that are said sum to %s, and leave nothing for the others", figure(sum))
	all.unless(open || len(a.Metrics) == 0 || math.Abs(sum-1) <= 1e-9, at, "the weights of metrics and limits sum to %s, not to 1", figure(sum))
}
