package planfile

import (
	"fmt"

	"github.com/canaryctl/canaryctl/internal/analysis"
	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/metrics"
	"github.com/canaryctl/canaryctl/internal/stats"
)

// Analysis is how the canary is judged, in the words of the flags of analyze.
type Analysis struct {
	Tolerance  Share   `json:"tolerance"`
	Margin     float64 `json:"margin"`
	Negligible Share   `json:"negligible,omitempty"`

	// Alpha is for rolling back, PromoteAlpha for passing, IntervalAlpha for each
	// side of the intervals that are shown.
	Alpha         Share `json:"alpha"`
	PromoteAlpha  Share `json:"promoteAlpha"`
	IntervalAlpha Share `json:"intervalAlpha"`

	EvidenceCap    Factor     `json:"evidenceCap"`
	Dispersion     Dispersion `json:"dispersion"`
	Onset          bool       `json:"onset"`
	OnsetIntervals int        `json:"onsetIntervals"`

	// GRPCFailed are the statuses of gRPC that count as failed; nil for those of
	// metrics.DefaultGRPCFailed.
	GRPCFailed []GRPCStatus `json:"grpcFailed,omitzero"`
	// WarmUp of each new Pod is not counted.
	WarmUp  canary.Duration `json:"warmUp,omitempty"`
	Metrics []Metric        `json:"metrics"`
	Limits  []Limit         `json:"limits,omitempty"`
	// GivenUp and Unanswered requests are judged besides the metrics and limits, which
	// share what these leave of Alpha.
	GivenUp    Outcome    `json:"givenUp,omitzero"`
	Unanswered Unanswered `json:"unanswered,omitzero"`
	Pods       *Pods      `json:"pods,omitempty"` // nil where nobody watches them
}

// Metric is one thing that can be bad about a request.
type Metric struct {
	// Name is errors, or latency with one of Over and Quantile.
	Name     string          `json:"name"`
	Over     canary.Duration `json:"over,omitempty"`
	Quantile Quantile        `json:"quantile,omitempty"`
	// Weight is this metric's part of Alpha. Metrics and limits without one share
	// equally what the others leave.
	Weight Share `json:"weight,omitempty"`
	// Tolerance, Margin and Negligible are this metric's own; nil for those of the
	// Analysis.
	Tolerance  *Share   `json:"tolerance,omitempty"`
	Margin     *float64 `json:"margin,omitempty"`
	Negligible *Share   `json:"negligible,omitempty"`
}

// Outcome is how requests are judged that end without an answer.
type Outcome struct {
	// Weight is their part of Alpha; 0 leaves them out.
	Weight Share `json:"weight"`
	// Tolerance, Margin and Negligible are their own; nil for those of the Analysis.
	Tolerance  *Share   `json:"tolerance,omitempty"`
	Margin     *float64 `json:"margin,omitempty"`
	Negligible *Share   `json:"negligible,omitempty"`
}

// Unanswered is how requests are judged that are sent and not answered.
type Unanswered struct {
	Outcome
	// Within is how long an answer may take that is not missing yet; 0 for as long as
	// stable's take.
	Within canary.Duration `json:"within,omitempty"`
}

// Limit is the greatest share of the canary's requests that may be bad, whatever
// stable does. Metric is errors, or latency with Over.
type Limit struct {
	Metric string          `json:"metric"`
	Over   canary.Duration `json:"over,omitempty"`
	Share  Share           `json:"share"`
	Weight Share           `json:"weight,omitempty"`
}

// Pods is what the Pods of the canary may do, as analysis.Gate has it.
type Pods struct {
	MaxRestarts int             `json:"maxRestarts"`
	Unready     canary.Duration `json:"unready"`
	Calm        canary.Duration `json:"calm"`
}

// Latency is the name of metrics of slow requests.
const Latency = "latency"

// DefaultAnalysis is the method of analysis.Default, with the Pods watched.
func DefaultAnalysis() Analysis {
	c, gate := stats.Default(), analysis.DefaultGate()
	return Analysis{
		Tolerance:      Share(c.Tolerance),
		Margin:         c.Margin,
		Negligible:     Share(c.Negligible),
		Alpha:          Share(c.RollbackAlpha),
		PromoteAlpha:   Share(c.PromoteAlpha),
		IntervalAlpha:  Share(c.IntervalAlpha),
		EvidenceCap:    10,
		Onset:          true,
		OnsetIntervals: c.OnsetIntervals,
		Metrics:        []Metric{{Name: analysis.Errors}},
		GRPCFailed:     GRPCStatuses(metrics.DefaultGRPCFailed()),
		GivenUp:        defaultOutcome(),
		Unanswered:     Unanswered{Outcome: defaultOutcome()},
		Pods:           &Pods{MaxRestarts: gate.MaxRestarts, Unready: ofSeconds(gate.Unready), Calm: ofSeconds(gate.Calm)},
	}
}

