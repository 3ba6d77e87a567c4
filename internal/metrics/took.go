package metrics

import (
	"slices"
	"time"
)

// took is how long the answers of a process took, since it began: how many there were,
// and how many were above each edge of its histograms.
type took struct {
	total uint64
	above []Bad
}

// add takes another histogram. Edges that one of them lacks say nothing of both.
func (t *took) add(total uint64, above []Bad) {
	if t.total == 0 && t.above == nil {
		t.total, t.above = total, slices.Clip(above)
		return
	}
	t.total += total
	var common []Bad
	for _, b := range above {
		if i := slices.IndexFunc(t.above, func(a Bad) bool { return a.Way == b.Way }); i >= 0 {
			common = append(common, Bad{b.Way, b.Count + t.above[i].Count})
		}
	}
	t.above = common
}

// longer is at most how many of the answers since an earlier reading took longer than
// so many seconds.
func (t *took) longer(before *took, seconds float64) uint64 {
	long := t.total - before.total
	for _, b := range t.above {
		i := slices.IndexFunc(before.above, func(a Bad) bool { return a.Way == b.Way })
		if float64(b.Way) <= seconds && i >= 0 && b.Count >= before.above[i].Count {
			long = min(long, b.Count-before.above[i].Count)
		}
	}
	return long
}

// slower is at least how many of the answers since an earlier reading took longer than
// so many seconds.
func (t *took) slower(before *took, seconds float64) uint64 {
	for _, b := range t.above { // in order
		if float64(b.Way) < seconds {
			continue
		}
		if i := slices.IndexFunc(before.above, func(a Bad) bool { return a.Way == b.Way }); i >= 0 && b.Count >= before.above[i].Count {
			return b.Count - before.above[i].Count
		} else if before.total == 0 {
			return b.Count
		}
	}
	return 0
}

// crossed is at most how many of the requests that were open at the first of some
// readings have ended by the last.
func crossed(readings []reading) (n uint64) {
	for k := range readings[1:] {
		n += readings[k+1].longer(&readings[k], readings[k].at.Sub(readings[0].at))
	}
	return n
}

// skew is how long after the time that a reading bears it may have been made.
const skew = 500 * time.Millisecond

// longer is at most how many of what ended since an earlier reading took longer than a
// time: what no histogram tells of may have.
func (r *reading) longer(before *reading, than time.Duration) uint64 {
	ended := r.ended - before.ended
	if r.took.total <= before.took.total {
		return ended
	}
	untold := ended - min(ended, r.took.total-before.took.total)
	return min(ended, untold+r.took.longer(&before.took, (than-skew).Seconds()))
}
