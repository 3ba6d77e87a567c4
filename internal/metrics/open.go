package metrics

import (
	"errors"
	"fmt"
	"slices"
)

// Open is one way to know how many requests are under way: a gauge of them, or two
// counters, of those that started and those that ended.
type Open struct {
	Gauge   string `json:"gauge,omitempty"`
	Started string `json:"started,omitempty"`
	Ended   string `json:"ended,omitempty"`
	// Not are series of the pair to leave out. Of a gauge nothing can be.
	Not Condition `json:"not,omitempty"`
	// Protocol is that of the counters in Errors that count the same requests.
	Protocol string `json:"protocol,omitempty"`
	// Identity is that of the gauge, where it has other labels than the profile says.
	// What is not of the application's own Pods is counted by whoever sends to them.
	Identity Identity `json:"identity,omitempty"`
}

func (o Open) validate() error {
	pair := o.Started != "" && o.Ended != ""
	switch {
	case (o.Gauge != "") == pair, !pair && o.Started+o.Ended != "":
		return errors.New("name a gauge, or two counters: started and ended")
	case o.Gauge != "" && len(o.Not) > 0:
		return fmt.Errorf("%s: a gauge counts all requests, so that not leaves out none of them", o.Gauge)
	}
	for _, name := range o.names() {
		if !metricName(name) {
			return fmt.Errorf("%q is no name of a metric", name)
		}
	}
	if err := patterns(o.Not); err != nil {
		return fmt.Errorf("%s: %w", o.Started, err)
	}
	if o.Identity != nil {
		return o.Identity.validate()
	}
	return nil
}

// names are those of its series.
func (o Open) names() []string {
	return slices.DeleteFunc([]string{o.Gauge, o.Started, o.Ended}, func(n string) bool { return n == "" })
}

// Gauges are the entries of Open whose series have the same identity.
type Gauges struct {
	Identity Identity
	// Names are those of the series that are not among those of MetricErrors, and Ended
	// the counters that are.
	Names, Ended []string
}

// Gauges groups what Open names, so that one selector finds each group.
func (p Profile) Gauges() []Gauges {
	var all []Gauges
	common := Gauges{Identity: p.Identity}
	known := p.Names(MetricErrors)
	for _, o := range p.Open {
		into := &common
		if o.Identity != nil {
			all = append(all, Gauges{Identity: o.Identity})
			into = &all[len(all)-1]
		}
		for _, name := range o.names() {
			if slices.Contains(known, name) {
				into.Ended = append(into.Ended, name)
			} else {
				into.Names = append(into.Names, name)
			}
		}
	}
	if len(common.Names) > 0 {
		all = append(all, common)
	}
	return all
}

// OfPods is the profile without what others than the application's own Pods know of
// open requests.
func (p Profile) OfPods() Profile {
	p.Open = slices.DeleteFunc(slices.Clone(p.Open), func(o Open) bool {
		identity := o.Identity
		if identity == nil {
			identity = p.Identity
		}
		return len(identity) > 0 && !identity.OfPods()
	})
	return p
}

// openSpelling is an Open with its patterns compiled.
type openSpelling struct {
	Open
	not  []matcher
	side Side
}

func (p Profile) compileOpen() ([]openSpelling, error) {
	var all []openSpelling
	for _, o := range p.Open {
		one := openSpelling{Open: o, side: Receiver}
		identity := o.Identity
		if identity == nil {
			identity = p.Identity
		}
		if !identity.OfPods() {
			one.side = Sender
		}
		var err error
		if one.not, err = matchers(o.Not); err != nil {
			return nil, fmt.Errorf("%w %q: %s: %w", ErrProfile, p.Name, o.Started, err)
		}
		all = append(all, one)
	}
	return all, nil
}

// name is for people.
func (o *openSpelling) name() string {
	if o.Gauge != "" {
		return o.Gauge
	}
	return o.Started + " - " + o.Ended
}

// level reports whether a point tells how many are open: as the gauge, or as the
// counter of those that started.
func (o *openSpelling) level(p *Point) bool {
	return p.Version != "" && (o.Gauge != "" && p.Name == o.Gauge || o.Gauge == "" && p.Name == o.Started && o.counts(p))
}

// counts reports whether the pair does not leave the point out.
func (o *openSpelling) counts(p *Point) bool {
	return !slices.ContainsFunc(o.not, func(m matcher) bool { return m.match(p.Labels) })
}
