package istio

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

// A Service may be behind several VirtualServices, one of the mesh and one of a gateway
// say. A release is remembered in one of them, the leader; what is done to that is done
// to the others, its followers, too. Each remembers whom it follows, and the versions,
// so that it is a route like any other. Whatever takes traffic from the canary is done to
// followers first, and whatever gives it some to the leader first: cut short between
// two, the leader still says that there is something to do.

// companions are the other routes of the namespace that send requests to the stable
// version of the host, and so get the canary, too.
func (r *Router) companions(ctx context.Context, route traffic.Route, version string) (all []traffic.Route, err error) {
	others, err := r.othersAtHand(ctx, route)
	if apierrors.IsForbidden(err) { // those that it is told of are all there is to know
		err := r.follow(ctx, route, func(f traffic.Route) error { all = append(all, f); return nil })
		return all, err
	}
	if err != nil {
		return nil, err
	}
	for i := range others {
		vs := &others[i]
		host, ok := spelled(vs, route)
		if !ok || !slices.Contains(route.Followers, vs.GetName()) && !slices.ContainsFunc(rulesOf(vs), func(rule rule) bool {
			l, ok := rule.to(route.Host, route.Namespace, route.Stable)
			return ok && rule.serves(l)
		}) {
			continue
		}
		f, err := view(vs, host, route.App)
		if err != nil || f.Stable != route.Stable || r.owned(ctx, virtualService(vs.GetNamespace(), vs.GetName()), vs) != nil {
			continue
		}
		if f.Leader != route.Name && f.Position != nil && f.Position.Canary != "" && f.Position.Canary != version {
			return nil, hint.Wrap(fmt.Errorf("%s, which sends to %s, too: %w: %s", f, route.Stable, traffic.ErrOtherCanary, f.Position.Canary),
				"finish that one first: canaryctl promote --vs %s, or canaryctl delete-canary --vs %s", f.Name, f.Name)
		}
		all = append(all, f)
	}
	return all, nil
}

// spelled is the route's host as another VirtualService spells it.
func spelled(vs *unstructured.Unstructured, route traffic.Route) (string, bool) {
	versioned, _ := hostsOf(rulesOf(vs), vs.GetNamespace())
	i := slices.IndexFunc(versioned, func(h string) bool { return sameHost(h, route.Host, route.Namespace) })
	if i < 0 {
		return "", false
	}
	return versioned[i], true
}

