package metrics

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// lasting is how long the answers of one version took lately, as intervals of latencies
// tell.
type lasting []slower

// slower is how many answers of an interval took longer than an edge.
type slower struct {
	end          time.Time
	edge         float64 // in seconds
	total, above float64
}

// learn takes answers, and forgets those that are older by so much.
func (l lasting) learn(end time.Time, edge float64, total, above uint64, keep time.Duration) lasting {
	old := 0
	for old < len(l) && end.Sub(l[old].end) > keep {
		old++
	}
	l = slices.Delete(l, 0, old)
	if total == 0 {
		return l
	}
	return append(l, slower{end, edge, float64(total), float64(above)})
}

// since sums up the intervals that ended after a time.
func (l lasting) since(t time.Time) curve {
	sums := map[float64]slower{}
	for _, s := range l {
		if s.end.After(t) {
			sum := sums[s.edge]
			sums[s.edge] = slower{total: sum.total + s.total, above: sum.above + s.above}
		}
	}
	var c curve
	for edge, sum := range sums {
		c = append(c, step{edge, sum.above / sum.total})
	}
	slices.SortFunc(c, func(a, b step) int { return cmp.Compare(a.from, b.from) })
	return c
}

// curve is at most how large a part of the answers takes longer than a time: all of
// them below the first step, and that of a step from there on.
type curve []step

type step struct{ from, part float64 } // in seconds

// mean is that between two times, in seconds.
func (c curve) mean(from, to float64) float64 {
	if !(to > from) {
		return 1
	}
	var sum float64
	begin, part := 0.0, 1.0
	for _, s := range append(slices.Clip(c), step{math.Inf(1), 0}) {
		sum += part * max(0, min(to, s.from)-max(from, begin))
		begin, part = s.from, s.part
	}
	return sum / (to - from)
}

// stay is the mean time that answers take, in seconds, up to the last step.
func (c curve) stay() float64 {
	if len(c) == 0 {
		return 0
	}
	last := c[len(c)-1].from
	return last * c.mean(0, last)
}

// crossed is how many of the requests that ended by the last of some readings were open
// at the first of them: a few more than are to be expected where they ended at any time
// between two readings, and each had taken as long as the curve says. Bias is how many
// times more are open when somebody reads than that makes of stable's: requests may
// come in step with the readings.
func (c curve) crossed(readings []reading, bias float64) uint64 {
	if len(c) == 0 {
		return math.MaxUint64
	}
	var mean float64
	for k, r := range readings[1:] {
		before := readings[k]
		mean += float64(r.ended-before.ended) * c.mean(before.at.Sub(readings[0].at).Seconds(), r.at.Sub(readings[0].at).Seconds())
	}
	mean *= bias
	const deviations = 4 // of a count of independent requests
	return uint64(min(math.Ceil(mean+deviations*math.Sqrt(mean)), 1<<53))
}
