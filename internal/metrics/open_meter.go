package metrics

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/canaryctl/canaryctl/internal/stats"
)

// OpenMeter reads the requests under way of one release in points, and gives
// intervals of MetricUnanswered: of all that ended or have been open for too long,
// the latter. Each counts once, in the interval in which that is found.
type OpenMeter struct {
	openPoints
	differ    *Differ
	config    DifferConfig
	processes map[process]*watched
	pacing    map[string]*pacing // of stable, by protocol
}

// process is what counts the requests of one protocol that one version answers: a
// Pod, or who sends to it.
type process struct{ protocol, target, version string }

// watched is a process that has been read.
type watched struct {
	reader     string // who is believed; another may read the same
	last       reading
	torn       time.Time // a reading that lacked what had been counted before
	aged       aged
	total, bad uint64 // since it was first read, however often it began anew
}

// NewOpenMeter is nil where the profile names nothing to read. The configuration's
// metric is MetricUnanswered, whatever it says.
func NewOpenMeter(p Profile, config DifferConfig, begin time.Time) (*OpenMeter, error) {
	if len(p.Open) == 0 {
		return nil, nil
	}
	config.Metric, config.Before = MetricUnanswered, false
	points, err := newOpenPoints(p)
	if err != nil {
		return nil, err
	}
	return &OpenMeter{openPoints: points, differ: NewDiffer(config, begin), config: config,
		processes: map[process]*watched{}, pacing: map[string]*pacing{}}, nil
}

// Read takes points in any order, those of MetricErrors and MetricLatency among them, and
// returns the intervals that they complete. Gauges must not be newer than what else was
// counted.
func (m *OpenMeter) Read(points []Point) []Interval {
	m.choose(points)
	found := m.gather(points, m.fresh)
	inOrder := slices.SortedFunc(maps.Values(found), func(a, b *gathered) int {
		return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.target, b.target), cmp.Compare(a.version, b.version), cmp.Compare(a.protocol, b.protocol))
	})
	var samples []Sample
	for _, g := range inOrder {
		if s, ok := m.take(g); ok {
			samples = append(samples, s)
		}
	}
	m.forget()
	return m.differ.Read(samples)
}

// Since is from when on points may be new to it; see Differ.Since.
func (m *OpenMeter) Since() (since time.Time, known bool) { return m.differ.Since() }

// Leave says that a Pod is known to be gone.
func (m *OpenMeter) Leave(namespace, pod string) { m.differ.Leave(namespace + "/" + pod) }

// Found reports whether any of what the profile names was there.
func (m *OpenMeter) Found() bool { return len(m.chosen) > 0 }

// fresh reports whether a reading was not taken yet.
func (m *OpenMeter) fresh(of process, at time.Time) bool {
	w := m.processes[of]
	return w == nil || at.After(w.last.at)
}

// take makes a reading a sample of counters that never fall.
func (m *OpenMeter) take(g *gathered) (Sample, bool) {
	w, known := m.processes[g.process]
	if !known {
		w = &watched{reader: g.reader, aged: newAged()}
		m.processes[g.process] = w
	}
	switch {
	case !known:
		w.total = g.ended
	case !g.at.After(w.last.at), g.reader != w.reader && g.at.Sub(w.last.at) <= m.patience():
		return Sample{}, false
	case g.reader != w.reader: // its predecessor is gone
		w.reader, w.aged = g.reader, newAged()
	case g.ended == 0 && w.last.ended > 0 && (w.torn.IsZero() || !g.at.After(w.torn)):
		w.torn = g.at // a restart, or a reading that is not whole: the next one tells
		return Sample{}, false
	case g.ended < w.last.ended || g.maybe < w.last.maybe:
		w.total, w.aged = w.total+g.ended, newAged()
	default:
		w.total += g.ended - w.last.ended
		if g.version == m.config.Release.Stable && g.at.Sub(w.last.at) <= m.patience() {
			m.paceOf(g.protocol).learn(w.last, g.reading)
		}
	}
	w.last, w.torn = g.reading, time.Time{}
	pace := m.paceOf(g.protocol)
	w.aged.read(g.reading, pace.age())
	if g.version == m.config.Release.Stable {
		pace.hold(&w.aged)
	}
	w.bad += w.aged.take(pace.normal())
	s := Sample{
		Series: g.protocol + "\x00" + g.target + "\x00" + g.version, Version: g.version, Side: g.side, Target: g.target, Pod: g.pod,
		At: g.at, Total: w.total + w.bad, Bad: Errors(w.bad),
	}
	if !known {
		s.Born = g.born
	}
	return s, true
}

func (m *OpenMeter) paceOf(protocol string) *pacing {
	if m.pacing[protocol] == nil {
		m.pacing[protocol] = &pacing{within: m.config.Within}
	}
	return m.pacing[protocol]
}

func (m *OpenMeter) patience() time.Duration { return cmp.Or(max(m.config.MaxGap, 0), DefaultMaxGap) }

// forget drops what has long been gone, as Differ does.
func (m *OpenMeter) forget() {
	var latest time.Time
	for _, w := range m.processes {
		if w.last.at.After(latest) {
			latest = w.last.at
		}
	}
	maps.DeleteFunc(m.processes, func(_ process, w *watched) bool { return latest.Sub(w.last.at) > forgotten })
}

