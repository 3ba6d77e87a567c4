// Package canary is the domain: weights, and what a route remembers of a
// release. It is pure: no I/O, no clock, the standard library only.
package canary

import (
	"errors"
	"fmt"
	"strconv"
)

// Total is what the weights of a route sum to, in percent.
const Total = 100

// ErrWeights marks a pair of weights that no route may carry.
var ErrWeights = errors.New("invalid weights")

// Weights is the share of the traffic that each version gets, in whole percent.
// The zero value is not valid; make one with NewWeights or ParseWeights.
type Weights struct {
	Stable int `json:"stable"`
	Canary int `json:"canary"`
}

// AllStable is where every release starts and where a rollback ends.
func AllStable() Weights { return Weights{Stable: Total} }

// AllCanary is where a promotion ends.
func AllCanary() Weights { return Weights{Canary: Total} }

// NewWeights returns the pair, or an error that wraps ErrWeights.
func NewWeights(stable, canary int) (Weights, error) {
	w := Weights{Stable: stable, Canary: canary}
	return w, w.Validate()
}

// ParseWeights reads the two weights as a person types them: whole numbers,
// 0 to 100, that sum to 100.
func ParseWeights(stable, canary string) (Weights, error) {
	s, err := parseWeight("stable", stable)
	if err != nil {
		return Weights{}, err
	}
	c, err := parseWeight("canary", canary)
	if err != nil {
		return Weights{}, err
	}
	return NewWeights(s, c)
}

func parseWeight(which, text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0, fmt.Errorf("%w: %s weight %q is not a whole number from 0 to %d", ErrWeights, which, text, Total)
	}
	return n, nil
}

// Validate returns an error that wraps ErrWeights unless both weights lie in
// 0..100 and sum to 100.
func (w Weights) Validate() error {
	switch {
	case w.Stable < 0 || w.Canary < 0:
		return fmt.Errorf("%w: %s has a negative share", ErrWeights, w)
	case w.Stable+w.Canary != Total:
		return fmt.Errorf("%w: %d + %d = %d, and the two must sum to %d",
			ErrWeights, w.Stable, w.Canary, w.Stable+w.Canary, Total)
	}
	return nil
}

// String is the form the field writes: "90/10".
func (w Weights) String() string { return fmt.Sprintf("%d/%d", w.Stable, w.Canary) }
