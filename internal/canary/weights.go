// Package canary is the domain: weights, and what a route remembers of a
// release. It is pure: no I/O, no clock, the standard library only.
package canary

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Total is what the weights of a route sum to.
const Total Percent = 100

// ErrWeights marks a pair of weights that no route may carry.
var ErrWeights = errors.New("invalid weights")

// Percent is a share of the traffic, from 0 to 100, in tenths.
type Percent float64

// PercentOf is a part of a whole, to the next tenth; it is 0 and 100 only of nothing
// and of everything, so that no traffic is taken for none.
func PercentOf(part, whole float64) Percent {
	switch {
	case !(part > 0) || !(whole > 0):
		return 0
	case part >= whole:
		return Total
	}
	const least Percent = 0.1
	return min(max(tenths(part/whole*float64(Total)), least), least.Rest())
}

// tenths rounds, so that equal percentages are equal numbers.
func tenths(p float64) Percent { return Percent(math.Round(p*10) / 10) }

// Rest is what is left of the traffic.
func (p Percent) Rest() Percent { return tenths(float64(Total - p)) }

// Fraction is the share of 1.
func (p Percent) Fraction() float64 { return float64(p / Total) }

// String is how a person writes it: 10, 0.5.
func (p Percent) String() string { return strconv.FormatFloat(float64(p), 'f', -1, 64) }

// UnmarshalJSON takes a number of at most one decimal.
func (p *Percent) UnmarshalJSON(text []byte) error {
	v, err := strconv.ParseFloat(string(text), 64)
	if err != nil {
		return fmt.Errorf("%s is no percentage", text)
	}
	*p, err = percent(v)
	return err
}

func percent(v float64) (Percent, error) {
	p := tenths(v)
	if math.IsNaN(v) || math.IsInf(v, 0) || math.Abs(float64(p)-v) > 1e-9 {
		return p, fmt.Errorf("%s is no percentage in tenths", strconv.FormatFloat(v, 'f', -1, 64))
	}
	return p, nil
}

// Weights is the share of the traffic that each version gets of what both get
// together. The zero value is not valid; make one with NewWeights or ParseWeights.
type Weights struct {
	Stable Percent `json:"stable"`
	Canary Percent `json:"canary"`
}

// AllStable is where every release starts and where a rollback ends.
func AllStable() Weights { return Weights{Stable: Total} }

// AllCanary is where a promotion ends.
func AllCanary() Weights { return Weights{Canary: Total} }

// ToCanary gives the canary a share, and stable the rest.
func ToCanary(share Percent) Weights { return Weights{Stable: share.Rest(), Canary: share} }

// NewWeights returns the pair, or an error that wraps ErrWeights.
func NewWeights(stable, canary Percent) (Weights, error) {
	w := Weights{Stable: stable, Canary: canary}
	return w, w.Validate()
}

// ParseWeights reads the two weights as a person types them: numbers of at most one
// decimal, 0 to 100, that sum to 100.
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

func parseWeight(which, text string) (Percent, error) {
	v, err := strconv.ParseFloat(text, 64)
	p, fine := percent(v)
	if err != nil || fine != nil || strings.ContainsAny(text, "eExX_") { // 1e1 is no weight that somebody meant
		return 0, fmt.Errorf("%w: %s weight %q is not a number from 0 to %s, with one decimal at most", ErrWeights, which, text, Total)
	}
	return p, nil
}

// Validate returns an error that wraps ErrWeights unless both weights lie in
// 0..100 and sum to 100.
func (w Weights) Validate() error {
	switch {
	case w.Stable < 0 || w.Canary < 0:
		return fmt.Errorf("%w: %s has a negative share", ErrWeights, w)
	case w.Canary.Rest() != w.Stable:
		return fmt.Errorf("%w: %s + %s = %s, and the two must sum to %s",
			ErrWeights, w.Stable, w.Canary, tenths(float64(w.Stable+w.Canary)), Total)
	}
	return nil
}

// String is the form the field writes: "90/10".
func (w Weights) String() string { return fmt.Sprintf("%s/%s", w.Stable, w.Canary) }
