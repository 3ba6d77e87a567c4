package istio

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

// Split sets the weights of every rule that names both versions, and what goes
// with them, in one patch.
func (r *Router) Split(ctx context.Context, route traffic.Route, c traffic.Change, w traffic.Write) (traffic.Route, error) {
	if err := c.Weights.Validate(); err != nil {
		return traffic.Route{}, err
	}
	if aside := wanted(c); aside != nil {
		if err := valid(*aside); err != nil {
			return traffic.Route{}, err
		}
	}
	// A rollback does not wait for another look.
	if c.Weights != canary.AllStable() && !admitted(route) {
		if err := r.ownedBeside(ctx, route); err != nil {
			return traffic.Route{}, err
		}
	}
	if takes(c, route) {
		pinned, failed := r.splitFollowers(ctx, route, c, w)
		after, err := r.splitOne(ctx, route, c, w)
		after.Pinned = append(after.Pinned, pinned...)
		if failed != nil && errors.Is(err, traffic.ErrNotSplit) {
			err = nil // there is nothing to take back in this one, and still in another
		}
		return after, errors.Join(err, failed)
	}
	after, err := r.splitOne(ctx, route, c, w)
	if err == nil {
		_, err = r.splitFollowers(ctx, route, c, w)
	}
	return after, err
}

// splitOne sets the weights of one VirtualService.
func (r *Router) splitOne(ctx context.Context, route traffic.Route, c traffic.Change, w traffic.Write) (traffic.Route, error) {
	aside := wanted(c)
	return r.change(ctx, route, w, func(vs *unstructured.Unstructured, _ traffic.Route) (patch, error) {
		p, err := fence(c, route, vs)
		if err != nil {
			return nil, err
		}
		var back patch
		if c.Unpin {
			back = unpin(vs, onTrialAfter(route, c))
		}
		rules, err := splitRules(rulesOf(vs), route, c.Weights, len(back) > 0 || len(headerRules(vs, route)) > 0)
		if err != nil {
			return nil, err
		}
		p = append(p, memory(vs, route.Host, c)...)
		p = append(p, back...)
		for _, s := range rules {
			p = append(p, s.weigh(route, c.Weights, addedTo(vs, route))...)
		}
		if aside == nil {
			return p, nil
		}
		l, err := lead(vs, rules, route, *aside)
		if err != nil {
			return nil, err
		}
		return l.after(p, vs), nil
	})
}

// onTrialAfter is the route as a change calls its versions: one that undoes a promotion
// has the stable version on trial again.
func onTrialAfter(route traffic.Route, c traffic.Change) traffic.Route {
	if c.Position != nil && c.Position.Canary == route.Stable {
		route.Stable, route.Canary = route.Canary, route.Stable
	}
	return route
}

// splitRules returns the rules that name both versions of the route, or says why
// the weights cannot be set on them. A rollback needs none where requests with a
// header stray to the canary: those it can take back.
func splitRules(rules []rule, route traffic.Route, w canary.Weights, strays bool) ([]rule, error) {
	var both []rule
	for _, r := range rules {
		if !r.both(route) {
			continue
		}
		if err := r.exactlyTwo(route, w); err != nil {
			return nil, err
		}
		both = append(both, r)
	}
	if len(both) > 0 {
		return both, nil
	}
	if w == canary.AllStable() && strays {
		return nil, nil
	}
	if route.Canary == "" && route.Previous() != "" {
		return nil, hint.Wrap(fmt.Errorf("%s: %w: %s was promoted over %s, and there is no canary", route, traffic.ErrNotSplit, route.Stable, route.Previous()),
			"canaryctl rollback returns to %s; canaryctl create-canary starts a new canary", route.Previous())
	}
	if route.Canary == "" {
		return nil, hint.Wrap(fmt.Errorf("%s: %w: host %s has one, %s", route, traffic.ErrNotSplit, route.Host, route.Stable),
			"create a canary first: canaryctl create-canary --image IMAGE")
	}
	return nil, hint.Wrap(fmt.Errorf("%s: %w, %s and %s of host %s, in one rule", route, traffic.ErrNotSplit, route.Stable, route.Canary, route.Host),
		"let canaryctl create-canary put the missing destination in, or take the canary away with canaryctl delete-canary")
}

// exactlyTwo refuses a rule in which a third version of the host has a share. A
// rollback is let through, for that is taken back too.
func (r rule) exactlyTwo(route traffic.Route, w canary.Weights) error {
	seen := 0
	for _, l := range r.legs {
		version := l.subset != "" && sameHost(l.host, route.Host, route.Namespace)
		ours := version && (l.subset == route.Stable || l.subset == route.Canary)
		takenBack := version && w == canary.AllStable()
		if ours {
			seen++
		}
		if !ours && version && l.weight > 0 && !takenBack {
			return hint.Wrap(fmt.Errorf("%s: %w and no other: in %s, %s has weight %d", route, traffic.ErrNotSplit, r, l.name(), l.weight),
				"a release is of two versions: set the third weight to 0 with kubectl edit virtualservice %s -n %s", route.Name, route.Namespace)
		}
	}
	if seen > 2 {
		return hint.Wrap(fmt.Errorf("%s: %w just once: %s repeats one", route, traffic.ErrNotSplit, r),
			"merge the destinations with kubectl edit virtualservice %s -n %s", route.Name, route.Namespace)
	}
	return nil
}

// name is the destination as a person would call it.
func (l leg) name() string {
	if l.subset == "" {
		return l.host
	}
	return l.host + "/" + l.subset
}

// weigh sets the weights of a rule, testing the route list as it was read.
func (r rule) weigh(route traffic.Route, w canary.Weights, added []string) patch {
	p := patch{test(r.path(), r.list)}
	before, _ := r.originalOf(added)
	weights := r.weighed(route, w, before)
	for i, l := range r.legs {
		if l.weight != weights[i] {
			p = append(p, set(r.leg(l)+"/weight", weights[i], l.weighted))
		}
	}
	return p
}
