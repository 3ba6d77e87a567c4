package analysis

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/canaryctl/canaryctl/internal/metrics"
	"github.com/canaryctl/canaryctl/internal/stats"
)

// history is what the Pods of one version answered.
type history struct {
	version   string
	all       []metrics.Interval // of every metric, by their end
	intervals []metrics.Interval // of the first metric, which say when there were counts
}

// historyOf keeps the intervals that tell of the version's Pods.
func historyOf(c Config, version string, intervals []metrics.Interval) (history, error) {
	h := history{version: version}
	pods := map[string]bool{}
	for _, i := range intervals {
		if !c.Counts(i.Metric) || i.Before || len(i.Pods[version]) == 0 {
			continue
		}
		h.all = append(h.all, i)
		for _, p := range i.Pods[version] {
			pods[p.Pod] = true
		}
		if i.Metric == c.Metrics[0].counter() {
			h.intervals = append(h.intervals, i)
		}
	}
	byEnd := func(a, b metrics.Interval) int { return a.End.Compare(b.End) }
	slices.SortStableFunc(h.all, byEnd)
	slices.SortStableFunc(h.intervals, byEnd)
	switch {
	case len(h.intervals) == 0:
		return h, fmt.Errorf("%w: of %d intervals none says what each Pod of %s answered", ErrNoPods, len(intervals), version)
	case len(pods) < 2:
		return h, fmt.Errorf("%w: there is one Pod of %s, and it cannot be compared with itself", ErrNoPods, version)
	}
	return h, nil
}

// counter is the name of the intervals that the metric is judged by; of several
// edges, those of the one that is nearest to the quantile.
func (m Metric) counter() string {
	if m.Quantile > 0 {
		return metrics.EdgeName(m.main().Seconds)
	}
	return m.Name
}

// scrapes are the counts of the Pods by one metric.
func (h history) scrapes(m Metric) [][]stats.PodCounts {
	var all [][]stats.PodCounts
	for _, i := range h.all {
		if i.Metric == m.counter() {
			all = append(all, i.Pods[h.version])
		}
	}
	return all
}

// window is a stretch of the history that is as long as a release.
type window struct {
	version   string
	start     time.Time
	intervals []metrics.Interval
	pods      []string // that answered in at least half of it, sorted
}

// covered is the part of a window that has to be counted.
const covered = 0.9

// windows are those that follow one another and do not overlap. After a gap the next
// begins where there are counts again.
func (h history) windows(length time.Duration) []window {
	var all []window
	for first := 0; first < len(h.intervals); {
		start := h.intervals[first].Start
		end := start.Add(length)
		var counted time.Duration
		next := first
		for ; next < len(h.intervals) && !h.intervals[next].End.After(end); next++ {
			counted += h.intervals[next].End.Sub(h.intervals[next].Start)
		}
		if counted < time.Duration(covered*float64(length)) {
			first++
			continue
		}
		all = append(all, h.window(start, end))
		first = next
	}
	return all
}

func (h history) window(start, end time.Time) window {
	w := window{version: h.version, start: start}
	seen, times := map[string]int{}, 0
	for _, i := range h.all {
		if i.Start.Before(start) || i.End.After(end) {
			continue
		}
		w.intervals = append(w.intervals, i)
		if i.Metric != h.intervals[0].Metric {
			continue
		}
		times++
		for _, p := range i.Pods[h.version] {
			if p.Total > 0 {
				seen[p.Pod]++
			}
		}
	}
	for name, n := range seen {
		if 2*n >= times {
			w.pods = append(w.pods, name)
		}
	}
	slices.Sort(w.pods)
	return w
}

// podsOf is the median number of Pods of a window; without one, of an interval.
func (h history) podsOf(windows []window) int {
	var numbers []int
	for _, w := range windows {
		numbers = append(numbers, len(w.pods))
	}
	if len(windows) == 0 {
		for _, i := range h.intervals {
			numbers = append(numbers, len(i.Pods[h.version]))
		}
	}
	slices.Sort(numbers)
	return numbers[len(numbers)/2]
}

// group are Pods that are played as a canary.
type group []string

func (g group) name() string { return strings.Join(g, ",") }

// groups are as many as there are Pods, each a run of neighbours by name, so that
// every Pod is in as many groups as any other. There is none if no Pod would be left.
func (w window) groups(size int) []group {
	if size >= len(w.pods) {
		return nil
	}
	all := make([]group, len(w.pods))
	for i := range all {
		for j := range size {
			all[i] = append(all[i], w.pods[(i+j)%len(w.pods)])
		}
	}
	return all
}

// play is the release of a canary that is no different. It is watched to its end,
// as one is that passes early and then gets more traffic.
func (w window) play(c Config, canary group) (alarm bool, err error) {
	const stable, other = "stable", "canary"
	a, err := New(c, Versions{Stable: stable, Canary: other})
	if err != nil {
		return false, err
	}
	for _, i := range w.intervals {
		var both stats.Counts
		rest := make([]stats.PodCounts, 0, len(i.Pods[w.version]))
		for _, p := range i.Pods[w.version] {
			if slices.Contains(canary, p.Pod) {
				both.CanaryTotal, both.CanaryBad = both.CanaryTotal+p.Total, both.CanaryBad+p.Bad
				continue
			}
			both.StableTotal, both.StableBad = both.StableTotal+p.Total, both.StableBad+p.Bad
			rest = append(rest, p)
		}
		i.Strata, i.Pods = []stats.Counts{both}, map[string][]stats.PodCounts{stable: rest}
		if err := a.Add(i); err != nil {
			return false, fmt.Errorf("play a release with %s as its canary: %w", canary.name(), err)
		}
		if a.Outcome() == Fail {
			return true, nil
		}
	}
	return false, nil
}
