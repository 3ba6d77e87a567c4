package istio

import (
	"fmt"
	"regexp"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

// headerRule begins the name of every rule that sends requests with a header to
// the canary; the header's name follows. By it the rule is told from others, and
// appears in the proxies' logs.
const headerRule = "canaryctl-header"

// ours reports whether an entry of spec.http is a header rule.
func ours(entry any) bool {
	m, _ := entry.(map[string]any)
	name, _ := m["name"].(string)
	return strings.HasPrefix(name, headerRule)
}

// headerRules are those of the route's host.
func headerRules(vs *unstructured.Unstructured, route traffic.Route) []any {
	var all []any
	for _, entry := range httpOf(vs) {
		if oursOf(entry, route) {
			all = append(all, entry)
		}
	}
	return all
}

// oursOf reports whether an entry of spec.http is a header rule of the route's host.
func oursOf(entry any, route traffic.Route) bool {
	m, _ := entry.(map[string]any)
	list, _ := m["route"].([]any)
	return ours(entry) && len(rule{legs: legsOf(list)}.of(route.Host, route.Namespace)) > 0
}

// headerOf is the header that a rule of ours asks for.
func headerOf(entry any) (canary.Header, bool) {
	if !ours(entry) {
		return canary.Header{}, false
	}
	m, _ := entry.(map[string]any)
	name, _ := m["name"].(string)
	h := canary.Header{Name: strings.TrimPrefix(strings.TrimPrefix(name, headerRule), "-")}
	matches, _ := m["match"].([]any)
	for _, entry := range matches {
		match, _ := entry.(map[string]any)
		headers, _ := match["headers"].(map[string]any)
		condition, _ := headers[strings.ToLower(h.Name)].(map[string]any)
		if value, ok := condition["exact"].(string); ok {
			h.Value = value
			break
		}
	}
	return h, true
}

// leadsTo reports whether an entry of spec.http has a destination that is the
// version.
func leadsTo(entry any, route traffic.Route, version string) bool {
	m, _ := entry.(map[string]any)
	list, _ := m["route"].([]any)
	_, ok := rule{legs: legsOf(list)}.to(route.Host, route.Namespace, version)
	return ok
}

// withHeader is the rule as it is for requests with the header: all go to the
// canary, and everything else is as for the others. There is none where no
// request can meet both.
func (r rule) withHeader(route traffic.Route, h canary.Header) (map[string]any, bool) {
	l, _ := r.to(route.Host, route.Namespace, route.Canary)
	matches := andHeader(r.entry["match"], h)
	if len(matches) == 0 {
		return nil, false
	}
	out := runtime.DeepCopyJSON(r.entry)
	destination, _ := runtime.DeepCopyJSONValue(r.list[l.index]).(map[string]any)
	delete(destination, "weight")
	out["name"] = headerRule + "-" + h.Name
	out["match"] = matches
	out["route"] = []any{destination}
	delete(out, "mirrors")
	if others := mirrorsBut(r.entry, route, route.Canary); len(others) > 0 {
		out["mirrors"] = runtime.DeepCopyJSONValue(others)
	}
	return out, true
}

// andHeader is a rule's matches, any of which does, with the header in each. One
// that asks for another value of the same header is left out.
func andHeader(match any, h canary.Header) []any {
	list, _ := match.([]any)
	if len(list) == 0 {
		list = []any{map[string]any{}}
	}
	var out []any
	for _, entry := range list {
		m, _ := runtime.DeepCopyJSONValue(entry).(map[string]any)
		if m == nil {
			m = map[string]any{}
		}
		headers, _ := m["headers"].(map[string]any)
		if headers == nil {
			headers = map[string]any{}
		}
		possible := true
		for name, condition := range headers {
			if strings.EqualFold(name, h.Name) {
				possible = possible && meets(h.Value, condition)
				delete(headers, name)
			}
		}
		if !possible {
			continue
		}
		headers[strings.ToLower(h.Name)] = map[string]any{"exact": h.Value}
		m["headers"] = headers
		out = append(out, m)
	}
	return out
}

// meets reports whether a value meets a StringMatch; one that says nothing asks
// only that the header is there
// (https://istio.io/latest/docs/reference/config/networking/virtual-service/#StringMatch).
func meets(value string, condition any) bool {
	m, _ := condition.(map[string]any)
	if exact, ok := m["exact"].(string); ok {
		return value == exact
	}
	if prefix, ok := m["prefix"].(string); ok {
		return strings.HasPrefix(value, prefix)
	}
	if pattern, ok := m["regex"].(string); ok {
		re, err := regexp.Compile("^(?:" + pattern + ")$") // RE2 there as here, and of the whole value
		return err == nil && re.MatchString(value)
	}
	return true
}

// valid refuses what Istio would not do. Conditions on the names below it
// ignores, and the rule would take every request
// (https://istio.io/latest/docs/reference/config/networking/virtual-service/#HTTPMatchRequest).
func valid(b traffic.Beside) error {
	if b.Mirror < 0 || b.Mirror > canary.Total {
		return fmt.Errorf("mirror %s%% of the requests: a percentage is from 0 to %s", b.Mirror, canary.Total)
	}
	if b.Header == nil {
		return nil
	}
	switch strings.ToLower(b.Header.Name) {
	case "uri", "scheme", "method", "authority":
		return hint.Wrap(fmt.Errorf("header %q: Istio ignores conditions on it", b.Header.Name), "choose a header of your own, x-canary say")
	}
	if !regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$").MatchString(b.Header.Name) { // RFC 9110, section 5.6.2
		return hint.Wrap(fmt.Errorf("header %q: that is no name of a header", b.Header.Name), "choose a header of your own, x-canary say")
	}
	if b.Header.Value == "" {
		return hint.Wrap(fmt.Errorf("header %s: it needs a value", b.Header.Name), "name the value that requests for the canary carry")
	}
	return nil
}
