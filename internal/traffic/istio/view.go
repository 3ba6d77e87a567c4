package istio

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/kube"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

// view is the snapshot of a VirtualService as the route of one host.
func view(vs *unstructured.Unstructured, host, app string) (traffic.Route, error) {
	route := traffic.Route{
		APIVersion: vs.GetAPIVersion(), Kind: "VirtualService", UID: string(vs.GetUID()), Namespace: vs.GetNamespace(), Name: vs.GetName(), Host: host,
		Version: vs.GetResourceVersion(), Raw: &objects{route: vs}, Weights: canary.AllStable(),
		Author: kube.Author(vs), Elsewhere: otherNamespace(host, vs.GetNamespace()),
	}
	rules, state := rulesOf(vs), stateOf(vs, host)
	route.Apart, route.Notes = string(state), state.notes(vs)
	if k := state.kept(vs, versionsOf(rules, host, route.Namespace)); k != nil {
		route.Position, route.Leader, route.Followers = &k.Position, k.Follows, k.Followers
	}
	var err error
	route.Stable, route.Canary, err = roles(route, rules)
	if err != nil {
		return traffic.Route{}, err
	}
	if w, ok := weightsOf(rules, route); ok {
		route.Weights = w
	}
	route.Unsplit = alsoAlone(rules, route)
	route.Pinned = pinnedText(rules, route)
	route.Beside = besideOf(vs, rules, route)
	route.App = app
	if app == "" && route.Position != nil {
		route.App = route.Position.App
	}
	if route.App == "" {
		route.App = short(canonical(host, route.Namespace))
	}
	return route, nil
}

// roles says who is stable and who is on trial: what the position says, else the
// order in which the first rule with two versions names them.
func roles(route traffic.Route, rules []rule) (stable, onTrial string, err error) {
	if p := route.Position; p != nil && p.Canary != "" {
		return p.Stable, p.Canary, nil
	}
	versions := versionsOf(rules, route.Host, route.Namespace)
	for _, r := range rules {
		if legs := r.of(route.Host, route.Namespace); len(legs) > 1 {
			versions = versionsOf([]rule{r}, route.Host, route.Namespace)
			break
		}
	}
	if p := route.Position; p != nil {
		// A version kept for a late rollback is not on trial.
		versions = slices.DeleteFunc(versions, func(v string) bool { return v == p.Stable || v == p.Previous })
		if p.Previous != "" || len(versions) > 1 {
			versions = busy(rules, route, versions) // the one before the previous has its destination still
		}
		versions = append([]string{p.Stable}, versions...)
	} else if len(versions) > 2 {
		versions = busy(rules, route, versions)
	}
	switch len(versions) {
	case 0:
		return "", "", bareTo(virtualService(route.Namespace, route.Name), route.Host)
	case 1:
		return versions[0], "", nil
	case 2:
		return versions[0], versions[1], nil
	}
	return "", "", hint.Wrap(fmt.Errorf("%s: %w: a rule splits host %s between %d versions (%s)",
		route, traffic.ErrNotSplit, route.Host, len(versions), strings.Join(versions, ", ")),
		"a release is of two versions: take the others out with kubectl edit virtualservice %s -n %s", route.Name, route.Namespace)
}

// alsoAlone reports whether a rule sends to the host and not to the canary, beside one
// that is split between both.
func alsoAlone(rules []rule, route traffic.Route) bool {
	split := slices.ContainsFunc(rules, func(r rule) bool { return r.both(route) })
	return split && slices.ContainsFunc(rules, func(r rule) bool {
		_, toCanary := r.to(route.Host, route.Namespace, route.Canary)
		return !toCanary && slices.ContainsFunc(r.legs, func(l leg) bool { return sameHost(l.host, route.Host, route.Namespace) })
	})
}

// busy are the versions, of those given, that get traffic.
func busy(rules []rule, route traffic.Route, versions []string) []string {
	var some []string
	for _, v := range versions {
		if slices.ContainsFunc(rules, func(r rule) bool { l, ok := r.to(route.Host, route.Namespace, v); return ok && r.serves(l) }) {
			some = append(some, v)
		}
	}
	return some
}

// weightsOf reads the split from the first rule that names both versions.
func weightsOf(rules []rule, route traffic.Route) (canary.Weights, bool) {
	for _, r := range rules {
		if w, ok := r.split(route); ok {
			return w, true
		}
	}
	return canary.Weights{}, false
}
