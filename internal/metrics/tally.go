package metrics

import (
	"cmp"
	"slices"
	"time"
)

// tally is one series: its last sample, and what it grew by in the open interval.
type tally struct {
	last  Sample
	total uint64
	bad   map[Way]uint64

	before Sample // the last one up to the beginning, where it is asked for
}

// take adds what the sample has more than the one before.
//
// A counter that fell, or that began to count after it was last read, has been
// reset: all it has is new. So is all that a series has which appears after the
// start, or the first error of a Pod would be lost, unless it is known to have
// begun earlier.
func (t *tally) take(s *Sample, begin time.Time, cold bool) {
	before := t.last
	first := before.At.IsZero()
	t.last = *s
	if cold || !s.At.After(begin) || first && !s.Born.IsZero() && s.Born.Before(begin) {
		return
	}
	if first || s.fellFrom(&before) || s.Born.After(before.At) {
		before = Sample{}
	}
	t.total += s.Total - before.Total
	if t.bad == nil {
		t.bad = make(map[Way]uint64, len(s.Bad))
	}
	for _, b := range s.Bad {
		was, known := before.at(b.Way)
		if known || before.At.IsZero() {
			t.bad[b.Way] += b.Count - was
		}
	}
}

// fellFrom reports whether any of the counters is below what it was.
func (s *Sample) fellFrom(before *Sample) bool {
	return s.Total < before.Total || slices.ContainsFunc(s.Bad, func(b Bad) bool {
		was, _ := before.at(b.Way)
		return b.Count < was
	})
}

func (t *tally) reset() {
	t.total = 0
	clear(t.bad)
}

// at finds the count of a way to be bad.
func (s *Sample) at(w Way) (count uint64, ok bool) {
	i, ok := slices.BinarySearchFunc(s.Bad, w, func(b Bad, w Way) int { return cmp.Compare(b.Way, w) })
	if !ok {
		return 0, false
	}
	return s.Bad[i].Count, true
}
