package analysis

import (
	"fmt"
	"slices"

	"github.com/canaryctl/canaryctl/internal/metrics"
	"github.com/canaryctl/canaryctl/internal/stats"
)

// Limit is the greatest share of the canary's requests that may be bad, such as
// an objective for the service, whatever stable does. That the 95th percentile
// of latencies is below 250 ms is a limit of 5% of requests above that edge.
type Limit struct {
	// Metric is Errors, an edge of the histogram (metrics.EdgeName), or one of the
	// metrics that is counted under its own name.
	Metric string `json:"metric"`
	// Share of the canary's requests, between 0 and 1.
	Share float64 `json:"share"`
	// Weight is this limit's part of RollbackAlpha; see Config.Weighed.
	Weight float64 `json:"weight"`
}

// Name is how causes call it.
func (l Limit) Name() string { return "limit " + l.Metric }

// does says what a version does to a bad request by the metric of a limit; empty
// for a metric that nobody counts.
func (c Config) does(metric string) string {
	for _, m := range c.Metrics {
		if m.Name == metric && m.Quantile == 0 {
			return m.Does
		}
	}
	if edge, ok := metrics.EdgeOf(metric); ok {
		return "takes longer than " + edgeText(Edge{Seconds: edge})
	}
	if metric == Errors {
		return "fails"
	}
	return ""
}

func (c Config) validLimits() error {
	for i, l := range c.Limits {
		switch {
		case c.does(l.Metric) == "":
			return fmt.Errorf("analysis: no metric is counted as %q, so it can have no limit", l.Metric)
		case slices.ContainsFunc(c.Limits[:i], func(other Limit) bool { return other.Metric == l.Metric }):
			return fmt.Errorf("analysis: there are two limits of %q", l.Metric)
		case !(l.Weight > 0):
			return fmt.Errorf("analysis: weight %v of %s is not positive", l.Weight, l.Name())
		}
		if _, err := stats.NewViolated(l.Share, c.Config); err != nil {
			return fmt.Errorf("analysis: %s: %w", l.Name(), err)
		}
	}
	return nil
}
