package istio

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

// Admit makes a version routable with weight 0. A destination whose subset is
// not there yet answers 503, so the subset comes first.
func (r *Router) Admit(ctx context.Context, route traffic.Route, a traffic.Admission, w traffic.Write) (traffic.Route, error) {
	version := a.Version
	if version == route.Stable {
		return traffic.Route{}, hint.Wrap(fmt.Errorf("%s: %w: %s is the stable version", route, traffic.ErrServing, version),
			"give the canary another version with --version")
	}
	if err := otherCanary(rulesOf(raw(route)), route, version); err != nil {
		return traffic.Route{}, err
	}
	followers, err := r.companions(ctx, route, version)
	if err != nil {
		return traffic.Route{}, err
	}
	if err := r.addSubset(ctx, route, version, a.Release != nil, w); err != nil {
		return traffic.Route{}, err
	}
	for _, f := range followers {
		if _, err := r.admitTo(ctx, f, traffic.Admission{Version: version}, w, func(k *kept) { k.Follows, k.Followers = route.Name, nil }); err != nil {
			return traffic.Route{}, err
		}
	}
	return r.admitTo(ctx, route, a, w, func(k *kept) {
		k.Follows, k.Followers = "", nil
		for _, f := range followers {
			k.Followers = append(k.Followers, f.Name)
		}
	})
}

// admitTo gives a route the version's destinations, as the leader or as a follower.
func (r *Router) admitTo(ctx context.Context, route traffic.Route, a traffic.Admission, w traffic.Write, as func(*kept)) (traffic.Route, error) {
	version := a.Version
	return r.change(ctx, route, w, func(vs *unstructured.Unstructured, fresh traffic.Route) (patch, error) {
		if err := otherCanary(rulesOf(vs), fresh, version); err != nil {
			return nil, err
		}
		guard, err := fence(traffic.Change{Fence: a.Release != nil}, route, vs)
		if err != nil {
			return nil, err
		}
		p, added, err := destinations(rulesOf(vs), fresh, version)
		if err != nil {
			return nil, err
		}
		place := fresh.Place()
		place.App, place.Canary = route.App, version
		if fresh.Position != nil {
			place.Release = fresh.Position.Release // the canary is its, named by it or not
		}
		if a.Release != nil {
			place.Release = a.Release
		}
		place.Added = noted(place.Added, added)
		return slices.Concat(guard, p, memoryAs(vs, route.Host, traffic.Change{Position: &place, Notes: a.Notes}, as)), nil
	})
}

// otherCanary refuses a second canary: one that was recorded, or one that gets
// traffic. A version that a manifest merely names, with weight 0, is none.
func otherCanary(rules []rule, route traffic.Route, version string) error {
	other := ""
	if route.Position != nil {
		other = route.Position.Canary
	}
	for _, r := range rules {
		for _, l := range r.of(route.Host, route.Namespace) {
			if l.subset != route.Stable && r.serves(l) {
				other = l.subset
			}
		}
	}
	if other == "" || other == version {
		return nil
	}
	return hint.Wrap(fmt.Errorf("%s: %w: %s", route, traffic.ErrOtherCanary, other),
		"finish that one first: canaryctl promote, or canaryctl delete-canary")
}

// destinations adds the version, with weight 0, to every rule that sends to the stable
// version, and says what was added.
func destinations(rules []rule, route traffic.Route, version string) (p patch, added []string, err error) {
	found := false
	for _, r := range rules {
		if _, ok := r.to(route.Host, route.Namespace, version); ok {
			found = true
			continue
		}
		stable, ok := r.to(route.Host, route.Namespace, route.Stable)
		if !ok || !r.serves(stable) {
			continue
		}
		found = true
		added = append(added, r.original())
		p = append(p, test(r.path(), r.list))
		if stable.weight == 0 { // which says nothing as long as it is alone
			p = append(p, set(r.leg(stable)+"/weight", canary.Total, stable.weighted))
		}
		p = append(p, add(r.path()+"/-", twin(r.list[stable.index], version)))
	}
	if !found {
		return nil, nil, hint.Wrap(fmt.Errorf("%s: no rule sends requests to %s/%s, so there is none to split", route, route.Host, route.Stable),
			"look at its weights: kubectl get virtualservice %s -n %s -o yaml", route.Name, route.Namespace)
	}
	if len(p) > 0 {
		added = append(added, canary.AddedDestination)
	}
	return p, added, nil
}

// twin is the destination of another version beside the given one: same port,
// same headers, no weight.
func twin(stable any, version string) any {
	m, _ := runtime.DeepCopyJSONValue(stable).(map[string]any)
	destination, _ := m["destination"].(map[string]any)
	destination["subset"] = version
	m["weight"] = int64(0)
	return m
}

// subsetLabels are the labels of a new version's subset: those of the stable one, of
// which the one that tells versions apart says the new one. That is the label "version",
// else those that say the stable version's name, else there is none yet.
func subsetLabels(stable map[string]string, stableVersion, version string) map[string]string {
	labels := maps.Clone(stable)
	if labels == nil {
		labels = map[string]string{}
	}
	_, told := labels["version"]
	for name, value := range labels {
		if !told && value == stableVersion && name != "app" {
			labels[name] = version
		}
	}
	if told || maps.Equal(labels, stable) {
		labels["version"] = version
	}
	return labels
}
