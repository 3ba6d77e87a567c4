package metrics

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/canaryctl/canaryctl/internal/stats"
)

// instrument is an Instrument with its patterns compiled: one spelling of a
// metric.
type instrument struct {
	name    string // for people
	counts  []count
	stratum []string
	// Of a histogram, whose values are limited; else they are only counted.
	edges bool
	scale float64
	// native is the form of histograms that this spelling is read from.
	native   bool
	protocol string
	why      []string
	// How a request ended, by the labels of its series: the first that holds.
	good, givenUp, failed [][]matcher
}

// count says what a series adds to.
type count struct {
	name       string
	where, not []matcher
	total, bad bool
}

// adds is what a series adds to: all requests, those that failed, those given up.
type adds struct{ total, failed, givenUp bool }

type matcher struct {
	labels  []string
	pattern *regexp.Regexp
}

// compile returns the spellings of a metric, the preferred first.
func (p Profile) compile(metric string) ([]instrument, error) {
	list := p.Errors
	if metric == MetricLatency {
		list = p.Latency
	}
	var all []instrument
	for _, i := range list {
		one, err := i.compile(metric == MetricLatency, p.grpcFailed)
		if err != nil {
			return nil, fmt.Errorf("%w %q: %s: %w", ErrProfile, p.Name, i.Name, err)
		}
		all = append(all, one...)
	}
	return all, nil
}

// compile gives both forms of what a histogram is read from: one that is kept as
// a native one alone has no series of its count.
func (i Instrument) compile(edges bool, grpcFailed []string) ([]instrument, error) {
	one := instrument{name: i.Name, stratum: strings.Split(i.Stratum, "|"), edges: edges, scale: i.Scale, protocol: i.Protocol, why: i.Why}
	var err error
	for _, outcome := range []struct {
		conditions []Condition
		to         *[][]matcher
	}{{i.Good, &one.good}, {i.GivenUp, &one.givenUp}, {i.failed(), &one.failed}} {
		if *outcome.to, err = compileAny(outcome.conditions, grpcFailed); err != nil {
			return nil, err
		}
	}
	if i.Counters != nil {
		one.name, one.counts, err = i.Counters.compile()
		return []instrument{one}, err
	}
	bare, isCount := strings.CutSuffix(i.Name, "_count")
	if one.counts, err = i.labelled(i.Name); err != nil {
		return nil, err
	}
	if !edges && !isCount {
		return []instrument{one}, nil
	}
	native := one
	native.native = true
	if isCount {
		native.name = bare
		native.counts, err = i.labelled(bare)
	}
	if edges {
		return []instrument{native, one}, err // it has edges where the other has none
	}
	return []instrument{one, native}, err
}

// failed are the conditions, of which bad may be one.
func (i Instrument) failed() []Condition {
	if len(i.Bad) == 0 {
		return i.Failed
	}
	return append([]Condition{i.Bad}, i.Failed...)
}

// labelled counts requests whose outcome is told by labels.
func (i Instrument) labelled(name string) ([]count, error) {
	where, err := matchers(i.where)
	if err != nil {
		return nil, err
	}
	not, err := matchers(i.Not)
	if err != nil {
		return nil, err
	}
	return []count{{name: name, where: where, not: not, total: true}}, nil
}

func (c *Counters) compile() (name string, counts []count, err error) {
	var names []string
	for _, s := range c.list() {
		one := count{name: s.Name, total: s != c.Bad || c.Good != nil, bad: s == c.Bad}
		if one.where, err = matchers(s.Where); err == nil {
			one.not, err = matchers(s.Not)
		}
		if err != nil {
			return "", nil, err
		}
		counts = append(counts, one)
		names = append(names, s.Name)
	}
	return strings.Join(slices.Compact(names), ", "), counts, nil
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

// form reports whether a point has the form that this spelling is read from.
func (i *instrument) form(p *Point) bool {
	native := p.Histogram != nil && len(p.Histogram.Classic) == 0
	switch {
	case i.native:
		return native
	case i.edges:
		return p.Histogram != nil && !native
	}
	return p.Histogram == nil
}

// reads reports whether a point is of this spelling, even if it is left out.
func (i *instrument) reads(p *Point) bool {
	return i.form(p) && slices.ContainsFunc(i.counts, func(c count) bool {
		return c.total && c.name == p.Name && matchAll(c.where, p.Labels)
	})
}

// adds says what a point adds to, if to anything.
func (i *instrument) adds(p *Point) adds {
	var a adds
	if !i.form(p) {
		return a
	}
	for _, c := range i.counts {
		if c.name == p.Name && matchAll(c.where, p.Labels) && !slices.ContainsFunc(c.not, func(m matcher) bool { return m.match(p.Labels) }) {
			a.total, a.failed = a.total || c.total, a.failed || c.bad
		}
	}
	switch {
	case !a.total || a.failed || matchAny(i.good, p.Labels):
	case matchAny(i.givenUp, p.Labels):
		a.givenUp = true
	default:
		a.failed = matchAny(i.failed, p.Labels)
	}
	return a
}

// measure fills in what a point has counted; leavers says that those who left are
// counted by the metric, if not by this series.
func (i *instrument) measure(s *Sample, p *Point, a adds, leavers bool) (err error) {
	switch {
	case i.edges && i.native:
		s.Total, s.Bad, err = NativeEdges(p.Histogram.Count, p.Histogram.Native, i.scale)
		return err
	case i.edges:
		s.Total, s.Bad, err = ClassicEdges(p.Histogram.Classic, i.scale)
		return err
	}
	value := p.Value
	if p.Histogram != nil {
		value = p.Histogram.Count
	}
	n, err := stats.Count(value)
	if a.total {
		s.Total = n
	}
	s.Bad = Errors(0)
	if a.failed {
		s.Bad = Errors(n)
	}
	if leavers {
		s.Bad = append(s.Bad, Bad{Way: GivenUp})
		if a.givenUp {
			s.Bad[1].Count = n
		}
	}
	return err
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
