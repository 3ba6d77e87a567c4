package stats

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// Sentinels for input that no system could have produced. They arrive wrapped in
// what was wrong.
var (
	ErrCounts     = errors.New("impossible counts")
	ErrDispersion = errors.New("impossible dispersion")
	ErrClock      = errors.New("clock did not move forward")
)

// maxCount is the greatest count taken: up to 2^53 integers and float64 agree.
const maxCount = 1 << 53

// Counts is what both versions answered between two scrapes, in one stratum.
// Bad is whatever is counted against a version: errors, or slow answers.
type Counts struct {
	// Stratum separates traffic that may fail at its own rate: a route, a zone.
	// Empty when there is only one. Each adds evidence of its own, so a mix that
	// differs between the versions is not mistaken for a regression.
	Stratum string `json:"stratum,omitempty"`

	StableTotal uint64 `json:"stableTotal"`
	StableBad   uint64 `json:"stableBad"`
	CanaryTotal uint64 `json:"canaryTotal"`
	CanaryBad   uint64 `json:"canaryBad"`
}

// Count makes a count of a sample value. Counters are floats on the wire, and
// what should be a count may arrive as NaN, negative or in parts.
func Count(v float64) (uint64, error) {
	switch {
	case math.IsNaN(v):
		return 0, fmt.Errorf("%w: not a number", ErrCounts)
	case v < 0:
		return 0, fmt.Errorf("%w: %v is negative", ErrCounts, v)
	case v > maxCount:
		return 0, fmt.Errorf("%w: %v overflows 2^53", ErrCounts, v)
	case v != math.Trunc(v):
		return 0, fmt.Errorf("%w: %v is not whole", ErrCounts, v)
	}
	return uint64(v), nil
}

// Validate returns an error wrapping ErrCounts unless both arms are possible.
func (c Counts) Validate() error {
	if c.StableBad <= c.StableTotal && c.CanaryBad <= c.CanaryTotal && c.StableTotal <= maxCount && c.CanaryTotal <= maxCount {
		return nil
	}
	err := validateArm("stable", c.StableBad, c.StableTotal)
	if err == nil {
		err = validateArm("canary", c.CanaryBad, c.CanaryTotal)
	}
	if c.Stratum != "" {
		err = fmt.Errorf("stratum %q: %w", c.Stratum, err)
	}
	return err
}

func validateArm(arm string, bad, total uint64) error {
	switch {
	case total > maxCount:
		return fmt.Errorf("%w: %d %s requests overflow 2^53", ErrCounts, total, arm)
	case bad > total:
		return fmt.Errorf("%w: %d bad of %d %s requests", ErrCounts, bad, total, arm)
	}
	return nil
}

// Scrape is what the interval that ended at one scrape added.
type Scrape struct {
	// At is the end of the interval. Only the ledger uses it.
	At time.Time
	// Dispersion divides the evidence of the interval. It must come from earlier
	// intervals (see [Dispersion]); 0 stands for 1, independent requests.
	Dispersion float64
	// Strata were counted in the same interval; their order does not matter.
	Strata []Counts
}

// Validate returns an error wrapping ErrCounts or ErrDispersion for input that
// cannot be.
func (s Scrape) Validate() error {
	if d := s.Dispersion; d != 0 && !(d >= 1 && d <= math.MaxFloat64) {
		return fmt.Errorf("%w: %v, must be at least 1", ErrDispersion, d)
	}
	for i := range s.Strata {
		if err := s.Strata[i].Validate(); err != nil {
			return err
		}
	}
	return nil
}

// dispersion is at least 1.
func (s Scrape) dispersion() float64 { return max(1, s.Dispersion) }
