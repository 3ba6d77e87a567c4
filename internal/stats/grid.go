package stats

import "math"

const (
	gridSize = 24
	maxTilts = gridSize + 1 // the grid, and an atom

	gridStart = 0.05 // smallest distance from the null, in log ratio: 5%
	gridRange = 100  // to 5.0: a factor of 148
	gridScale = 0.7  // median of the prior: a factor of two
)

// grid is the prior over how far the truth lies from the null: a half-Cauchy of
// scale gridScale in the log ratio, put on points evenly spread in log scale.
// Its heavy tail pays little for surprise in either direction.
//
// A mixture of e-processes by any fixed prior is an e-process: the method of
// mixtures, Robbins, "Statistical methods related to the law of the iterated
// logarithm", Annals of Mathematical Statistics 41 (1970); in discrete form
// Howard, Ramdas, McAuliffe and Sekhon, "Time-uniform, nonparametric,
// nonasymptotic confidence sequences", Annals of Statistics 49 (2021), the
// discrete mixture bound.
type grid struct {
	distance [gridSize]float64 // d_j = 0.05·100^(j/23)
	logPrior [gridSize]float64 // log π_j; Σ π_j = 1
}

// newGrid gives π_j ∝ atan(b_{j+1}/0.7) − atan(b_j/0.7), the half-Cauchy mass
// between b_j = 0.05·100^((j−1/2)/23), with b_0 = 0 and b_24 = ∞.
func newGrid() grid {
	at := func(step float64) float64 { return gridStart * math.Pow(gridRange, step/(gridSize-1)) }
	var (
		g     grid
		whole = math.Pi / 2 // atan(∞) − atan(0): the masses telescope to it
		below float64       // atan(b_j/0.7)
	)
	for j := range gridSize {
		above := whole
		if j < gridSize-1 {
			above = math.Atan(at(float64(j)+0.5) / gridScale)
		}
		g.distance[j] = at(float64(j))
		g.logPrior[j] = math.Log((above - below) / whole)
		below = above
	}
	return g
}
