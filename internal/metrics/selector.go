package metrics

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Selector picks series of one metric, as a selector of PromQL does. Patterns
// must match as a whole.
type Selector struct {
	Name  string
	Where map[string]string // labels that must match
	Not   map[string]string // labels that must not

	// marks are the labels whose values stand for the release, with {version} or
	// the like in them.
	marks map[string]string
}

// ParseSelector reads PromQL's form, name{label="value",other=~"pattern"}.
func ParseSelector(text string) (Selector, error) {
	s := Selector{Where: map[string]string{}, Not: map[string]string{}, marks: map[string]string{}}
	name, rest, braces := strings.Cut(strings.TrimSpace(text), "{")
	s.Name = strings.TrimSpace(name)
	if braces {
		var err error
		if rest, err = s.matchers(rest); err != nil {
			return Selector{}, fmt.Errorf("%s: %w", text, err)
		}
		if strings.TrimSpace(rest) != "" {
			return Selector{}, notSelector(text)
		}
	}
	if !metricName(s.Name) {
		return Selector{}, notSelector(text)
	}
	return s, nil
}

// UnmarshalJSON reads the text of a selector in a file, where identity says whose
// a series is.
func (s *Selector) UnmarshalJSON(text []byte) error {
	var selector string
	if err := json.Unmarshal(text, &selector); err != nil {
		return fmt.Errorf("a selector is text like name{label=\"value\"}: %w", err)
	}
	var err error
	if *s, err = ParseSelector(selector); err != nil {
		return err
	}
	if len(s.marks) > 0 {
		return fmt.Errorf("%s: in a file, what stands for the version goes into identity", selector)
	}
	return nil
}

func notSelector(text string) error {
	return fmt.Errorf(`%s: it is no selector like name{label="value"}; functions and ranges have no place in it, counters are read raw`, text)
}

func metricName(name string) bool {
	return regexp.MustCompile(`^[a-zA-Z_:][a-zA-Z0-9_:]*$`).MatchString(name)
}

// matchers reads up to the closing brace and returns what follows it.
func (s *Selector) matchers(text string) (rest string, err error) {
	form := regexp.MustCompile(`^\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*(=~|!~|!=|=)\s*`)
	for {
		text = strings.TrimSpace(text)
		if rest, end := strings.CutPrefix(text, "}"); end {
			return rest, nil
		}
		m := form.FindStringSubmatch(text)
		if m == nil {
			return "", errors.New(`its braces want label="value", with =, !=, =~ or !~`)
		}
		value, after, err := quotedText(text[len(m[0]):])
		if err != nil {
			return "", fmt.Errorf("label %s: %w", m[1], err)
		}
		if err := s.add(m[1], m[2], value); err != nil {
			return "", fmt.Errorf("label %s: %w", m[1], err)
		}
		text = strings.TrimSpace(after)
		if more, ok := strings.CutPrefix(text, ","); ok {
			text = more
		} else if !strings.HasPrefix(text, "}") {
			return "", errors.New("a comma or a closing brace is missing")
		}
	}
}

// quotedText reads a string of PromQL, in any of its three quotes.
func quotedText(text string) (value, rest string, err error) {
	if strings.HasPrefix(text, "'") { // Go has no such strings
		if end := strings.IndexByte(text[1:], '\''); end >= 0 && !strings.Contains(text[1:end+1], `\`) {
			return text[1 : end+1], text[end+2:], nil
		}
		return "", "", errors.New("its value is not in quotes")
	}
	quoted, err := strconv.QuotedPrefix(text)
	if err != nil {
		return "", "", errors.New("its value is not in quotes")
	}
	value, err = strconv.Unquote(quoted)
	return value, text[len(quoted):], err
}

// add notes a matcher.
func (s *Selector) add(label, how, value string) error {
	if label == "__name__" {
		if how != "=" || s.Name != "" {
			return errors.New("one name, with =")
		}
		s.Name = value
		return nil
	}
	stands := standsFor(value)
	if how == "=" || how == "!=" {
		value = regexp.QuoteMeta(value)
		for _, p := range placeholders() {
			value = strings.ReplaceAll(value, regexp.QuoteMeta(p), p)
		}
	}
	if _, err := whole(fill(value, Release{}, "")); err != nil {
		return err
	}
	switch negative := strings.HasPrefix(how, "!"); {
	case stands && negative:
		return errors.New("what stands for the release says what a label is, and not what it is not")
	case negative:
		if before, ok := s.Not[label]; ok {
			value = before + "|" + value
		}
		s.Not[label] = value
		return nil
	}
	_, where := s.Where[label]
	_, mark := s.marks[label]
	if where || mark {
		return errors.New("it is there twice")
	}
	if stands {
		s.marks[label] = value
	} else {
		s.Where[label] = value
	}
	return nil
}

func standsFor(value string) bool {
	for _, p := range placeholders() {
		if strings.Contains(value, p) {
			return true
		}
	}
	return false
}
