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
	differ  *Differ
	sides   Sides
	peer    []string
	all     []instrument
	chosen  map[string]*instrument // the spelling in use, by protocol, once it is known
	kinds   map[string]kind        // by series and reader
	leavers bool                   // those who left are counted
	bad     error
}

// kind is what a series is: its labels do not change.
type kind struct {
	side       Side
	peer       string
	instrument *instrument
	adds       adds
	why        string
}

// NewMeter reads config.Metric, MetricErrors or MetricLatency, with a profile.
func NewMeter(p Profile, config DifferConfig, begin time.Time) (*Meter, error) {
	m := &Meter{differ: NewDiffer(config, begin), peer: p.Peer, chosen: map[string]*instrument{}, kinds: map[string]kind{}}
	var err error
	if m.sides, err = p.Sides(); err != nil {
		return nil, err
	}
	if m.all, err = p.compile(config.Metric); err != nil {
		return nil, err
	}
	m.leavers = slices.ContainsFunc(m.all, func(i instrument) bool { return len(i.givenUp) > 0 })
	return m, nil
}

// Read takes points in any order and returns the intervals that they complete.
// Points that are not of this metric are passed over.
func (m *Meter) Read(points []Point) []Interval {
	m.choose(points)
	if len(m.kinds) > 2*len(points)+fewKinds {
		clear(m.kinds) // of series that are gone
	}
	samples := make([]Sample, 0, len(points))
	for i := range points {
		p := &points[i]
		s, k := m.sample(p)
		if k.side == "" {
			continue
		}
		if k.instrument == nil || !k.adds.total && !k.adds.failed {
			if p.Pod != "" { // it says nothing, but that the Pod was read
				samples = append(samples, Sample{Version: p.Version, Pod: p.Pod, Target: s.Target, Side: k.side, Peer: k.peer, At: p.At})
			}
			continue
		}
		s.Stratum, _ = first(k.instrument.stratum, p.Labels)
		s.Why = k.why
		err := k.instrument.measure(&s, p, k.adds, m.leavers)
		if err != nil { // NaN, a fraction, a torn histogram: no count was read
			m.bad = fmt.Errorf("%s of %s: %w", p.Name, p.Labels, err)
			continue
		}
		samples = append(samples, s)
	}
	return m.differ.Read(samples)
}

const fewKinds = 1000

// choose settles on one spelling for each protocol. That is for good: another would
// compare what one library counts with what another does.
func (m *Meter) choose(points []Point) {
	for i := range m.all {
		one := &m.all[i]
		if m.chosen[one.protocol] != nil {
			continue
		}
		if slices.ContainsFunc(points, func(p Point) bool { return one.reads(&p) && m.sides.Of(p.Labels) != "" }) {
			m.chosen[one.protocol] = one
			clear(m.kinds)
		}
	}
}

// kindOf says what a series is.
func (m *Meter) kindOf(p *Point) kind {
	k := kind{side: m.sides.Of(p.Labels)}
	var peer strings.Builder
	for _, label := range m.peer {
		fmt.Fprintf(&peer, "\x00%s", p.Labels[label])
	}
	k.peer = peer.String()
	for _, i := range m.chosen {
		if a := i.adds(p); a.total || a.failed {
			k.instrument, k.adds = i, a
			if a.failed || a.givenUp {
				k.why = why(p.Labels, i.why)
			}
		}
	}
	return k
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
	const few = 2
	what := strings.Join(names[:min(few, len(names))], " or ")
	if more := len(names) - few; more > 1 {
		what += fmt.Sprintf(" (nor %d other names for it)", more)
	} else if more == 1 {
		what += " or " + names[few]
	}
	return fmt.Errorf("%w: no %s of %s in namespace %s, version %s", ErrNoData,
		what, r.App, r.Namespace, strings.Join(r.Versions(), " or "))
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

// sample is what a point says of its series, but the counts.
func (m *Meter) sample(p *Point) (Sample, kind) {
	s := Sample{Version: p.Version, Pod: p.Pod, At: p.At, Born: p.Born}
	s.Series, s.Reader = identify(p.Name, p.Labels)
	k, known := m.kinds[s.Series+s.Reader]
	if !known {
		k = m.kindOf(p)
		m.kinds[s.Series+s.Reader] = k
	}
	s.Side, s.Peer = k.side, k.peer
	s.Target = targetOf(p.Labels)
	return s, k
}

// targetOf names what a series was read from at one go.
func targetOf(labels map[string]string) string {
	if labels["pod"] == "" {
		return labels["instance"]
	}
	return labels["namespace"] + "/" + labels["pod"]
}

// identify splits labels into what was counted and who read it. A Pod that two
// jobs scrape, and replicas of a Prometheus, tell of the same counter.
func identify(name string, labels map[string]string) (series, reader string) {
	var counted, readers strings.Builder
	counted.WriteString(name)
	for _, label := range slices.Sorted(maps.Keys(labels)) {
		b := &counted
		if tellsReader(label, labels) {
			b = &readers
		}
		fmt.Fprintf(b, "\x00%s=%s", label, labels[label])
	}
	return counted.String(), readers.String()
}

// readerLabels may say who read a counter.
func readerLabels() [9]string {
	return [...]string{"job", "endpoint", "prometheus", "prometheus_replica", "replica", "__replica__", "instance", "container", "service"}
}

// tellsReader reports whether a label says who read it.
func tellsReader(label string, labels map[string]string) bool {
	switch label {
	case "instance", "container", "service":
		return labels["pod"] != "" // else it may be all that tells two Pods apart
	}
	known := readerLabels()
	return slices.Contains(known[:], label)
}

// readerOf is who read a counter.
func readerOf(labels map[string]string) string {
	var readers strings.Builder
	for _, label := range readerLabels() {
		if value, ok := labels[label]; ok && tellsReader(label, labels) {
			readers.WriteString("\x00" + label + "=" + value)
		}
	}
	return readers.String()
}
