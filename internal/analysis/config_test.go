package analysis_test

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/canaryctl/canaryctl/internal/analysis"
)

func TestValidate(t *testing.T) {
	for says, change := range map[string]func(*analysis.Config){
		"statistics: margin 1 is not":           func(c *analysis.Config) { c.Margin = 1 },
		"dispersion 0.5 is not 0":               func(c *analysis.Config) { c.Dispersion = 0.5 },
		"dispersion NaN is not 0":               func(c *analysis.Config) { c.Dispersion = math.NaN() },
		`"errors" cannot wait 5 seconds`:        func(c *analysis.Config) { c.Metrics[0].Within = 5 },
		`"unanswered" cannot wait -1 seconds`:   func(c *analysis.Config) { c.Metrics[2].Within = -1 },
		"lacks a name":                          func(c *analysis.Config) { c.Metrics[0].Name = "" },
		`metric "errors" is there twice`:        func(c *analysis.Config) { c.Metrics = append(c.Metrics, c.Metrics[0]) },
		`weight 0 of metric "errors"`:           func(c *analysis.Config) { c.Metrics[0].Weight = 0 },
		"no metric is there to compare":         func(c *analysis.Config) { c.Metrics = nil },
		`metric "errors": statistics: margin 0`: func(c *analysis.Config) { c.Metrics[0].Margin = new(float64) },
		`no metric is counted as "latency p95"`: func(c *analysis.Config) { c.Limits[0].Metric = "latency p95" },
		`there are two limits of "errors"`:      func(c *analysis.Config) { c.Limits = append(c.Limits, c.Limits[0]) },
		"weight 0 of limit errors":              func(c *analysis.Config) { c.Limits[0].Weight = 0 },
		"limit errors: statistics: limit of":    func(c *analysis.Config) { c.Limits[0].Share = 1 },
		"sum to 1.75, not to 1":                 func(c *analysis.Config) { c.Limits[0].Weight = 1 },
	} {
		c := withLimit(0.01)
		change(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("error %v, want one that says %q", err, says)
		}
		if _, err := analysis.New(c, versions()); err == nil {
			t.Errorf("an analysis began although %s", says)
		}
	}
}

func TestHashTellsMethodsApart(t *testing.T) {
	seen := map[string]string{analysis.Default().Hash(): "default"}
	for name, change := range map[string]func(*analysis.Config){
		"tolerance":  func(c *analysis.Config) { c.Tolerance = 0 },
		"margin":     func(c *analysis.Config) { c.Margin = 2 },
		"alpha":      func(c *analysis.Config) { c.RollbackAlpha = 0.001 },
		"cap":        func(c *analysis.Config) { c.Cap = 0 },
		"onset":      func(c *analysis.Config) { c.OnsetIntervals = 0 },
		"dispersion": func(c *analysis.Config) { c.Dispersion = 1 },
		"metric":     func(c *analysis.Config) { c.Metrics[0].Name = "slow" },
		"its own":    func(c *analysis.Config) { c.Metrics[0].Tolerance = new(float64) },
		"limit":      func(c *analysis.Config) { c.Limits = []analysis.Limit{{Metric: analysis.Errors, Share: 0.01}} },
	} {
		c := analysis.Default()
		change(&c)
		if other, taken := seen[c.Hash()]; taken {
			t.Errorf("%s hashes as %s does", name, other)
		}
		seen[c.Hash()] = name
	}
}

// What is recorded with the default has its hash still, when there are more settings.
func TestHashOfTheDefaultStays(t *testing.T) {
	if got := analysis.Default().Hash(); got != "9ba9011196d5" {
		t.Errorf("the default hashes as %s", got)
	}
}

func TestWeighed(t *testing.T) {
	of := func(weights ...float64) analysis.Config {
		c := withLimit(0.01)
		c.Metrics = slices.Insert(c.Metrics, 1, analysis.Latency(time.Second, weights[1]))
		c.Metrics[0].Weight, c.Limits[0].Weight = weights[0], weights[2]
		return c
	}
	for _, test := range []struct{ given, want []float64 }{
		{[]float64{0, 0, 0}, []float64{1. / 6, 1. / 6, 1. / 6}},
		{[]float64{0.3, 0, 0}, []float64{0.3, 0.1, 0.1}},
		{[]float64{0.3, 0.1, 0}, []float64{0.3, 0.1, 0.1}},
		{[]float64{0.3, 0.1, 0.1}, []float64{0.3, 0.1, 0.1}},
	} {
		c := of(test.given...).Weighed()
		got := []float64{c.Metrics[0].Weight, c.Metrics[1].Weight, c.Limits[0].Weight}
		if diff := cmp.Diff(test.want, got, cmpopts.EquateApprox(0, 1e-12)); diff != "" {
			t.Errorf("weights of %v (-want +got):\n%s", test.given, diff)
		}
		if err := c.Validate(); err != nil {
			t.Error(err)
		}
	}
}
