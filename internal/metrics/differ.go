package metrics

import (
	"slices"
	"time"
)

// DifferConfig says how readings become intervals. Fix it before the first
// reading: what is left out may not depend on what was seen.
type DifferConfig struct {
	// Metric is the name of the intervals: "errors" or "latency".
	Metric  string
	Release Release
	// MaxGap is the longest interval that is believed. Over a longer one, Pods
	// came and went unread and weights changed: it is dropped for both versions.
	MaxGap time.Duration
	// WarmUp leaves out what a Pod that appears after the start answers first.
	WarmUp time.Duration
	// Within is how long an answer may take that is not missing yet, where that is more
	// than stable's tell.
	Within time.Duration
	// Before asks for what is marked so too, ahead of the first intervals.
	Before bool
}

// DefaultMaxGap is four scrapes of the usual 30 s.
const DefaultMaxGap = 2 * time.Minute

// Differ turns samples of counters into intervals. It differences the raw
// values series by series, because PromQL's increase() extrapolates and cannot
// see the first value of a series.
//
// An interval ends when everything that is read has been read again, so that
// both versions are in it, however their scrapes are offset. Whatever is not
// read for more than two of its periods is gone and no longer waited for; if it
// comes back, its counters go on from where they were.
type Differ struct {
	config  DifferConfig
	series  map[string]*tally
	targets map[string]*target
	begin   time.Time // what was counted up to then is history
	start   time.Time // of the open interval
	before  time.Time // when the last closed interval began
	latest  time.Time // of all samples
	first   time.Time // the first begin
	past    bool      // needs not be told, or has been

	senders map[string]bool // those that are read themselves
	pending map[string]pending
	owed    map[owing]float64
}

// target is what is read at one go.
type target struct {
	last   time.Time
	period time.Duration // the shortest between two readings; 0 before the second
	from   time.Time     // what it read up to then does not count
	left   bool          // is known to be gone

	versions []string // that it counted the requests of
	all      bool     // it counts those of all versions
}

// NewDiffer starts counting after begin: what a series has at or before that is
// its history, and what a series that appears later has is all new.
func NewDiffer(c DifferConfig, begin time.Time) *Differ {
	if c.MaxGap <= 0 {
		c.MaxGap = DefaultMaxGap
	}
	return &Differ{config: c, series: map[string]*tally{}, targets: map[string]*target{},
		senders: map[string]bool{}, pending: map[string]pending{}, owed: map[owing]float64{}, begin: begin, start: begin, first: begin, past: !c.Before}
}

// Read takes samples in any order and returns the intervals that they complete,
// oldest first. A sample that was taken before, or that is older than one that
// was, changes nothing.
func (d *Differ) Read(samples []Sample) []Interval {
	sorted := slices.SortedStableFunc(slices.Values(samples), func(a, b Sample) int { return a.At.Compare(b.At) })
	var intervals []Interval
	for len(sorted) > 0 {
		at := sorted[0].At
		n := 1
		for n < len(sorted) && sorted[n].At.Equal(at) {
			n++
		}
		for i := range sorted[:n] {
			d.take(&sorted[i])
		}
		sorted = sorted[n:]
		if at.After(d.start) && d.complete(at) {
			intervals = append(intervals, d.close(at)...)
		}
	}
	if !d.past {
		before := d.beforeFirst()
		if d.past = len(before)+len(intervals) > 0; d.past {
			for _, t := range d.series {
				t.before = Sample{}
			}
		}
		intervals = append(before, intervals...)
	}
	return intervals
}

// Known reports whether there has been a sample of the version.
func (d *Differ) Known(version string) bool {
	for _, t := range d.series {
		if t.last.Version == version {
			return true
		}
	}
	return false
}

func (d *Differ) take(s *Sample) {
	d.afterSilence(s.At)
	known := d.targets[s.Target]
	t := d.series[s.Series]
	switch {
	case t != nil && !s.At.After(t.last.At):
		return // a duplicate, or a clock that went back
	case t != nil && s.Reader != t.last.Reader && !d.gone(d.targets[t.last.Target], s.At):
		return // somebody else reads the same counter
	case t == nil && known != nil && s.At.Before(known.last):
		return
	}
	if known == nil {
		known = d.appear(s.At)
		d.targets[s.Target] = known
	}
	if !known.last.IsZero() && !known.last.After(d.before) {
		known.from = s.At // the last interval ended without it, so others are ahead
	}
	known.read(s.At)
	known.counts(s)
	if s.Side == Sender {
		d.senders[s.Peer] = true
	}
	if s.Series == "" {
		return
	}
	if t == nil {
		t = &tally{}
		d.series[s.Series] = t
	}
	if !d.past && !s.At.After(d.first) {
		t.before = *s
	}
	t.take(s, d.begin, !s.At.After(known.from))
	if s.At.After(d.latest) {
		d.latest = s.At
	}
}

