package metrics

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// Found is what a source has of one spelling of a metric.
type Found struct {
	// Metric is MetricErrors, MetricLatency or MetricUnanswered, and Name the spelling.
	Metric, Name string
	// Used says that this is the spelling that is counted.
	Used bool
	// Versions are those of the release, with or without series.
	Versions []FoundVersion
	// Senders are those whose requests are read where they are sent, and Received
	// those whose requests only the receivers count; both of a profile with two sides.
	Senders, Received []string
}

// FoundVersion is what there is of one version.
type FoundVersion struct {
	Version string
	// Series is how many are read; each bucket of a histogram is one.
	Series int
	// Pods is how many of the version's Pods they are of; 0 where nobody knows.
	Pods int
	// Age is how long ago the newest of their samples was read.
	Age time.Duration
}

// Any reports whether there is a series of any version.
func (f Found) Any() bool {
	return slices.ContainsFunc(f.Versions, func(v FoundVersion) bool { return v.Series > 0 })
}

// Survey says which metrics of a profile are among the points, which have their
// versions; now is by the clock of their times. An error wraps ErrProfile.
func Survey(p Profile, r Release, points []Point, now time.Time) ([]Found, error) {
	var all []Found
	for _, metric := range []string{MetricErrors, MetricLatency} {
		m, err := NewMeter(p, DifferConfig{Metric: metric, Release: r}, now)
		if err != nil {
			return nil, err
		}
		points := slices.DeleteFunc(slices.Clone(points), func(p Point) bool { return m.sides.Of(p.Labels) == "" })
		m.choose(points)
		spellings := m.all
		for i := range spellings {
			f := Found{Metric: metric, Name: spellings[i].name, Used: &spellings[i] == m.chosen[spellings[i].protocol]}
			if spellings[i].native {
				f.Name += " (native)"
			}
			for _, v := range r.Versions() {
				f.Versions = append(f.Versions, surveyOf(v, points, now, func(p *Point) bool {
					a := spellings[i].adds(p)
					return a.total || a.failed
				}))
			}
			if m.sides.Both() {
				f.Senders, f.Received = m.peers(&spellings[i], points)
			}
			if f.Any() {
				all = append(all, f)
			}
		}
	}
	if len(all) == 0 {
		return nil, nil // by gauges alone nothing is judged
	}
	open, err := surveyOpen(p, r, points, now)
	return append(all, open...), err
}

// surveyOpen says what there is of open requests.
func surveyOpen(p Profile, r Release, points []Point, now time.Time) ([]Found, error) {
	o, err := newOpenPoints(p)
	if err != nil {
		return nil, err
	}
	o.choose(points)
	var all []Found
	for i := range o.spellings {
		s := &o.spellings[i]
		f := Found{Metric: MetricUnanswered, Name: s.name(), Used: o.chosen[s.Protocol] == s}
		for _, v := range r.Versions() {
			f.Versions = append(f.Versions, surveyOf(v, points, now, s.level))
		}
		if f.Any() {
			all = append(all, f)
		}
	}
	return all, nil
}

// peers are those who send, by who counts their requests.
func (m *Meter) peers(i *instrument, points []Point) (senders, received []string) {
	sides := map[string]Side{}
	for j := range points {
		p := &points[j]
		if a := i.adds(p); !a.total && !a.failed {
			continue
		}
		k := m.kindOf(p)
		if sides[k.peer] != Sender {
			sides[k.peer] = k.side
		}
	}
	for _, peer := range slices.Sorted(maps.Keys(sides)) {
		name := peerName(peer)
		if sides[peer] == Sender {
			senders = append(senders, name)
		} else {
			received = append(received, name)
		}
	}
	return senders, received
}

// peerName is the namespace and name of a sender, or says that nobody knows it.
func peerName(peer string) string {
	parts := slices.DeleteFunc(strings.Split(peer, "\x00"), func(s string) bool { return s == "" || s == "unknown" })
	if len(parts) == 0 {
		return "clients without a sidecar"
	}
	return strings.Join(parts, "/")
}

// surveyOf is what there is of one version, of the points that count.
func surveyOf(version string, points []Point, now time.Time, counts func(*Point) bool) FoundVersion {
	series, pods := map[string]int{}, map[string]bool{}
	var newest time.Time
	for j := range points {
		p := &points[j]
		if p.Version != version || !counts(p) {
			continue
		}
		key, reader := identify(p.Name, p.Labels)
		n := 1
		if p.Histogram != nil {
			n = max(1, len(p.Histogram.Classic))
		}
		series[key+reader] = max(series[key+reader], n)
		if p.Pod != "" {
			pods[p.Pod] = true
		}
		if p.At.After(newest) {
			newest = p.At
		}
	}
	found := FoundVersion{Version: version, Pods: len(pods)}
	for _, n := range series {
		found.Series += n
	}
	if found.Series > 0 {
		found.Age = max(0, now.Sub(newest))
	}
	return found
}
