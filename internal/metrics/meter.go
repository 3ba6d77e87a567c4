package metrics

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/canaryctl/canaryctl/internal/stats"
)

// Names of the metrics that a profile gives.
const (
	MetricErrors  = "errors"
	MetricLatency = "latency"
)

// Point is a series of an instrument at one time, as a source has it.
type Point struct {
	Name     string
	Labels   map[string]string
	Version  string
	At, Born time.Time
	// Value is that of a counter; Histogram is set for a histogram instead.
	Value     float64
	Histogram *Histogram
}

// Histogram holds one or both forms; Count is that of the native one.
type Histogram struct {
	Classic []Cumulative
	Count   float64
	Native  []Bucket
}

// Meter reads one metric of one release in points, and gives intervals.
type Meter struct {
	differ *Differ
	where  []matcher
	chosen *instrument // the spelling in use, once it is known
	all    []instrument
	native bool // the form of histograms in use, chosen with the spelling
	bad    error
}

// instrument is an Instrument with its patterns compiled.
type instrument struct {
	Instrument
	bad, not []matcher
	stratum  []string
}

type matcher struct {
	labels  []string
	pattern *regexp.Regexp
}

// NewMeter reads config.Metric, MetricErrors or MetricLatency, with a profile.
func NewMeter(p Profile, config DifferConfig, begin time.Time) (*Meter, error) {
	list := p.Errors
	if config.Metric == MetricLatency {
		list = p.Latency
	}
	m := &Meter{differ: NewDiffer(config, begin)}
	var err error
	if m.where, err = matchers(p.Where); err != nil {
		return nil, fmt.Errorf("%w %q: %w", ErrProfile, p.Name, err)
	}
	for _, i := range list {
		c := instrument{Instrument: i, stratum: strings.Split(i.Stratum, "|")}
		if c.bad, err = matchers(i.Bad); err == nil {
			c.not, err = matchers(i.Not)
		}
		if err != nil {
			return nil, fmt.Errorf("%w %q: %s: %w", ErrProfile, p.Name, i.Name, err)
		}
		m.all = append(m.all, c)
	}
	return m, nil
}

func matchers(patterns map[string]string) ([]matcher, error) {
	var all []matcher
	for _, label := range slices.Sorted(maps.Keys(patterns)) {
		pattern, err := whole(patterns[label])
		if err != nil {
			return nil, fmt.Errorf("label %s: %w", label, err)
		}
		all = append(all, matcher{strings.Split(label, "|"), pattern})
	}
	return all, nil
}

// Read takes points in any order and returns the intervals that they complete.
// Points that are not of this metric are passed over.
func (m *Meter) Read(points []Point) []Interval {
	points = slices.DeleteFunc(slices.Clone(points), func(p Point) bool { return !matchAll(m.where, p.Labels) })
	m.choose(points)
	if m.chosen == nil {
		return nil
	}
	samples := make([]Sample, 0, len(points))
	for i := range points {
		p := &points[i]
		if p.Name != m.chosen.Name || slices.ContainsFunc(m.chosen.not, func(n matcher) bool { return n.match(p.Labels) }) {
			continue
		}
		s, err := m.sample(p)
		if err != nil { // NaN, a fraction, a torn histogram: no count was read
			m.bad = fmt.Errorf("%s of %s: %w", p.Name, p.Labels, err)
			continue
		}
		samples = append(samples, s)
	}
	return m.differ.Read(samples)
}

// Leave says that a Pod is known to be gone.
func (m *Meter) Leave(namespace, pod string) { m.differ.Leave(namespace + "/" + pod) }

// Err says why there is nothing to judge, wrapping ErrNoData, or is nil.
func (m *Meter) Err() error {
	r := m.differ.config.Release
	for _, version := range r.Versions() {
		if m.differ.Known(version) {
			return nil
		}
	}
	if m.bad != nil {
		return fmt.Errorf("%w of %s: %w", ErrNoData, r.App, m.bad)
	}
	var names []string
	for _, i := range m.all {
		names = append(names, i.Name)
	}
	return fmt.Errorf("%w: no %s of %s in namespace %s, version %s", ErrNoData,
		strings.Join(names, " or "), r.App, r.Namespace, strings.Join(r.Versions(), " or "))
}

// NoData is nil when any of the meters has something to judge by; else it says
// what the first lacks.
func NoData(meters ...*Meter) error {
	var why error
	for _, m := range meters {
		err := m.Err()
		if err == nil {
			return nil
		}
		why = cmp.Or(why, err)
	}
	return why
}

// choose settles for the first spelling that has a series, for good: to change
// it would compare what one library counts with what another does.
func (m *Meter) choose(points []Point) {
	if m.chosen != nil {
		return
	}
	for i := range m.all {
		named := slices.DeleteFunc(slices.Clone(points), func(p Point) bool { return p.Name != m.all[i].Name })
		if len(named) > 0 {
			m.chosen = &m.all[i]
			m.native = slices.ContainsFunc(named, func(p Point) bool { return p.Histogram != nil && len(p.Histogram.Classic) == 0 })
			return
		}
	}
}

func (m *Meter) sample(p *Point) (Sample, error) {
	s := Sample{Version: p.Version, Pod: p.Labels["pod"], At: p.At, Born: p.Born}
	s.Stratum, _ = first(m.chosen.stratum, p.Labels)
	s.Series, s.Reader = identify(p.Name, p.Labels)
	s.Target = p.Labels["namespace"] + "/" + s.Pod
	if s.Pod == "" {
		s.Target = p.Labels["instance"]
	}
	var err error
	switch {
	case p.Histogram == nil:
		s.Total, err = stats.Count(p.Value)
		s.Bad = Errors(0)
		if matchAll(m.chosen.bad, p.Labels) {
			s.Bad = Errors(s.Total)
		}
	case m.native:
		s.Total, s.Bad, err = NativeEdges(p.Histogram.Count, p.Histogram.Native, m.chosen.Scale)
	default:
		s.Total, s.Bad, err = ClassicEdges(p.Histogram.Classic, m.chosen.Scale)
	}
	return s, err
}

func matchAll(all []matcher, labels map[string]string) bool {
	return !slices.ContainsFunc(all, func(m matcher) bool { return !m.match(labels) })
}

func (m matcher) match(labels map[string]string) bool {
	value, _ := first(m.labels, labels)
	return m.pattern.MatchString(value)
}

func first(names []string, labels map[string]string) (string, bool) {
	for _, name := range names {
		if value, ok := labels[name]; ok {
			return value, true
		}
	}
	return "", false
}

// identify splits labels into what was counted and who read it. A Pod that two
// jobs scrape, and replicas of a Prometheus, tell of the same counter.
func identify(name string, labels map[string]string) (series, reader string) {
	var counted, readers strings.Builder
	counted.WriteString(name)
	for _, label := range slices.Sorted(maps.Keys(labels)) {
		b := &counted
		switch label {
		case "job", "endpoint", "prometheus", "prometheus_replica", "replica", "__replica__":
			b = &readers
		case "instance", "container", "service":
			if labels["pod"] != "" { // else it may be all that tells two Pods apart
				b = &readers
			}
		}
		fmt.Fprintf(b, "\x00%s=%s", label, labels[label])
	}
	return counted.String(), readers.String()
}
