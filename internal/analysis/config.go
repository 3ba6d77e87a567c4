package analysis

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"

	"github.com/canaryctl/canaryctl/internal/stats"
)

// Errors is the name of the metric that counts failed requests.
const Errors = "errors"

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
	// Pods is what the canary's Pods may do, where somebody watches them.
	Pods *Gate `json:"pods,omitempty"`
}

// Metric is one thing that can be bad about a request.
type Metric struct {
	Name string `json:"name"`
	// Weight is this metric's part of RollbackAlpha; the weights sum to 1.
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
}

// Default looks at errors only, by the default method.
func Default() Config {
	return Config{Config: stats.Default(), Metrics: []Metric{{Name: Errors, Weight: 1, Does: "fails"}}}
}

// Validate names the first setting that cannot be meant.
func (c Config) Validate() error {
	if err := c.Config.Validate(); err != nil {
		return err
	}
	if c.Dispersion != 0 && !(c.Dispersion >= 1 && c.Dispersion <= math.MaxFloat64) {
		return fmt.Errorf("analysis: dispersion %v is not 0 (to be estimated) or at least 1", c.Dispersion)
	}
	seen := map[string]bool{}
	var sum float64
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
		seen[m.Name], sum = true, sum+m.Weight
	}
	if math.Abs(sum-1) > 1e-9 {
		return fmt.Errorf("analysis: the weights of the metrics sum to %v, not to 1", sum)
	}
	if c.Pods != nil {
		return c.Pods.Validate()
	}
	return nil
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
