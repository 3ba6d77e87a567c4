package metrics

import (
	_ "embed" // for the profiles
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

//go:embed profiles.yaml
var builtIn []byte

// ErrProfile is wrapped by what is wrong with a profile.
var ErrProfile = errors.New("profile of metrics")

// Profile says which metrics count requests, and whose they are.
type Profile struct {
	Name     string            `json:"name"`
	Identity Identity          `json:"identity,omitempty"` // left out: the Pod's name says it
	Where    map[string]string `json:"where,omitempty"`    // labels every series must have
	Errors   []Instrument      `json:"errors,omitempty"`
	Latency  []Instrument      `json:"latency,omitempty"`
}

// Instrument is one counter or histogram, or a pair of counters. A key of Bad and
// Not, and Stratum, may be several names of a label, "code|status": the first that
// a series has counts.
type Instrument struct {
	Name string            `json:"name,omitempty"`
	Bad  map[string]string `json:"bad,omitempty"` // what makes a request an error
	Not  map[string]string `json:"not,omitempty"` // series to leave out
	// Counters are there instead of Name and Bad, where errors are counted by a
	// metric of their own.
	Counters *Counters `json:"counters,omitempty"`
	Stratum  string    `json:"stratum,omitempty"`
	Scale    float64   `json:"scale,omitempty"` // seconds in a unit of a histogram's edges

	where map[string]string // of a custom histogram
}

// Counters are what failed, and either all requests or those that did not fail.
// Those that did not fail cannot stand beside all of them: the difference of two
// counters takes every request that is under way for an error.
type Counters struct {
	Total *Selector `json:"total,omitempty"`
	Good  *Selector `json:"good,omitempty"`
	Bad   *Selector `json:"bad,omitempty"`
}

// Profiles returns those that are built in, the preferred first.
func Profiles() ([]Profile, error) { return ParseProfiles(builtIn) }

// FindProfile returns a built-in one by name.
func FindProfile(name string) (Profile, error) {
	all, err := Profiles()
	if err != nil {
		return Profile{}, err
	}
	return PickProfile(all, name)
}

// PickProfile returns one of several by name.
func PickProfile(all []Profile, name string) (Profile, error) {
	var names []string
	for _, p := range all {
		if p.Name == name {
			return p, nil
		}
		names = append(names, p.Name)
	}
	return Profile{}, fmt.Errorf("%w: there is none named %q; there are %s", ErrProfile, name, strings.Join(names, ", "))
}

// ParseProfiles reads YAML in the form of the built-in ones. An error wraps
// ErrProfile.
func ParseProfiles(text []byte) ([]Profile, error) {
	var all []Profile
	if err := yaml.UnmarshalStrict(text, &all); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrProfile, err)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%w: there is none; a file is a list of them", ErrProfile)
	}
	seen := map[string]bool{}
	for i := range all {
		p := &all[i]
		if p.Identity == nil {
			p.Identity = byPod()
		}
		if err := p.validate(); err != nil {
			return nil, fmt.Errorf("%w %q: %w", ErrProfile, p.Name, err)
		}
		if seen[p.Name] {
			return nil, fmt.Errorf("%w %q: it is there twice", ErrProfile, p.Name)
		}
		seen[p.Name] = true
	}
	return all, nil
}

func (p Profile) validate() error {
	if p.Name == "" {
		return errors.New("it has no name")
	}
	if len(p.Errors)+len(p.Latency) == 0 {
		return errors.New("it names no metric")
	}
	if err := errors.Join(p.Identity.validate(), labelNames(p.Where), patterns(p.Where)); err != nil {
		return err
	}
	for _, i := range p.Errors {
		if err := i.validateErrors(); err != nil {
			return err
		}
	}
	for _, i := range p.Latency {
		if err := i.validateLatency(); err != nil {
			return err
		}
	}
	return nil
}

func (i Instrument) validateErrors() error {
	if c := i.Counters; c != nil {
		switch {
		case i.Name != "" || len(i.Bad) > 0 || len(i.Not) > 0:
			return errors.New("counters stand alone: their selectors say all that name, bad and not could")
		case c.Bad == nil:
			return errors.New("counters: bad must say what failed")
		case (c.Total == nil) == (c.Good == nil):
			return errors.New("counters: beside bad, say either total or good")
		}
		return nil
	}
	if err := i.named(); err != nil {
		return err
	}
	if len(i.Bad) == 0 {
		return fmt.Errorf("%s: bad must say which requests are errors", i.Name)
	}
	return nil
}

func (i Instrument) validateLatency() error {
	if i.Counters != nil || len(i.Bad) > 0 {
		return errors.New("latency is a histogram: it has no counters and no bad")
	}
	if err := i.named(); err != nil {
		return err
	}
	if !(i.Scale > 0) {
		return fmt.Errorf("%s: scale must say how many seconds its unit has", i.Name)
	}
	return nil
}

func (i Instrument) named() error {
	if !metricName(i.Name) {
		return fmt.Errorf("%q is no name of a metric", i.Name)
	}
	if err := errors.Join(patterns(i.Bad), patterns(i.Not)); err != nil {
		return fmt.Errorf("%s: %w", i.Name, err)
	}
	return nil
}

// Names are those of the series that a metric, MetricErrors or MetricLatency, is
// read from.
func (p Profile) Names(metric string) []string {
	var names []string
	add := func(name string) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if metric == MetricLatency {
		for _, i := range p.Latency {
			add(i.Name) // the native form has the bare name
			add(i.Name + "_bucket")
		}
		return names
	}
	for _, i := range p.Errors {
		for _, c := range i.Counters.list() {
			add(c.Name)
		}
		if i.Counters == nil {
			add(i.Name)
		}
		if bare, ok := strings.CutSuffix(i.Name, "_count"); ok {
			add(bare)
		}
	}
	return names
}

// list are the selectors that there are.
func (c *Counters) list() []*Selector {
	if c == nil {
		return nil
	}
	return slices.DeleteFunc([]*Selector{c.Total, c.Good, c.Bad}, func(s *Selector) bool { return s == nil })
}

func patterns(labels map[string]string) error {
	for label, pattern := range labels {
		if _, err := whole(pattern); err != nil {
			return fmt.Errorf("label %s: %w", label, err)
		}
	}
	return nil
}

// whole compiles a pattern that must match all of a value.
func whole(pattern string) (*regexp.Regexp, error) { return regexp.Compile("^(?s:" + pattern + ")$") }