// GRPCStatuses are those of the names that metrics.ParseGRPCStatus gives.
func GRPCStatuses(names []string) []GRPCStatus {
	all := make([]GRPCStatus, len(names))
	for i, name := range names {
		all[i] = GRPCStatus(name)
	}
	return all
}

func defaultOutcome() Outcome {
	negligible := Share(analysis.OutcomeNegligible)
	return Outcome{Weight: analysis.OutcomeWeight, Negligible: &negligible}
}

// Config is the method in the form that analyses take. It may not be valid.
func (a Analysis) Config() analysis.Config {
	c := analysis.Config{
		Config: stats.Config{
			Tolerance:      float64(a.Tolerance),
			Margin:         a.Margin,
			Negligible:     float64(a.Negligible),
			RollbackAlpha:  float64(a.Alpha),
			PromoteAlpha:   float64(a.PromoteAlpha),
			IntervalAlpha:  float64(a.IntervalAlpha),
			Cap:            a.EvidenceCap.log(),
			OnsetIntervals: a.OnsetIntervals,
		},
		Dispersion: float64(a.Dispersion),
	}
	if !a.Onset {
		c.OnsetIntervals = 0
	}
	for _, m := range a.Metrics {
		c.Metrics = append(c.Metrics, m.metric())
	}
	for _, l := range a.Limits {
		c.Limits = append(c.Limits, l.limit())
	}
	if a.Pods != nil {
		c.Pods = &analysis.Gate{MaxRestarts: a.Pods.MaxRestarts, Unready: a.Pods.Unready.Std().Seconds(), Calm: a.Pods.Calm.Std().Seconds()}
	}
	return a.withOutcomes(c.Weighed())
}

// withOutcomes takes the weight of given-up and unanswered requests off that of all
// others, which share the rest in proportion.
func (a Analysis) withOutcomes(c analysis.Config) analysis.Config {
	rest := 1 - float64(a.GivenUp.Weight) - float64(a.Unanswered.Weight)
	for i := range c.Metrics {
		c.Metrics[i].Weight *= rest
	}
	for i := range c.Limits {
		c.Limits[i].Weight *= rest
	}
	if a.GivenUp.Weight != 0 {
		c.Metrics = append(c.Metrics, a.GivenUp.metric(analysis.GivenUp))
	}
	if a.Unanswered.Weight != 0 {
		m := a.Unanswered.metric(analysis.Unanswered)
		m.Within = a.Unanswered.Within.Std().Seconds()
		c.Metrics = append(c.Metrics, m)
	}
	return c
}

func (o Outcome) metric(name string) analysis.Metric {
	m := analysis.OutcomeMetric(name)
	m.Weight, m.Tolerance, m.Margin, m.Negligible = float64(o.Weight), (*float64)(o.Tolerance), o.Margin, (*float64)(o.Negligible)
	return m
}

func (m Metric) metric() analysis.Metric {
	var c analysis.Metric
	switch weight := float64(m.Weight); {
	case m.Quantile > 0:
		c = analysis.LatencyQuantile(float64(m.Quantile), weight)
	case m.Over > 0:
		c = analysis.Latency(m.Over.Std(), weight)
	default:
		c = analysis.Default().Metrics[0] // errors
		c.Name, c.Weight = m.Name, weight
	}
	c.Tolerance, c.Margin, c.Negligible = (*float64)(m.Tolerance), m.Margin, (*float64)(m.Negligible)
	return c
}

func (l Limit) limit() analysis.Limit {
	name := l.Metric
	if l.Over > 0 {
		name = metrics.EdgeName(l.Over.Std().Seconds())
	}
	return analysis.Limit{Metric: name, Share: float64(l.Share), Weight: float64(l.Weight)}
}

// Analysis is the method of the document, and an error where it cannot be meant.
func (d Document) Analysis() (analysis.Config, error) {
	c := d.Spec.Analysis.Config()
	if err := c.Validate(); err != nil {
		return c, fmt.Errorf("spec.analysis: %w", err)
	}
	return c, nil
}

func ofSeconds(s float64) canary.Duration { return canary.Duration(s * 1e9) }