// openPoints finds in points how many requests are open, and how many have ended.
type openPoints struct {
	spellings []openSpelling
	ends      []instrument // that count the requests which ended
	took      []instrument // that tell how long those took
	sides     Sides
	chosen    map[string]*openSpelling // by protocol, as in Meter
	counters  map[string]*instrument
	clocks    map[string]*instrument
}

func newOpenPoints(p Profile) (openPoints, error) {
	o := openPoints{chosen: map[string]*openSpelling{}, counters: map[string]*instrument{}, clocks: map[string]*instrument{}}
	var err error
	if o.sides, err = p.Sides(); err != nil {
		return o, err
	}
	if o.ends, err = p.compile(MetricErrors); err != nil {
		return o, err
	}
	if o.took, err = p.compile(MetricLatency); err != nil {
		return o, err
	}
	o.spellings, err = p.compileOpen()
	return o, err
}

// choose settles on one spelling for each protocol, for good.
func (o *openPoints) choose(points []Point) {
	for i := range o.spellings {
		s := &o.spellings[i]
		if o.chosen[s.Protocol] == nil && slices.ContainsFunc(points, func(p Point) bool { return s.level(&p) }) {
			o.chosen[s.Protocol] = s
		}
	}
	for protocol, s := range o.chosen {
		if s.Gauge != "" && o.counters[protocol] == nil {
			o.counters[protocol] = o.find(o.ends, protocol, s.side, points)
		}
		if o.clocks[protocol] == nil {
			o.clocks[protocol] = o.find(o.took, protocol, s.side, points)
		}
	}
}

// find is the first spelling for a protocol that a side has; nil for none.
func (o *openPoints) find(all []instrument, protocol string, side Side, points []Point) *instrument {
	for i := range all {
		one := &all[i]
		if one.protocol == protocol && slices.ContainsFunc(points, func(p Point) bool { return one.reads(&p) && o.sides.Of(p.Labels) == side }) {
			return one
		}
	}
	return nil
}

// gathered is one reading of a process, and who made it.
type gathered struct {
	process
	reading
	reader, pod string
	side        Side
	born        time.Time
}

// source is who read what at one time.
type source struct {
	process
	reader string
	at     time.Time
}

// gather puts the points of each reading together, of those that are wanted. A
// process of which no counter was read has not ended any request yet.
func (o *openPoints) gather(points []Point, wanted func(process, time.Time) bool) map[source]*gathered {
	all := map[source]*gathered{}
	var since time.Time
	for protocol, s := range o.chosen {
		for i := range points {
			p := &points[i]
			if !s.level(p) {
				continue
			}
			at := sourceOf(p, protocol, p.Version)
			if !wanted(at.process, at.at) {
				continue
			}
			g := all[at]
			if g == nil {
				g = &gathered{process: at.process, reader: at.reader, side: s.side, reading: reading{at: p.At}}
				all[at] = g
				if since.IsZero() || p.At.Before(since) {
					since = p.At
				}
			}
			if s.side == Receiver {
				g.pod = p.Pod
			}
			g.open += level(p.Value)
		}
	}
	if len(all) == 0 {
		return nil
	}
	for i := range points {
		if p := &points[i]; !p.At.Before(since) {
			o.addEnded(all, p)
			o.addTook(all, p)
		}
	}
	for _, g := range all {
		if o.chosen[g.protocol].Gauge == "" { // it was those that started
			g.open -= min(g.open, g.ended)
		}
	}
	return all
}

// addEnded adds a counter to the reading that it is of.
func (o *openPoints) addEnded(all map[source]*gathered, p *Point) {
	for protocol, s := range o.chosen {
		if s.Gauge == "" && (p.Name != s.Ended || !s.counts(p)) {
			continue
		}
		if e := o.counters[protocol]; s.Gauge != "" && (e == nil || !e.reads(p) || o.sides.Of(p.Labels) != s.side) {
			continue
		}
		value := p.Value
		if p.Histogram != nil {
			value = p.Histogram.Count
		}
		n, err := stats.Count(value)
		if err != nil {
			continue
		}
		if p.Version == "" {
			o.addMaybe(all, sourceOf(p, protocol, ""), n)
			continue
		}
		if g := all[sourceOf(p, protocol, p.Version)]; g != nil {
			g.ended += n
			if !p.Born.IsZero() && (g.born.IsZero() || p.Born.Before(g.born)) {
				g.born = p.Born
			}
		}
	}
}

// addTook adds a histogram to the reading that it is of.
func (o *openPoints) addTook(all map[source]*gathered, p *Point) {
	for protocol, clock := range o.clocks {
		if clock == nil || !clock.reads(p) || o.sides.Of(p.Labels) != o.chosen[protocol].side {
			continue
		}
		var s Sample
		if g := all[sourceOf(p, protocol, p.Version)]; g != nil && clock.measure(&s, p, adds{}, false) == nil {
			g.took.add(s.Total, s.Bad)
		}
	}
}

// addMaybe adds what ended without a version to all that it may have been of.
func (o *openPoints) addMaybe(all map[source]*gathered, at source, n uint64) {
	for known, g := range all {
		if known.version = ""; known == at {
			g.maybe += n
		}
	}
}

func sourceOf(p *Point, protocol, version string) source {
	return source{process{protocol, targetOf(p.Labels), version}, readerOf(p.Labels), p.At}
}

// level reads a gauge. Its library may let it fall below zero for a moment.
func level(v float64) uint64 {
	if !(v > 0) {
		return 0
	}
	return uint64(min(v, 1<<53))
}
