package istio

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/canaryctl/canaryctl/internal/traffic"
)

// pinned are the rules that send what they match to the canary and nothing to the stable
// version: a user's own, for testers say. No weight changes what they do.
func pinned(rules []rule, route traffic.Route) []rule {
	return slices.DeleteFunc(slices.Clone(rules), func(r rule) bool {
		l, toCanary := r.to(route.Host, route.Namespace, route.Canary)
		_, toStable := r.to(route.Host, route.Namespace, route.Stable)
		return route.Canary == "" || !toCanary || toStable || !r.serves(l)
	})
}

// pinnedText names such rules as a person finds them.
func pinnedText(rules []rule, route traffic.Route) []string {
	var all []string
	for _, r := range pinned(rules, route) {
		text := r.String()
		if name, _ := r.entry["name"].(string); name != "" {
			text += fmt.Sprintf(" %q", name)
		}
		if about := r.about(); about != "" {
			text += " (" + about + ")"
		}
		all = append(all, text)
	}
	return all
}

// about says which requests a rule is for, in short: by which headers, or by what else.
func (r rule) about() string {
	matches, _ := r.entry["match"].([]any)
	var by []string
	for _, entry := range matches {
		m, _ := entry.(map[string]any)
		headers, _ := m["headers"].(map[string]any)
		for _, name := range slices.Sorted(maps.Keys(headers)) {
			by = append(by, "header "+name)
		}
		for _, key := range slices.Sorted(maps.Keys(m)) {
			if key != "headers" && key != "name" {
				by = append(by, key)
			}
		}
	}
	slices.Sort(by)
	return strings.Join(slices.Compact(by), ", ")
}

// unpin sends what such rules match to the stable version.
func unpin(vs *unstructured.Unstructured, route traffic.Route) patch {
	var p patch
	for _, r := range pinned(rulesOf(vs), route) {
		l, _ := r.to(route.Host, route.Namespace, route.Canary)
		p = append(p, test(r.path(), r.list), set(r.leg(l)+"/destination/subset", route.Stable, true))
	}
	return p
}
