package analysis

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/canaryctl/canaryctl/internal/metrics"
	"github.com/canaryctl/canaryctl/internal/stats"
)

// Names of the metrics that are there unless somebody says otherwise.
const (
	Errors  = metrics.MetricErrors  // requests that failed, of those that were answered
	GivenUp = metrics.MetricGivenUp // those that users did not wait for, of all that ended
	// Unanswered is that of requests that are sent and not answered: the canary hangs,
	// or cannot be reached. It is a name of causes too.
	Unanswered = metrics.MetricUnanswered
)

// Config is how an analysis decides. It is fixed before the first look, and its
// hash goes with every verdict: a method that is tuned after looking guarantees
// nothing.
type Config struct {
	stats.Config
	// Dispersion divides all evidence; 0 estimates it from the spread between
	// stable's Pods, where the source tells them apart.
	Dispersion float64 `json:"dispersion,omitempty"`
	// Metrics are what is looked at, in order of importance.
	Metrics []Metric `json:"metrics"`
	// Limits are what the canary may not exceed, whatever stable does.
	Limits []Limit `json:"limits,omitempty"`
	// Pods is what the canary's Pods may do, where somebody watches them.
	Pods *Gate `json:"pods,omitempty"`
}

// Metric is one thing that can be bad about a request.
type Metric struct {
	Name string `json:"name"`
	// Weight is this metric's part of RollbackAlpha; those of all metrics and
	// limits sum to 1. See Weighed.
	Weight float64 `json:"weight"`
	// Does says what a version does to a bad request, for a sentence with the
	// version as its subject.
	Does string `json:"does"`
	// Quantile of latencies that the metric is about, between 0 and 1; 0 for a
	// metric that is counted under its own name.
	Quantile float64 `json:"quantile,omitempty"`
	// Edges of the histogram that stand for the quantile, chosen by Choose; none
	// before.
	Edges []Edge `json:"edges,omitempty"`
	// Tolerance, Margin and Negligible are this metric's own; nil for those of the
	// configuration.
	Tolerance  *float64 `json:"tolerance,omitempty"`
	Margin     *float64 `json:"margin,omitempty"`
	Negligible *float64 `json:"negligible,omitempty"`
	// Within is how many seconds an answer may take that is not missing yet, for
	// Unanswered alone; 0 for as long as stable's take.
	Within float64 `json:"withinSeconds,omitempty"`
}

// method is the configuration as it is for this metric.
func (m Metric) method(c Config) Config {
	for _, own := range []struct {
		value *float64
		of    *float64
	}{{m.Tolerance, &c.Tolerance}, {m.Margin, &c.Margin}, {m.Negligible, &c.Negligible}} {
		if own.value != nil {
			*own.of = *own.value
		}
	}
	return c
}

// OutcomeWeight is the part of RollbackAlpha that each of GivenUp and Unanswered has.
const OutcomeWeight = 0.25

// OutcomeNegligible is the share of requests that are given up, or unanswered, below
// which no ratio counts as harm: where hardly anybody gives up there is no ratio to
// show.
const OutcomeNegligible = 0.01

// Default looks at how requests end, by the default method: that they fail, that they
// are given up, that they are not answered.
func Default() Config {
	return Config{Config: stats.Default(), Metrics: []Metric{
		{Name: Errors, Weight: 1 - 2*OutcomeWeight, Does: "fails"},
		OutcomeMetric(GivenUp), OutcomeMetric(Unanswered),
	}}
}

// OutcomeMetric is the default of GivenUp or Unanswered.
func OutcomeMetric(name string) Metric {
	negligible := OutcomeNegligible
	m := Metric{Name: name, Weight: OutcomeWeight, Does: "is given up on", Negligible: &negligible}
	if name == Unanswered {
		m.Does = "leaves requests unanswered"
	}
	return m
}

// outcome reports whether the metric is counted only by sources that can tell, so that
// it stands in nobody's way where none does.
func (m Metric) outcome() bool { return m.Name == GivenUp || m.Name == Unanswered }

// Validate names the first setting that cannot be meant.
func (c Config) Validate() error {
	if err := c.Config.Validate(); err != nil {
		return err
	}
	if c.Dispersion != 0 && !(c.Dispersion >= 1 && c.Dispersion <= math.MaxFloat64) {
		return fmt.Errorf("analysis: dispersion %v is not 0 (to be estimated) or at least 1", c.Dispersion)
	}
	if err := c.validMetrics(); err != nil {
		return err
	}
	if err := c.validLimits(); err != nil {
		return err
	}
	if sum := c.weights(); math.Abs(sum-1) > 1e-9 {
		return fmt.Errorf("analysis: the weights of the metrics sum to %v, not to 1", sum)
	}
	if c.Pods != nil {
		return c.Pods.Validate()
	}
	return nil
}

func (c Config) validMetrics() error {
	seen := map[string]bool{}
	for _, m := range c.Metrics {
		switch {
		case m.Name == "" || m.Does == "":
			return fmt.Errorf("analysis: metric %+v lacks a name, or the words for what it counts", m)
		case seen[m.Name]:
			return fmt.Errorf("analysis: metric %q is there twice", m.Name)
		case !(m.Weight > 0):
			return fmt.Errorf("analysis: weight %v of metric %q is not positive", m.Weight, m.Name)
		}
		if err := m.validEdges(); err != nil {
			return err
		}
		if !(m.Within >= 0 && m.Within <= math.MaxInt32) || m.Within > 0 && m.Name != Unanswered {
			return fmt.Errorf("analysis: metric %q cannot wait %v seconds for an answer", m.Name, m.Within)
		}
		if err := m.method(c).Config.Validate(); err != nil {
			return fmt.Errorf("analysis: metric %q: %w", m.Name, err)
		}
		seen[m.Name] = true
	}
	if len(c.Metrics) == 0 {
		return errors.New("analysis: no metric is there to compare the versions by")
	}
	return nil
}

// weights is their sum, of metrics and limits.
func (c Config) weights() float64 {
	var sum float64
	for _, m := range c.Metrics {
		sum += m.Weight
	}
	for _, l := range c.Limits {
		sum += l.Weight
	}
	return sum
}

// Weighed divides what is left of 1 equally between the metrics and limits that
// have no weight. A larger weight makes that cause the sooner to be noticed, and the others
// the later; in all they share RollbackAlpha.
func (c Config) Weighed() Config {
	c.Metrics, c.Limits = slices.Clone(c.Metrics), slices.Clone(c.Limits)
	var open []*float64
	for i := range c.Metrics {
		open = append(open, &c.Metrics[i].Weight)
	}
	for i := range c.Limits {
		open = append(open, &c.Limits[i].Weight)
	}
	open = slices.DeleteFunc(open, func(weight *float64) bool { return *weight != 0 })
	rest := 1 - c.weights()
	for _, weight := range open {
		*weight = rest / float64(len(open))
	}
	return c
}

// Hash tells one method from another: the same settings give the same hash on
// every machine.
func (c Config) Hash() string {
	text, err := json.Marshal(c)
	if err != nil {
		return "" // only of a configuration with NaN or Inf, which is not valid
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:6])
}
