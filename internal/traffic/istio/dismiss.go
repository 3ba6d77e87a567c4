package istio

import (
	"context"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/kube"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

// Dismiss is Withdraw, and then takes the subset away. The position stays: it is what a
// second attempt starts from, should this one be cut short.
func (r *Router) Dismiss(ctx context.Context, route traffic.Route, version string, w traffic.Write) (traffic.Route, error) {
	others, err := r.unled(ctx, route)
	if err != nil {
		return traffic.Route{}, err
	}
	after, err := r.withdraw(ctx, route, version, others, w)
	if err != nil {
		return traffic.Route{}, err
	}
	return after, r.removeSubset(ctx, route, version, version != route.Canary, others, w)
}

// Withdraw takes a version's destinations out of the route.
func (r *Router) Withdraw(ctx context.Context, route traffic.Route, version string, w traffic.Write) (traffic.Route, error) {
	others, err := r.unled(ctx, route)
	if err != nil {
		return traffic.Route{}, err
	}
	return r.withdraw(ctx, route, version, others, w)
}

func (r *Router) withdraw(ctx context.Context, route traffic.Route, version string, others []unstructured.Unstructured, w traffic.Write) (traffic.Route, error) {
	if err := r.ownedBeside(ctx, route); err != nil {
		return traffic.Route{}, err
	}
	if err := r.leaderKeeps(ctx, route, version); err != nil {
		return traffic.Route{}, err
	}
	if err := r.follow(ctx, route, func(f traffic.Route) error {
		_, err := r.withdrawFrom(ctx, f, version, w)
		return err
	}); err != nil {
		return traffic.Route{}, err
	}
	if err := servedByOthers(others, route, version); err != nil {
		return traffic.Route{}, err
	}
	return r.withdrawFrom(ctx, route, version, w)
}

func (r *Router) withdrawFrom(ctx context.Context, route traffic.Route, version string, w traffic.Write) (traffic.Route, error) {
	whole := version != route.Canary
	return r.change(ctx, route, w, func(vs *unstructured.Unstructured, fresh traffic.Route) (patch, error) {
		rules := rulesOf(vs)
		if err := expendable(rules, fresh, version); err != nil {
			return nil, err
		}
		var p patch
		added := fresh.Place().Added
		if whole || slices.Contains(added, canary.AddedDestination) {
			p = withdrawal(vs, fresh, version, added)
		}
		return leave(vs, rules, fresh, version).after(p, vs), nil
	})
}

// leaderKeeps is why the leader of followers keeps a version. They lose it first, and
// shall not where somebody has promoted it, or given it traffic, meanwhile.
func (r *Router) leaderKeeps(ctx context.Context, route traffic.Route, version string) error {
	if len(route.Followers) == 0 {
		return nil
	}
	t := virtualService(route.Namespace, route.Name)
	vs, err := r.read(ctx, t)
	if err != nil {
		return fmt.Errorf("read %s: %w", t, err)
	}
	fresh, err := asDecided(route, vs)
	if err != nil {
		return err
	}
	return expendable(rulesOf(vs), fresh, version)
}

// expendable is an error where a route cannot do without a version.
func expendable(rules []rule, route traffic.Route, version string) error {
	if version == route.Stable {
		return fmt.Errorf("%s: %w: %s is the stable version", route, traffic.ErrServing, version)
	}
	return unserved(rules, route, version)
}

// unled are the other VirtualServices of the namespace that do not follow the route.
func (r *Router) unled(ctx context.Context, route traffic.Route) ([]unstructured.Unstructured, error) {
	others, err := r.others(ctx, route)
	return slices.DeleteFunc(others, func(vs unstructured.Unstructured) bool { return slices.Contains(route.Followers, vs.GetName()) }), err
}

// others are the other VirtualServices of the namespace.
func (r *Router) others(ctx context.Context, route traffic.Route) ([]unstructured.Unstructured, error) {
	list, err := r.client.Resource(kube.VirtualServices()).Namespace(route.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list VirtualServices in namespace %s: %w", route.Namespace, err)
	}
	return slices.DeleteFunc(list.Items, func(vs unstructured.Unstructured) bool { return vs.GetName() == route.Name }), nil
}

// servedByOthers is an error where another VirtualService sends requests to the version:
// they would be answered with 503.
func servedByOthers(others []unstructured.Unstructured, route traffic.Route, version string) error {
	for i := range others {
		vs := &others[i]
		for _, rule := range rulesOf(vs) {
			if l, ok := rule.to(route.Host, route.Namespace, version); ok && rule.serves(l) {
				return hint.Wrap(fmt.Errorf("%s: %w: VirtualService %s/%s sends requests to %s, in %s", route, traffic.ErrServing, vs.GetNamespace(), vs.GetName(), version, rule),
					"let that name %s first: kubectl edit virtualservice %s -n %s", route.Stable, vs.GetName(), vs.GetNamespace())
			}
		}
	}
	return nil
}

// unserved is an error where a rule still sends a share of its requests to the
// version.
func unserved(rules []rule, route traffic.Route, version string) error {
	for _, r := range rules {
		l, ok := r.to(route.Host, route.Namespace, version)
		switch {
		case !ok || !r.serves(l):
			continue
		case len(r.legs) == 1:
			return hint.Wrap(fmt.Errorf("%s: %w: %s sends it all that it matches", route, traffic.ErrServing, r),
				"canaryctl rollback --all-rules lets it name %s; or kubectl edit virtualservice %s -n %s", route.Stable, route.Name, route.Namespace)
		}
		return hint.Wrap(fmt.Errorf("%s: %w: %s gives %s weight %d", route, traffic.ErrServing, r, version, l.weight),
			"give that to %s first: canaryctl set-traffic 100 0", route.Stable)
	}
	return nil
}

// withdrawal takes a version's destinations out of every rule. What is left gets the
// weights that it had before.
func withdrawal(vs *unstructured.Unstructured, route traffic.Route, version string, added []string) patch {
	p := keep(vs, stateOf(vs, route.Host).name(canary.Annotation))
	for _, r := range rulesOf(vs) {
		l, ok := r.to(route.Host, route.Namespace, version)
		if !ok || len(r.legs) == 1 {
			continue
		}
		p = append(p, test(r.path(), r.list))
		left := slices.DeleteFunc(slices.Clone(r.legs), func(other leg) bool { return other.index == l.index })
		if was, ok := r.originalOf(added); ok {
			p = append(p, was.restore(r, left)...)
		} else if slices.Contains(added, canary.AddedWeight) && version == route.Canary && len(left) == 1 && left[0].weighted {
			p = append(p, remove(r.leg(left[0])+"/weight"))
		}
		p = append(p, remove(r.leg(l)))
	}
	return p
}
