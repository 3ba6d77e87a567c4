package metrics

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Names of the metrics that a profile gives. A request ends as good, as failed, or
// given up: whoever sent it left before the answer. One that has not ended is open.
const (
	// MetricErrors counts those that were answered, and of them those that failed.
	MetricErrors = "errors"
	// MetricGivenUp counts all that ended, and of them those that were given up.
	MetricGivenUp = "given-up"
	// MetricUnanswered counts those that ended or are open, and of them those that
	// have been open for longer than any answer should take.
	MetricUnanswered = "unanswered"
	MetricLatency    = "latency"
)

// Point is a series of an instrument at one time, as a source has it.
type Point struct {
	Name    string
	Labels  map[string]string
	Version string
	// Pod is the Pod of that version that counted; empty where another did, such as
	// a gateway, or where nobody knows.
	Pod      string
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
	bad    error
}

// NewMeter reads config.Metric, MetricErrors or MetricLatency, with a profile.
func NewMeter(p Profile, config DifferConfig, begin time.Time) (*Meter, error) {
	m := &Meter{differ: NewDiffer(config, begin)}
	var err error
	if m.where, err = matchers(p.Where); err != nil {
		return nil, fmt.Errorf("%w %q: %w", ErrProfile, p.Name, err)
	}
	m.all, err = p.compile(config.Metric)
	return m, err
}

// Read takes points in any order and returns the intervals that they complete.
// Points that are not of this metric are passed over.
func (m *Meter) Read(points []Point) []Interval {
	points = slices.DeleteFunc(slices.Clone(points), func(p Point) bool { return !matchAll(m.where, p.Labels) })
	if m.chosen == nil { // for good: another would compare what one library counts with what another does
		m.chosen = choose(m.all, points)
	}
	if m.chosen == nil {
		return nil
	}
	samples := make([]Sample, 0, len(points))
	for i := range points {
		p := &points[i]
		total, bad := m.chosen.adds(p)
		if !total && !bad {
			continue
		}
		s := m.sample(p)
		err := m.chosen.measure(&s, p, total, bad)
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

// Since is from when on points may be new to it; see Differ.Since.
func (m *Meter) Since() (since time.Time, known bool) { return m.differ.Since() }

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
		if !slices.Contains(names, i.name) {
			names = append(names, i.name)
		}
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

// choose returns the first spelling that has a series.
func choose(all []instrument, points []Point) *instrument {
	for i := range all {
		if slices.ContainsFunc(points, func(p Point) bool { return all[i].reads(&p) }) {
			return &all[i]
		}
	}
	return nil
}

func (m *Meter) sample(p *Point) Sample {
	s := Sample{Version: p.Version, Pod: p.Pod, At: p.At, Born: p.Born}
	s.Stratum, _ = first(m.chosen.stratum, p.Labels)
	s.Series, s.Reader = identify(p.Name, p.Labels)
	s.Target = p.Labels["namespace"] + "/" + p.Labels["pod"]
	if p.Labels["pod"] == "" {
		s.Target = p.Labels["instance"]
	}
	return s
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
