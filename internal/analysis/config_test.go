package analysis_test

import (
	"math"
	"strings"
	"testing"

	"github.com/canaryctl/canaryctl/internal/analysis"
)

func TestValidate(t *testing.T) {
	for says, change := range map[string]func(*analysis.Config){
		"statistics: margin 1 is not":    func(c *analysis.Config) { c.Margin = 1 },
		"dispersion 0.5 is not 0":        func(c *analysis.Config) { c.Dispersion = 0.5 },
		"dispersion NaN is not 0":        func(c *analysis.Config) { c.Dispersion = math.NaN() },
		"lacks a name":                   func(c *analysis.Config) { c.Metrics[0].Name = "" },
		`metric "errors" is there twice`: func(c *analysis.Config) { c.Metrics = append(c.Metrics, c.Metrics[0]) },
		`weight 0 of metric "errors"`:    func(c *analysis.Config) { c.Metrics[0].Weight = 0 },
		"no metric is there to compare":  func(c *analysis.Config) { c.Metrics = nil },
	} {
		c := analysis.Default()
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
	} {
		c := analysis.Default()
		change(&c)
		if other, taken := seen[c.Hash()]; taken {
			t.Errorf("%s hashes as %s does", name, other)
		}
		seen[c.Hash()] = name
	}
}
