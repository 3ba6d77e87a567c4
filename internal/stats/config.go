package stats

import (
	"fmt"
	"math"
)

// Config is the method, frozen before the first look: tuned after a look it
// guarantees nothing.
type Config struct {
	// Tolerance is the relative excess of errors that is let through: 0.1 rolls
	// back only when the canary fails more than 1.1 times as often as stable.
	Tolerance float64 `json:"tolerance"`
	// Margin is the ratio of error rates from which the canary counts as worse
	// when promotion is asked: 1.5 promotes once a ratio of 1.5 is disproved.
	Margin float64 `json:"margin"`
	// Negligible is the error rate below which no ratio counts as harm; 0 for
	// none. Without it a service that never fails cannot be proved as good.
	Negligible float64 `json:"negligible,omitempty"`

	// RollbackAlpha bounds the probability of ever rolling back a canary that is
	// within the tolerance, PromoteAlpha that of promoting one beyond the margin,
	// IntervalAlpha that of a confidence sequence ever missing, on each side.
	RollbackAlpha float64 `json:"rollbackAlpha"`
	PromoteAlpha  float64 `json:"promoteAlpha"`
	IntervalAlpha float64 `json:"intervalAlpha"`

	// Cap is the most that one scrape can add to the log evidence, so that no
	// single burst decides; 0 for no cap.
	Cap float64 `json:"cap,omitempty"`
	// OnsetIntervals is the planned number of intervals, over which the beginning
	// of a late regression is spread.
	OnsetIntervals int `json:"onsetIntervals,omitempty"`
}

// Bounds beyond which a setting is a mistake and not a wish. They also keep every
// exponent inside the range of float64.
const (
	maxRatio  = 1000
	maxLogCap = 1000
)

// Default rolls back on evidence of 100 to 1 beyond 10% more errors, promotes on
// 20 to 1 below half as many again, and lets one scrape add a factor of ten.
func Default() Config {
	return Config{
		Tolerance:      0.1,
		Margin:         1.5,
		RollbackAlpha:  0.01,
		PromoteAlpha:   0.05,
		IntervalAlpha:  0.025,
		Cap:            math.Ln10,
		OnsetIntervals: 240, // an hour of scrapes 15 s apart
	}
}

// Validate names the first setting that cannot be meant.
func (c Config) Validate() error {
	for _, check := range []struct {
		name  string
		value float64
		ok    bool
		want  string
	}{
		{"tolerance", c.Tolerance, validTolerance(c.Tolerance), "0 to 999"},
		{"margin", c.Margin, validMargin(c.Margin), "above 1 and at most 1000"},
		{"negligible", c.Negligible, c.Negligible == 0 || validShare(c.Negligible), "0 (none) or between 0 and 1"},
		{"rollback alpha", c.RollbackAlpha, validShare(c.RollbackAlpha), "between 0 and 1"},
		{"promote alpha", c.PromoteAlpha, validShare(c.PromoteAlpha), "between 0 and 1"},
		{"interval alpha", c.IntervalAlpha, validShare(c.IntervalAlpha), "between 0 and 1"},
		{"cap", c.Cap, validCap(c.Cap), "0 (none) to 1000"},
		{"onset intervals", float64(c.OnsetIntervals), c.OnsetIntervals >= 0 && c.OnsetIntervals <= maxOnset, "0 (none) to 2^31-1"},
	} {
		if !check.ok {
			return mistake(check.name, check.value, check.want)
		}
	}
	return nil
}

func mistake(name string, value float64, want string) error {
	return fmt.Errorf("statistics: %s %v is not %s", name, value, want)
}

func validTolerance(v float64) bool { return v >= 0 && v <= maxRatio-1 }
func validMargin(v float64) bool    { return v > 1 && v <= maxRatio }
func validCap(v float64) bool       { return v >= 0 && v <= maxLogCap }

// validShare also bars shares so small or large that float64 no longer tells
// them from 0 and 1.
func validShare(v float64) bool { return v >= 1e-12 && v <= 1-1e-12 }
