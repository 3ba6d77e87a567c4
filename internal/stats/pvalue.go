package stats

import (
	"fmt"
	"math"
)

// Peak is the greatest log evidence a process has had, for evidence combined
// outside of this package's processes. The zero value is that of a process that
// has just begun, at E = 1.
type Peak float64

// Update takes the log evidence of now.
func (p *Peak) Update(logE float64) error {
	if math.IsNaN(logE) || math.IsInf(logE, +1) {
		return fmt.Errorf("statistics: log evidence %v is not a number", logE)
	}
	p.raise(logE)
	return nil
}

// PValue is the sequential p-value, min(1, 1/max E): valid at every time at once.
// Johari, Pekelis and Walsh, "Always valid inference: continuous monitoring of
// A/B tests", Operations Research 70 (2022).
func (p Peak) PValue() float64 { return math.Exp(-float64(p)) }

func (p *Peak) raise(logE float64) { *p = max(*p, Peak(logE)) }
