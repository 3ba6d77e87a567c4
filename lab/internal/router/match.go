package router

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// duration is a protobuf or Gateway API duration in JSON: "2s", "1h10m".
type duration time.Duration

// UnmarshalJSON reads the text form.
func (d *duration) UnmarshalJSON(text []byte) error {
	var s string
	if err := json.Unmarshal(text, &s); err != nil {
		return fmt.Errorf("a duration is a text such as \"2s\": %w", err)
	}
	parsed, err := time.ParseDuration(s)
	*d = duration(parsed)
	return err
}

// stringMatch is Istio's StringMatch; with no field set it asks for presence.
type stringMatch struct {
	Exact  *string `json:"exact"`
	Prefix *string `json:"prefix"`
	Regex  *string `json:"regex"`
}

// predicate is a compiled stringMatch.
type predicate func(string) bool

func (m stringMatch) compile(fold bool) (predicate, error) {
	lower := func(s string) string { return s }
	if fold {
		lower = strings.ToLower
	}
	switch {
	case m.Exact != nil:
		want := lower(*m.Exact)
		return func(s string) bool { return lower(s) == want }, nil
	case m.Prefix != nil:
		want := lower(*m.Prefix)
		return func(s string) bool { return strings.HasPrefix(lower(s), want) }, nil
	case m.Regex != nil:
		return fullMatch(*m.Regex)
	}
	return func(string) bool { return true }, nil
}

// fullMatch compiles an expression that has to match the whole text, as
// Envoy's safe_regex does.
func fullMatch(expression string) (predicate, error) {
	re, err := regexp.Compile("^(?:" + expression + ")$")
	if err != nil {
		return nil, fmt.Errorf("regular expression %q: %w", expression, err)
	}
	return re.MatchString, nil
}

// call is what the conditions of a rule look at.
type call struct {
	*http.Request
	host  string // as the client wrote it, without port
	query url.Values
}

// param returns a query parameter; the query is parsed at most once.
func (c *call) param(name string) (string, bool) {
	if c.query == nil {
		c.query = c.URL.Query()
	}
	values, ok := c.query[name]
	if !ok {
		return "", false
	}
	return values[0], true
}

// condition is one thing that a rule asks of a call.
type condition func(*call) bool

// all holds where every condition does.
func all(conditions []condition) condition {
	switch len(conditions) {
	case 0:
		return nil
	case 1:
		return conditions[0]
	}
	return func(c *call) bool {
		for _, holds := range conditions {
			if !holds(c) {
				return false
			}
		}
		return true
	}
}

func pathIs(p predicate) condition { return func(c *call) bool { return p(c.URL.Path) } }

// pathUnder matches whole path elements: /a is under /a/ and not under /ab.
func pathUnder(prefix string) condition {
	prefix = strings.TrimSuffix(prefix, "/")
	return func(c *call) bool {
		rest, ok := strings.CutPrefix(c.URL.Path, prefix)
		return ok && (rest == "" || rest[0] == '/')
	}
}

func methodIs(p predicate) condition { return func(c *call) bool { return p(c.Method) } }

// hostIs looks at the host as the client wrote it, without port.
func hostIs(p predicate) condition { return func(c *call) bool { return p(c.host) } }

func headerIs(name string, p predicate) condition {
	switch strings.ToLower(name) { // pseudo-headers, which Istio accepts as names
	case "host", ":authority":
		return func(c *call) bool { return p(c.Host) }
	case ":method":
		return methodIs(p)
	case ":path":
		return func(c *call) bool { return p(c.URL.RequestURI()) }
	}
	key := http.CanonicalHeaderKey(name)
	return func(c *call) bool {
		values := c.Header[key]
		return len(values) > 0 && p(strings.Join(values, ","))
	}
}

func not(holds condition) condition { return func(c *call) bool { return !holds(c) } }

func never(*call) bool { return false }

func paramIs(name string, p predicate) condition {
	return func(c *call) bool {
		value, ok := c.param(name)
		return ok && p(value)
	}
}

func cookieIs(name string, p predicate) condition {
	return func(c *call) bool {
		cookie, err := c.Cookie(name)
		return err == nil && p(cookie.Value)
	}
}

func equals(want string) predicate { return func(s string) bool { return s == want } }
