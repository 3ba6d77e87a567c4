package metrics

import (
	_ "embed" // for the profiles
	"errors"
	"fmt"
	"maps"
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
	// Sender and Receiver are the labels of those who count requests where they are
	// sent, and where they arrive; without either, the Pods count their own. With
	// both, a request may be counted twice, and Peer are the labels that both sides
	// name the sender by.
	Sender   map[string]string `json:"sender,omitempty"`
	Receiver map[string]string `json:"receiver,omitempty"`
	Peer     []string          `json:"peer,omitempty"`
	Errors   []Instrument      `json:"errors,omitempty"`
	Latency  []Instrument      `json:"latency,omitempty"`
	// Unseen are the failures of users that these metrics do not count, in words that
	// go on after "does not count".
	Unseen []string `json:"unseen,omitempty"`
	// Open tell how many requests are under way. Of each protocol the first that the
	// release has series of is read.
	Open []Open `json:"open,omitempty"`

	grpcFailed []string // by name; what {grpc-failed} stands for
}

// WithGRPCFailed says which gRPC statuses count as failed; see ParseGRPCStatus.
func (p Profile) WithGRPCFailed(statuses []string) Profile {
	p.grpcFailed = statuses
	return p
}

// Instrument is one counter or histogram, or a pair of counters. A key of a
// condition and of Not, and Stratum, may be several names of a label, "code|status":
// the first that a series has counts.
//
// A request that meets a condition of Good is good; else it was given up by a
// condition of GivenUp, failed by Bad or one of Failed, and is good without any.
type Instrument struct {
	Name    string      `json:"name,omitempty"`
	Bad     Condition   `json:"bad,omitempty"` // one of Failed, where one says it all
	Failed  []Condition `json:"failed,omitempty"`
	GivenUp []Condition `json:"givenUp,omitempty"`
	Good    []Condition `json:"good,omitempty"`
	Not     Condition   `json:"not,omitempty"` // series to leave out
	// Why are the labels that say how a request went wrong, for people.
	Why []string `json:"why,omitempty"`
	// Protocol tells apart what is counted side by side, such as grpc, by an
	// application that speaks both. Of each, one spelling is read.
	Protocol string `json:"protocol,omitempty"`
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
		p.grpcFailed = DefaultGRPCFailed()
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
	if err := errors.Join(p.Identity.validate(), p.validateSides()); err != nil {
		return err
	}
	for _, labels := range []map[string]string{p.Where, p.Sender, p.Receiver} {
		if err := errors.Join(labelNames(labels), patterns(labels)); err != nil {
			return err
		}
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
	for _, o := range p.Open {
		if err := o.validate(); err != nil {
			return fmt.Errorf("open: %w", err)
		}
	}
	return nil
}

func (p Profile) validateSides() error {
	if both := p.Sender != nil && p.Receiver != nil; both != (len(p.Peer) > 0) {
		return errors.New("sender and receiver count the same requests: peer must name the labels that say, on both sides, who sent them")
	}
	return nil
}

// outcomes are all conditions.
func (i Instrument) outcomes() []Condition {
	return slices.Concat(i.failed(), i.GivenUp, i.Good)
}

func (i Instrument) validateErrors() error {
	if c := i.Counters; c != nil {
		switch {
		case i.Name != "" || len(i.outcomes()) > 0 || len(i.Not) > 0:
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
	if len(i.failed()) == 0 {
		return fmt.Errorf("%s: bad must say which requests are errors, or failed", i.Name)
	}
	return nil
}

func (i Instrument) validateLatency() error {
	if i.Counters != nil || len(i.outcomes()) > 0 {
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
	if err := patterns(i.Not); err != nil {
		return fmt.Errorf("%s: %w", i.Name, err)
	}
	if _, err := compileAny(i.outcomes(), nil); err != nil {
		return fmt.Errorf("%s: %w", i.Name, err)
	}
	return nil
}

// Matchers are regular expressions for the labels that together select the series
// of all the releases, and perhaps some more.
func (p Profile) Matchers(releases []Release) map[string]string {
	all := p.Identity.Matchers(releases)
	maps.Copy(all, p.Where)
	for label, pattern := range p.Sender {
		other, both := p.Receiver[label]
		switch {
		case p.Receiver == nil:
			all[label] = pattern
		case both:
			all[label] = pattern + "|" + other
		}
	}
	if p.Sender == nil {
		maps.Copy(all, p.Receiver)
	}
	return all
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
