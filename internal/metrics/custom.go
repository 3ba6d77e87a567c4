package metrics

import (
	"errors"
	"fmt"
	"maps"
	"strings"
)

// CustomProfile is the name of a profile that Custom makes.
const CustomProfile = "custom"

// Custom says in selectors of PromQL what a profile says in a file.
type Custom struct {
	// Bad counts what failed, Total all requests, and Good those that did not fail:
	// Bad and one of the others are needed.
	Total, Good, Bad string
	// Latency is a histogram, in seconds or milliseconds as its name says.
	Latency string
}

// Profile makes the profile. Values with {version} or {pod} in them say whose a
// series is; in all selectors the same, or in none, and then the Pod's name says
// it. An error wraps ErrProfile.
func (c Custom) Profile() (Profile, error) {
	p, err := c.profile()
	if err == nil {
		err = p.validate()
	}
	if err != nil {
		return Profile{}, fmt.Errorf("%w: %w", ErrProfile, err)
	}
	return p, nil
}

func (c Custom) profile() (Profile, error) {
	p := Profile{Name: CustomProfile}
	var counters Counters
	for _, one := range []struct {
		text string
		to   **Selector
	}{{c.Total, &counters.Total}, {c.Good, &counters.Good}, {c.Bad, &counters.Bad}} {
		if one.text == "" {
			continue
		}
		s, err := p.take(one.text)
		if err != nil {
			return p, err
		}
		*one.to = &s
	}
	p.Errors = []Instrument{{Counters: &counters}}
	if c.Latency != "" {
		s, err := p.take(c.Latency)
		if err != nil {
			return p, err
		}
		scale, err := unit(s.Name)
		if err != nil {
			return p, err
		}
		p.Latency = []Instrument{{Name: s.Name, where: s.Where, Not: s.Not, Scale: scale}}
	}
	return p, nil
}

// take reads a selector, and from the first whose the series are.
func (p *Profile) take(text string) (Selector, error) {
	s, err := ParseSelector(text)
	if err != nil {
		return s, err
	}
	identity := byPod()
	if len(s.marks) > 0 {
		identity = Identity{{Labels: s.marks}}
	}
	switch {
	case p.Identity == nil:
		p.Identity = identity
	case !maps.Equal(p.Identity[0].Labels, identity[0].Labels):
		return s, fmt.Errorf("%s: it says in other labels than the one before whose a series is; a file can hold two profiles", text)
	}
	return s, nil
}

// unit is how many seconds a histogram's unit has, by its name.
func unit(name string) (float64, error) {
	switch {
	case strings.HasSuffix(name, "_bucket"):
		return 0, fmt.Errorf("%s: name the histogram, without _bucket", name)
	case strings.HasSuffix(name, "_seconds"):
		return 1, nil
	case strings.HasSuffix(name, "_milliseconds"), strings.HasSuffix(name, "_ms"):
		return 1e-3, nil
	}
	return 0, errors.New(name + ": the name does not end in _seconds or _milliseconds; a file can say the unit (scale)")
}
