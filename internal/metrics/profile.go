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
	Identity Identity          `json:"identity"`
	Where    map[string]string `json:"where,omitempty"` // labels every series must have
	Errors   []Instrument      `json:"errors,omitempty"`
	Latency  []Instrument      `json:"latency,omitempty"`
}

// Identity names the labels that say whose a series is. Either Service and
// Version are set, or Pod: then the name of the Pod, <app>-<version>-..., says it.
type Identity struct {
	Namespace string `json:"namespace,omitempty"`
	Service   string `json:"service,omitempty"`
	Version   string `json:"version,omitempty"`
	Pod       string `json:"pod,omitempty"`
}

// Instrument is one counter or histogram. A key of Bad and Not, and Stratum, may
// be several names of a label, "code|status": the first that a series has counts.
type Instrument struct {
	Name    string            `json:"name"`
	Bad     map[string]string `json:"bad,omitempty"` // what makes a request an error
	Not     map[string]string `json:"not,omitempty"` // series to leave out
	Stratum string            `json:"stratum,omitempty"`
	Scale   float64           `json:"scale,omitempty"` // seconds in a unit of a histogram's edges
}

// Profiles returns those that are built in, the preferred first.
func Profiles() ([]Profile, error) { return ParseProfiles(builtIn) }

// FindProfile returns a built-in one by name.
func FindProfile(name string) (Profile, error) {
	all, err := Profiles()
	if err != nil {
		return Profile{}, err
	}
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
	for _, p := range all {
		if err := p.validate(); err != nil {
			return nil, fmt.Errorf("%w %q: %w", ErrProfile, p.Name, err)
		}
	}
	return all, nil
}

func (p Profile) validate() error {
	if p.Name == "" {
		return errors.New("it has no name")
	}
	if (p.Identity.Version == "") == (p.Identity.Pod == "") {
		return errors.New("identity must name either the label of the version or that of the Pod")
	}
	if len(p.Errors)+len(p.Latency) == 0 {
		return errors.New("it names no metric")
	}
	if err := patterns(p.Where); err != nil {
		return err
	}
	for _, i := range slices.Concat(p.Errors, p.Latency) {
		if !regexp.MustCompile(`^[a-zA-Z_:][a-zA-Z0-9_:]*$`).MatchString(i.Name) {
			return fmt.Errorf("%q is no name of a metric", i.Name)
		}
		if err := errors.Join(patterns(i.Bad), patterns(i.Not)); err != nil {
			return fmt.Errorf("%s: %w", i.Name, err)
		}
	}
	for _, i := range p.Errors {
		if len(i.Bad) == 0 {
			return fmt.Errorf("%s: bad must say which requests are errors", i.Name)
		}
	}
	for _, i := range p.Latency {
		if !(i.Scale > 0) {
			return fmt.Errorf("%s: scale must say how many seconds its unit has", i.Name)
		}
	}
	return nil
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
