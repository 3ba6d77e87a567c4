package istio

import (
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

// A rule may copy its requests to several destinations, spec.http[].mirrors. In a
// rule that names both versions the one to the canary is ours, whoever put it in:
// with a second one the canary would get each request twice.

// mirrorTo reports whether an entry of mirrors leads to the version.
func mirrorTo(entry any, route traffic.Route, version string) bool {
	m, _ := entry.(map[string]any)
	destination, _ := m["destination"].(map[string]any)
	host, _ := destination["host"].(string)
	return version != "" && destination["subset"] == version && sameHost(host, route.Host, route.Namespace)
}

// mirrorOf is the percentage of the requests that a rule copies to the version.
func mirrorOf(entry map[string]any, route traffic.Route, version string) (canary.Percent, bool) {
	mirrors, _ := entry["mirrors"].([]any)
	for _, mirror := range mirrors {
		if !mirrorTo(mirror, route, version) {
			continue
		}
		m, _ := mirror.(map[string]any)
		percentage, _ := m["percentage"].(map[string]any)
		if n, ok := number(percentage["value"]); ok {
			return canary.PercentOf(n, float64(canary.Total)), true
		}
		// "If this field is absent, all the traffic (100%) will be mirrored":
		// https://istio.io/latest/docs/reference/config/networking/virtual-service/#HTTPMirrorPolicy
		return canary.Total, true
	}
	return 0, false
}

// mirrorsBut are the mirrors of a rule that do not lead to the version.
func mirrorsBut(entry map[string]any, route traffic.Route, version string) []any {
	mirrors, _ := entry["mirrors"].([]any)
	var others []any
	for _, m := range mirrors {
		if !mirrorTo(m, route, version) {
			others = append(others, m)
		}
	}
	return others
}

// withMirror are the rule's mirrors with one to the canary, or without for 0.
func (r rule) withMirror(route traffic.Route, percent canary.Percent) ([]any, error) {
	others := mirrorsBut(r.entry, route, route.Canary)
	if percent == 0 {
		return others, nil
	}
	if _, ok := r.entry["mirror"]; ok {
		return nil, hint.Wrap(fmt.Errorf("%s: %s has a mirror, and Istio refuses mirrors beside it", route, r),
			"write it as the first of mirrors: kubectl edit virtualservice %s -n %s", route.Name, route.Namespace)
	}
	if have, ok := mirrorOf(r.entry, route, route.Canary); ok && have == percent {
		mirrors, _ := r.entry["mirrors"].([]any)
		if len(mirrors) == len(others)+1 {
			return mirrors, nil
		}
	}
	l, _ := r.to(route.Host, route.Namespace, route.Canary)
	leg, _ := r.list[l.index].(map[string]any)
	return append(others, map[string]any{
		"destination": runtime.DeepCopyJSONValue(leg["destination"]),
		"percentage":  map[string]any{"value": value(percent)},
	}), nil
}

// value is a percentage as JSON decodes it: one that is whole is a whole number.
func value(p canary.Percent) any {
	if whole := int64(p); canary.Percent(whole) == p {
		return whole
	}
	return float64(p)
}
