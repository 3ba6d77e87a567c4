package metrics

import (
	"slices"
	"strings"
	"time"

	"github.com/canaryctl/canaryctl/internal/stats"
)

// growth is what the series of one version and stratum had more at the end of an
// interval than at its beginning.
type growth struct {
	version, stratum string
	total            uint64
	bad              map[Way]uint64
	why              string
}

// intervals makes one interval for each way to be bad.
func (d *Differ) intervals(at time.Time) []Interval {
	grown := d.growths()
	pods, unread := d.grownPods(), d.unread(at)
	var intervals []Interval
	for _, w := range d.ways(at) {
		one := Interval{Metric: d.name(w), Start: d.start, End: at, Strata: d.strata(grown, w), Pods: pods(w), Whys: whys(grown, w), Unread: unread}
		if len(one.Strata) > 0 {
			intervals = append(intervals, one)
		}
	}
	return intervals
}

// name is the configured one for a counter that tells of failures alone.
func (d *Differ) name(w Way) string {
	if w == Failed {
		return d.config.Metric
	}
	return w.metric()
}

// growths are those that are believed: of a sender that is read, what it saw; of
// any other, what the receivers saw.
func (d *Differ) growths() []growth {
	var all []growth
	for _, t := range d.series {
		if t.total == 0 && len(t.bad) == 0 || t.last.Version == "" || d.seenBySender(&t.last) {
			continue // errors may be counted apart from requests, so either will do
		}
		all = append(all, growth{t.last.Version, t.last.Stratum, t.total, t.bad, t.last.Why})
	}
	return append(all, d.assigned(all)...)
}

// strata sums by stratum. One whose counts cannot be, such as more errors than
// requests from two counters that were read in the middle of an answer, is left
// out for both versions.
func (d *Differ) strata(grown []growth, w Way) []stats.Counts {
	sums := map[string]*stats.Counts{}
	for _, g := range grown {
		c := sums[g.stratum]
		if c == nil {
			c = &stats.Counts{Stratum: g.stratum}
			sums[g.stratum] = c
		}
		total, bad := g.of(w)
		if g.version == d.config.Release.Canary {
			c.CanaryTotal += total
			c.CanaryBad += bad
		} else {
			c.StableTotal += total
			c.StableBad += bad
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

// of are the requests that may be bad in a way, and those that are. Who was not
// waited for has neither failed nor done well.
func (g *growth) of(w Way) (total, bad uint64) {
	total, bad = g.total, g.bad[w]
	if w == Failed {
		total -= min(total, g.bad[GivenUp])
	}
	return total, bad
}

// whys sums by version and what went wrong; nil where nothing says.
func whys(grown []growth, w Way) map[string]map[string]uint64 {
	var all map[string]map[string]uint64
	for _, g := range grown {
		if g.why == "" || g.bad[w] == 0 {
			continue
		}
		if all == nil {
			all = map[string]map[string]uint64{}
		}
		if all[g.version] == nil {
			all[g.version] = map[string]uint64{}
		}
		all[g.version][g.why] += g.bad[w]
	}
	return all
}

// grownPods sums by version and Pod, for a way to be bad.
func (d *Differ) grownPods() func(Way) map[string][]stats.PodCounts {
	sums := map[[2]string]growth{}
	for _, t := range d.series {
		if t.last.Pod == "" || t.total == 0 && len(t.bad) == 0 {
			continue
		}
		key := [2]string{t.last.Version, t.last.Pod}
		g := sums[key]
		g.add(t.total, t.bad)
		sums[key] = g
	}
	return func(w Way) map[string][]stats.PodCounts {
		var byVersion map[string][]stats.PodCounts
		for key, g := range sums {
			if byVersion == nil {
				byVersion = map[string][]stats.PodCounts{}
			}
			total, bad := g.of(w)
			byVersion[key[0]] = append(byVersion[key[0]], stats.PodCounts{Pod: key[1], Total: total, Bad: bad})
		}
		for _, pods := range byVersion {
			slices.SortFunc(pods, func(a, b stats.PodCounts) int { return strings.Compare(a.Pod, b.Pod) })
		}
		return byVersion
	}
}

func (g *growth) add(total uint64, bad map[Way]uint64) {
	g.total += total
	if g.bad == nil {
		g.bad = make(map[Way]uint64, len(bad))
	}
	for w, n := range bad {
		g.bad[w] += n
	}
}

// beforeFirst is what stable counted before the beginning, for each limit that
// all its series have. It has no strata: edges are chosen for all routes together.
func (d *Differ) beforeFirst() []Interval {
	var stable []*Sample
	for _, t := range d.series {
		if s := &t.before; s.Total > 0 && s.Version == d.config.Release.Stable && !d.seenBySender(s) {
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
			above, known := s.at(b.Way)
			everywhere = everywhere && known
			c.StableTotal, c.StableBad = c.StableTotal+s.Total, c.StableBad+above
		}
		if everywhere && c.Validate() == nil {
			intervals = append(intervals, Interval{Metric: d.name(b.Way), End: d.first, Strata: []stats.Counts{c}, Before: true})
		}
	}
	return intervals
}
