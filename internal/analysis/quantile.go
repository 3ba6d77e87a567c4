package analysis

import (
	"cmp"
	"math"
	"slices"

	"github.com/canaryctl/canaryctl/internal/metrics"
)

// Quantile is that of both versions' latencies, in seconds, in the intervals of
// one look at all edges of the histogram. It is for display: within a bucket it is
// interpolated by a line, beyond the last edge it is that edge, as in Prometheus'
// histogram_quantile. A version that answered nothing has NaN; ok is false where
// no version answered anything, or there is no histogram.
func Quantile(intervals []metrics.Interval, q float64) (stable, canary float64, ok bool) {
	byEdge := map[float64]Arms{}
	for _, i := range intervals {
		edge, is := metrics.EdgeOf(i.Metric)
		if !is || i.Before {
			continue
		}
		sum := byEdge[edge]
		for _, c := range i.Strata {
			sum.Stable = sum.Stable.plus(Arm{c.StableTotal, c.StableBad})
			sum.Canary = sum.Canary.plus(Arm{c.CanaryTotal, c.CanaryBad})
		}
		byEdge[edge] = sum
	}
	var ofStable, ofCanary []point
	for edge, sum := range byEdge {
		if sum.Stable.Requests > 0 {
			ofStable = append(ofStable, point{edge, sum.Stable.share(0)})
		}
		if sum.Canary.Requests > 0 {
			ofCanary = append(ofCanary, point{edge, sum.Canary.share(0)})
		}
	}
	stable, canary = quantileOf(ofStable, q), quantileOf(ofCanary, q)
	return stable, canary, !math.IsNaN(stable) || !math.IsNaN(canary)
}

// point of a distribution: the share that is slower than an edge.
type point struct{ edge, slower float64 }

func quantileOf(points []point, q float64) float64 {
	if len(points) == 0 || !(q > 0 && q < 1) {
		return math.NaN()
	}
	slices.SortFunc(points, func(a, b point) int { return cmp.Compare(a.edge, b.edge) })
	last := point{0, 1}
	for _, p := range points {
		p.slower = min(p.slower, last.slower) // edges may have been read at different times
		if p.slower <= 1-q {
			return last.edge + (p.edge-last.edge)*(last.slower-(1-q))/(last.slower-p.slower)
		}
		last = p
	}
	return last.edge
}