// counts notes whose requests a target is seen to count.
func (t *target) counts(s *Sample) {
	if s.Version != "" && !slices.Contains(t.versions, s.Version) {
		t.versions = append(t.versions, s.Version)
	}
	t.all = t.all || s.Side == Sender || len(t.versions) > 1
}

// appear makes a target that has not been seen before.
func (d *Differ) appear(at time.Time) *target {
	if d.config.WarmUp > 0 && at.After(d.begin) {
		return &target{from: at.Add(d.config.WarmUp)}
	}
	return &target{}
}

// afterSilence begins anew: after a time without any sample nobody can say
// whether what appears is new, until all have had a turn.
func (d *Differ) afterSilence(at time.Time) {
	if d.latest.IsZero() || at.Sub(d.latest) <= d.config.MaxGap {
		return
	}
	d.begin = at.Add(d.turn())
	d.start = d.begin
	for _, t := range d.series {
		t.reset()
	}
}

// turn is how long it takes until everything that is there has been read: one
// period of the slowest, and one more, or a hiccup, for a server that is finding
// its targets again. Where a period is not known, none is assumed to be short.
func (d *Differ) turn() time.Duration {
	most := d.config.MaxGap / 2
	if len(d.targets) == 0 {
		return most
	}
	longest := hiccup / 2
	for _, t := range d.targets {
		if t.period == 0 && !t.left {
			return most
		}
		longest = max(longest, t.period)
	}
	return min(most, 2*longest)
}

// read notes a reading. All series of a target come with one time.
func (t *target) read(at time.Time) {
	if period := at.Sub(t.last); !t.last.IsZero() && period > 0 && (t.period == 0 || period < t.period) {
		t.period = period
	}
	t.last, t.left = at, false
}

// Leave says that a target is known to be gone: no interval waits for it.
func (d *Differ) Leave(name string) {
	if t := d.targets[name]; t != nil {
		t.left = true
	}
}

// hiccup is how long even those who are read every second may be silent.
const hiccup = 10 * time.Second

// gone reports whether a target has left, or missed two readings. One that was read
// once is expected as often as the slowest of the others: a Pod that crashes after
// its first reading must not hide for minutes what the others count.
func (d *Differ) gone(t *target, now time.Time) bool {
	if t.left {
		return true
	}
	period := t.period
	if period == 0 {
		period = d.slowest()
	}
	patience := d.config.MaxGap
	if period > 0 {
		patience = min(patience, max(period*5/2, hiccup))
	}
	return now.Sub(t.last) > patience
}

// slowest is the longest period that is known; 0 for none.
func (d *Differ) slowest() time.Duration {
	var longest time.Duration
	for _, t := range d.targets {
		longest = max(longest, t.period)
	}
	return longest
}

// Since is from when on samples may be new to it: two readings before the last of
// what is read most rarely, and a hiccup for what has not been seen yet. It is not
// known before everything has been read twice; of nothing nothing is missing, and
// the time is zero.
func (d *Differ) Since() (since time.Time, known bool) {
	var longest time.Duration
	for _, t := range d.targets {
		switch {
		case d.gone(t, d.latest):
			continue
		case t.period == 0:
			return time.Time{}, false
		case since.IsZero() || t.last.Before(since):
			since = t.last
		}
		longest = max(longest, t.period)
	}
	if since.IsZero() {
		return since, true
	}
	return since.Add(-2*longest - hiccup), true
}

// complete reports whether everything that is still there has been read since
// the interval began.
func (d *Differ) complete(now time.Time) bool {
	for _, t := range d.targets {
		if !t.last.After(d.start) && !d.gone(t, now) {
			return false
		}
	}
	return true
}

// close ends the interval, and forgets what has long been gone: the names of
// Pods are never used again, but a controller watches for weeks.
func (d *Differ) close(at time.Time) []Interval {
	var intervals []Interval
	if at.Sub(d.start) <= d.config.MaxGap {
		intervals = d.intervals(at)
	}
	for name, t := range d.series {
		if at.Sub(t.last.At) > forgotten {
			delete(d.series, name)
			continue
		}
		t.reset()
	}
	for name, t := range d.targets {
		if at.Sub(t.last) > forgotten {
			delete(d.targets, name)
		}
	}
	d.before, d.start = d.start, at
	d.senders = d.heardSenders(at)
	return intervals
}

const forgotten = time.Hour

// ways are those that every series has: two versions with different buckets can be
// compared only where they agree.
func (d *Differ) ways(at time.Time) []Way {
	var common []Way
	first := true
	for _, t := range d.series {
		if at.Sub(t.last.At) > d.config.MaxGap {
			continue
		}
		if first {
			for _, b := range t.last.Bad {
				common = append(common, b.Way)
			}
			first = false
			continue
		}
		common = slices.DeleteFunc(common, func(w Way) bool {
			_, ok := t.last.at(w)
			return !ok
		})
	}
	return common
}