// follow does something to all followers, and goes on past one that fails.
func (r *Router) follow(ctx context.Context, route traffic.Route, do func(traffic.Route) error) error {
	var failed []error
	for _, name := range route.Followers {
		vs, err := r.read(ctx, virtualService(route.Namespace, name))
		if apierrors.IsNotFound(err) {
			continue // and so sends nothing to anybody
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("read %s: %w", virtualService(route.Namespace, name), err))
			continue
		}
		host, ok := spelled(vs, route)
		if !ok {
			continue
		}
		f, err := view(vs, host, route.App)
		if err == nil {
			f.Stable, f.Canary = route.Stable, route.Canary // it may be behind
			err = do(f)
		}
		if errors.Is(err, traffic.ErrNotSplit) { // which says something of the leader, where that fails so
			err = hint.Wrap(errors.New(err.Error()), "let its rules name %s and %s, or only %s: kubectl edit virtualservice %s -n %s",
				route.Stable, route.Canary, route.Stable, name, route.Namespace)
		}
		if err != nil {
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}

// takes reports whether a change gives a version that was on trial less than it has.
func takes(c traffic.Change, route traffic.Route) bool {
	restores := c.Position != nil && c.Position.Canary == route.Stable
	return restores || c.Weights == canary.AllStable() || c.Weights.Canary < route.Weights.Canary
}

// forFollower is a change of the leader as a follower needs it.
func forFollower(c traffic.Change, f traffic.Route) traffic.Change {
	c.Fence, c.Notes = false, nil
	if c.Position != nil {
		p := *c.Position
		p.Release, p.Added = nil, nil
		if f.Position != nil { // whoever is on trial in it: a promotion may be undone
			p.Added = f.Position.Added
		}
		c.Position = &p
	}
	return c
}

// splitFollowers sets the weights of all followers, and what is beside them. One that
// sends nothing to the canary, and shall not, is left alone. It names the rules of the
// user's own that no weight changes.
func (r *Router) splitFollowers(ctx context.Context, route traffic.Route, c traffic.Change, w traffic.Write) (pinned []string, err error) {
	err = r.follow(ctx, route, func(f traffic.Route) error {
		after := f
		after.Pinned = pinnedText(rulesOf(raw(f)), f)
		if !settled(f, c) {
			var err error
			if after, err = r.splitOne(ctx, f, forFollower(c, f), w); err != nil {
				return err
			}
		}
		for _, text := range after.Pinned {
			pinned = append(pinned, f.Name+" "+text)
		}
		return nil
	})
	return pinned, err
}

// settled reports whether a follower has what a change that takes from the canary gives it.
func settled(f traffic.Route, c traffic.Change) bool {
	rules := rulesOf(raw(f))
	if onTrial := onTrialAfter(f, c).Canary; onTrial != f.Canary && !slices.Contains(versionsOf(rules, f.Host, f.Namespace), onTrial) {
		return len(headerRules(raw(f), f)) == 0 // it was applied anew, from before the promotion
	}
	if aside := wanted(c); c.Weights != canary.AllStable() || aside != nil && !reflect.DeepEqual(*aside, besideOf(raw(f), rules, f)) {
		return false
	}
	alone := pinned(rules, f)
	if c.Unpin && len(alone) > 0 {
		return false
	}
	rules = slices.DeleteFunc(rules, func(r rule) bool {
		return slices.ContainsFunc(alone, func(p rule) bool { return p.path() == r.path() })
	})
	return len(busy(rules, f, []string{f.Canary})) == 0
}

// leading picks, of routes of one host and one stable version, the one that a release
// is remembered in: that which has one already, else that of the mesh. There is none
// where several send to a canary and do not follow one another: somebody means each of
// them apart.
func leading(routes []traffic.Route) (traffic.Route, bool) {
	led := func(r traffic.Route) bool {
		return slices.ContainsFunc(routes, func(l traffic.Route) bool { return slices.Contains(l.Followers, r.Name) })
	}
	// Those that were told to follow before their leader was told to lead have nothing yet.
	waits := func(r traffic.Route) bool {
		return r.Weights == canary.AllStable() && r.Beside == traffic.Beside{} &&
			slices.ContainsFunc(routes, func(l traffic.Route) bool { return l.Name == r.Leader })
	}
	without := func(some func(traffic.Route) bool) {
		if left := slices.DeleteFunc(slices.Clone(routes), some); len(left) > 0 {
			routes = left
		}
	}
	without(led)
	without(waits)
	first, split := routes[0], 0
	for _, r := range routes {
		if r.Stable != first.Stable || !sameHost(r.Host, first.Host, first.Namespace) {
			return traffic.Route{}, false
		}
		if r.Weights != canary.AllStable() || r.Position != nil {
			split++
		}
	}
	if len(routes) > 1 && split > 1 {
		return traffic.Route{}, false
	}
	for _, fits := range []func(traffic.Route) bool{
		func(r traffic.Route) bool { return r.Weights != canary.AllStable() || r.Position != nil },
		func(r traffic.Route) bool { return ofMesh(raw(r)) },
	} {
		if i := slices.IndexFunc(routes, fits); i >= 0 {
			return routes[i], true
		}
	}
	return first, true
}

// ofMesh reports whether a VirtualService is for requests within the mesh: those that
// name no gateway are
// (https://istio.io/latest/docs/reference/config/networking/virtual-service/#VirtualService).
func ofMesh(vs *unstructured.Unstructured) bool {
	gateways, _, _ := unstructured.NestedStringSlice(vs.Object, "spec", "gateways")
	return len(gateways) == 0 || slices.Contains(gateways, "mesh")
}
