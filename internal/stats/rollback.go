package stats

import (
	"fmt"
	"math"
)

// Rollback is the evidence that the canary fails more than 1+tolerance times as
// often as stable, from the beginning:
//
//	log R = log Σ_j π_j·exp( Σ_k min( l_k(δ0+d_j | δ0)/φ_k, cap ) ),   δ0 = log(1+tolerance)
type Rollback struct {
	tolerance, limit float64
	tilts            tilts
	mixture
}

// NewRollback uses the configuration's tolerance and cap.
func NewRollback(c Config) (*Rollback, error) {
	if !validTolerance(c.Tolerance) {
		return nil, mistake("tolerance", c.Tolerance, "0 to 999")
	}
	if !validCap(c.Cap) {
		return nil, mistake("cap", c.Cap, "0 (none) to 1000")
	}
	g := newGrid()
	return &Rollback{
		tolerance: c.Tolerance,
		limit:     c.Cap,
		tilts:     newTilts(math.Log1p(c.Tolerance), g.distance[:], +1),
		mixture:   newMixture(g.logPrior[:]),
	}, nil
}

// Update adds a scrape. On an error nothing has changed.
func (r *Rollback) Update(s Scrape) error {
	if err := s.Validate(); err != nil {
		return fmt.Errorf("add to the evidence for rolling back: %w", err)
	}
	l := r.tilts.increments(s, r.limit)
	r.add(&l)
	return nil
}
