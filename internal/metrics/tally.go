package metrics

import (
	"slices"
	"strings"
	"time"

	"github.com/canaryctl/canaryctl/internal/stats"
)

// tally is one series: its last sample, and what it grew by in the open interval.
type tally struct {
	last  Sample
	total uint64
	bad   map[float64]uint64 // by limit

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
		t.bad = make(map[float64]uint64, len(s.Bad))
	}
	for _, b := range s.Bad {
		was, known := before.at(b.Limit)
		if known || before.At.IsZero() {
			t.bad[b.Limit] += b.Count - was
		}
	}
}

// fellFrom reports whether any of the counters is below what it was.
func (s *Sample) fellFrom(before *Sample) bool {
	return s.Total < before.Total || slices.ContainsFunc(s.Bad, func(b Bad) bool {
		was, _ := before.at(b.Limit)
		return b.Count < was
	})
}

func (t *tally) reset() {
	t.total = 0
	clear(t.bad)
}

// intervals makes one interval for each limit of what has grown.
func (d *Differ) intervals(at time.Time) []Interval {
	grown := make([]*tally, 0, len(d.series))
	for _, t := range d.series {
		if t.total > 0 || len(t.bad) > 0 { // errors may be counted apart from requests
			grown = append(grown, t)
		}
	}
	var intervals []Interval
	for _, limit := range d.limits(at) {
		one := Interval{Metric: d.name(limit), Start: d.start, End: at,
			Strata: d.strata(grown, limit), Pods: pods(grown, limit)}
		if len(one.Strata) > 0 {
			intervals = append(intervals, one)
		}
	}
	return intervals
}

func (d *Differ) name(limit float64) string {
	if limit == 0 {
		return d.config.Metric
	}
	return EdgeName(limit)
}

// beforeFirst is what stable counted before the beginning, for each limit that
// all its series have. It has no strata: edges are chosen for all routes together.
func (d *Differ) beforeFirst() []Interval {
	var stable []*Sample
	for _, t := range d.series {
		if s := &t.before; s.Total > 0 && s.Version != d.config.Release.Canary {
			stable = append(stable, s)
		}
	}
	if len(stable) == 0 {
		return nil
	}
	var intervals []Interval
	for _, b := range stable[0].Bad {
		c, everywhere := stats.Counts{}, true
		for _, s := range stable {
			above, known := s.at(b.Limit)
			everywhere = everywhere && known
			c.StableTotal, c.StableBad = c.StableTotal+s.Total, c.StableBad+above
		}
		if everywhere && c.Validate() == nil {
			intervals = append(intervals, Interval{Metric: d.name(b.Limit), End: d.first, Strata: []stats.Counts{c}, Before: true})
		}
	}
	return intervals
}

// strata sums by stratum. One whose counts cannot be, such as more errors than
// requests from two counters that were read in the middle of an answer, is left
// out for both versions.
func (d *Differ) strata(grown []*tally, limit float64) []stats.Counts {
	sums := map[string]*stats.Counts{}
	for _, t := range grown {
		c := sums[t.last.Stratum]
		if c == nil {
			c = &stats.Counts{Stratum: t.last.Stratum}
			sums[t.last.Stratum] = c
		}
		if t.last.Version == d.config.Release.Canary {
			c.CanaryTotal += t.total
			c.CanaryBad += t.bad[limit]
		} else {
			c.StableTotal += t.total
			c.StableBad += t.bad[limit]
		}
	}
	strata := make([]stats.Counts, 0, len(sums))
	for _, c := range sums {
		if c.StableTotal+c.CanaryTotal > 0 && c.Validate() == nil {
			strata = append(strata, *c)
		}
	}
	slices.SortFunc(strata, func(a, b stats.Counts) int { return strings.Compare(a.Stratum, b.Stratum) })
	return strata
}

// pods sums by version and Pod.
func pods(grown []*tally, limit float64) map[string][]stats.PodCounts {
	var byVersion map[string][]stats.PodCounts
	for _, t := range grown {
		if t.last.Pod == "" {
			continue
		}
		if byVersion == nil {
			byVersion = map[string][]stats.PodCounts{}
		}
		list := byVersion[t.last.Version]
		i, found := slices.BinarySearchFunc(list, t.last.Pod, func(p stats.PodCounts, name string) int {
			return strings.Compare(p.Pod, name)
		})
		if !found {
			list = slices.Insert(list, i, stats.PodCounts{Pod: t.last.Pod})
		}
		list[i].Total += t.total
		list[i].Bad += t.bad[limit]
		byVersion[t.last.Version] = list
	}
	return byVersion
}
