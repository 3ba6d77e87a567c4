package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/status"
	"github.com/canaryctl/canaryctl/internal/steer"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

// resume drives the release that a route is in, from where it stands.
func (r *runner) resume(ctx context.Context, route traffic.Route) error {
	release, err := steer.InProgress(route)
	if err != nil {
		return err
	}
	if err := r.follows(route, *release); err != nil {
		return err
	}
	r.goesOn = true
	router, err := r.f.Router()
	if err != nil {
		return err
	}
	return r.own(ctx, router, route, func(ctx context.Context) (traffic.Route, error) {
		return again(ctx, router, route)
	})
}

// again reads a route once more: what was read before the lease was had is what
// another engine may have changed.
func again(ctx context.Context, router traffic.Router, route traffic.Route) (traffic.Route, error) {
	return router.Find(ctx, traffic.Query{Namespace: route.Namespace, Route: route.Name, Host: route.Host, App: route.App})
}

// follows finds the plan of a release: a file's, if it is the same, else the
// route's. What that would run or read on this machine is somebody else's wish, who
// may write the route and no more.
func (r *runner) follows(route traffic.Route, release canary.Release) error {
	if r.filed {
		if hash := r.document.Hash(); hash != release.Plan {
			return hint.Wrap(fmt.Errorf("resume release %s: the plan file has hash %s, and the release follows %s: a plan cannot be changed on the way", release.ID, hash, release.Plan),
				"leave -f out to follow the plan in the route, or end the release with canaryctl abort and begin another")
		}
		return nil
	}
	document, err := status.PlanOf(route)
	if err != nil {
		return hint.Wrap(err, "without it nothing can go on: canaryctl resume -f takes the file that it came from, canaryctl rollback works without one")
	}
	if wants := document.Foreign(); len(wants) > 0 && !r.trust {
		return hint.Wrap(fmt.Errorf("resume release %s: the plan in the route wants to use this machine:\n  %s", release.ID, strings.Join(wants, "\n  ")),
			"canaryctl resume -f takes the plan file that it came from; canaryctl resume --trust-plan is for who knows who wrote the route")
	}
	r.document = &document
	return nil
}
