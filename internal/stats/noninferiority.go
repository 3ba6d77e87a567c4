package stats

import (
	"fmt"
	"math"
)

// NonInferiority is the evidence against "the canary fails at least margin times
// as often as stable", δ >= δ_m = log(margin). Half of the prior is an atom at
// δ = 0, since most canaries are no different from stable; the grid has the
// other half, at δ_m − d_j.
type NonInferiority struct {
	margin, limit float64
	tilts         tilts
	mixture
}

// NewNonInferiority uses the configuration's margin and cap.
func NewNonInferiority(c Config) (*NonInferiority, error) {
	if !validMargin(c.Margin) {
		return nil, mistake("margin", c.Margin, "above 1 and at most 1000")
	}
	if !validCap(c.Cap) {
		return nil, mistake("cap", c.Cap, "0 (none) to 1000")
	}
	var (
		g     = newGrid()
		t     = newTilts(math.Log(c.Margin), g.distance[:], -1)
		prior = make([]float64, 0, maxTilts)
	)
	for _, p := range g.logPrior {
		prior = append(prior, p-math.Ln2)
	}
	t.against = append(t.against, newTilt(0))
	prior = append(prior, -math.Ln2)
	return &NonInferiority{margin: c.Margin, limit: c.Cap, tilts: t, mixture: newMixture(prior)}, nil
}

// Update adds a scrape. On an error nothing has changed.
func (n *NonInferiority) Update(s Scrape) error {
	if err := s.Validate(); err != nil {
		return fmt.Errorf("add to the evidence for promoting: %w", err)
	}
	l := n.tilts.increments(s, n.limit)
	n.add(&l)
	return nil
}
