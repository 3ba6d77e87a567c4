package istio

import (
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/canaryctl/canaryctl/internal/traffic"
)

// rule is one entry of spec.http, spec.tcp or spec.tls that routes somewhere.
type rule struct {
	protocol string
	index    int
	entry    map[string]any // the whole rule as it was read
	list     []any          // its route list
	legs     []leg
}

// leg is one weighted destination of a rule.
type leg struct {
	index    int
	host     string
	subset   string
	weight   int
	weighted bool // whether the weight is written down
}

// path is the JSON pointer of the rule's route list.
func (r rule) path() string { return fmt.Sprintf("/spec/%s/%d/route", r.protocol, r.index) }

// leg is the JSON pointer of one destination of the rule.
func (r rule) leg(l leg) string { return fmt.Sprintf("%s/%d", r.path(), l.index) }

// String names the rule as a person finds it in the object.
func (r rule) String() string { return fmt.Sprintf("spec.%s[%d]", r.protocol, r.index) }

// rulesOf reads the rules of a VirtualService that split traffic or could. It
// leaves the header rules out, which are beside the weights, and what it cannot
// read: the API server has validated the object, so that is none of ours.
func rulesOf(vs *unstructured.Unstructured) []rule {
	var rules []rule
	for _, protocol := range []string{"http", "tcp", "tls"} {
		entries, _, _ := unstructured.NestedFieldNoCopy(vs.Object, "spec", protocol)
		list, _ := entries.([]any)
		for i, entry := range list {
			if ours(entry) {
				continue
			}
			m, _ := entry.(map[string]any)
			route, _ := m["route"].([]any)
			if len(route) > 0 {
				rules = append(rules, rule{protocol, i, m, route, legsOf(route)})
			}
		}
	}
	return rules
}

func legsOf(route []any) []leg {
	legs := make([]leg, len(route))
	for i, entry := range route {
		m, _ := entry.(map[string]any)
		destination, _ := m["destination"].(map[string]any)
		l := leg{index: i}
		l.host, _ = destination["host"].(string)
		l.subset, _ = destination["subset"].(string)
		l.weight, l.weighted = integer(m["weight"])
		legs[i] = l
	}
	return legs
}

// integer reads a number of a decoded JSON document.
func number(v any) (float64, bool) {
	switch n := v.(type) {
	case int64:
		return float64(n), true
	case float64:
		return n, true
	}
	return 0, false
}

// integer reads a whole one.
func integer(v any) (int, bool) {
	n, ok := number(v)
	return int(n), ok
}

// of returns the legs that lead to a host.
func (r rule) of(host, namespace string) []leg {
	var legs []leg
	for _, l := range r.legs {
		if l.subset != "" && sameHost(l.host, host, namespace) {
			legs = append(legs, l)
		}
	}
	return legs
}

// to returns the leg that leads to a version of the host.
func (r rule) to(host, namespace, version string) (leg, bool) {
	for _, l := range r.of(host, namespace) {
		if l.subset == version {
			return l, true
		}
	}
	return leg{}, false
}

// both reports whether the rule names both versions of the route.
func (r rule) both(route traffic.Route) bool {
	_, ok := r.split(route)
	return ok
}

// versionsOf lists the versions of a host in the order in which the object
// names them.
func versionsOf(rules []rule, host, namespace string) []string {
	var versions []string
	for _, r := range rules {
		for _, l := range r.of(host, namespace) {
			if !slices.Contains(versions, l.subset) {
				versions = append(versions, l.subset)
			}
		}
	}
	return versions
}

// hostsOf lists, sorted and in the spelling of their first mention, the hosts of
// which a VirtualService names versions, and all hosts that it routes to.
func hostsOf(rules []rule, namespace string) (versioned, all []string) {
	split, every := map[string]string{}, map[string]string{}
	for _, r := range rules {
		for _, l := range r.legs {
			c := canonical(l.host, namespace)
			if _, ok := every[c]; !ok {
				every[c] = l.host
			}
			if _, ok := split[c]; !ok && l.subset != "" {
				split[c] = l.host
			}
		}
	}
	return slices.Sorted(maps.Values(split)), slices.Sorted(maps.Values(every))
}
