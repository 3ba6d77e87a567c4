package istio

import (
	"context"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

// Remember writes position and notes alone. It takes a position off that says no
// more than the route itself does.
func (r *Router) Remember(ctx context.Context, route traffic.Route, c traffic.Change, w traffic.Write) (traffic.Route, error) {
	if c.Position != nil {
		if err := r.follow(ctx, route, func(f traffic.Route) error {
			_, err := r.rememberOne(ctx, f, forFollower(c, f), w)
			return err
		}); err != nil {
			return traffic.Route{}, err
		}
	}
	return r.rememberOne(ctx, route, c, w)
}

func (r *Router) rememberOne(ctx context.Context, route traffic.Route, c traffic.Change, w traffic.Write) (traffic.Route, error) {
	return r.change(ctx, route, w, func(vs *unstructured.Unstructured, fresh traffic.Route) (patch, error) {
		p, err := fence(c, route, vs)
		if err != nil {
			return nil, err
		}
		if c.Position != nil && idle(*c.Position) && firstVersion(vs, fresh) == c.Position.Stable {
			return append(p, forget(vs, route.Host, c.Notes)...), nil
		}
		return append(p, memory(vs, route.Host, c)...), nil
	})
}

// idle reports whether a position says nothing but who is stable. How the last
// release ended is in the history.
func idle(p canary.Position) bool {
	return p.Canary == "" && p.Previous == "" && (p.Release == nil || p.Release.Phase.Over())
}

// firstVersion is the version that would be taken as stable if the route
// remembered nothing.
func firstVersion(vs *unstructured.Unstructured, route traffic.Route) string {
	route.Position = nil
	stable, _, err := roles(route, rulesOf(vs))
	if err != nil {
		return ""
	}
	return stable
}
