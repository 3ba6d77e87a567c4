package cli

import (
	"context"
	"fmt"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/event"
	"github.com/canaryctl/canaryctl/internal/steer"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

// afterPromotion takes away what is not needed any more: after a roll in place the
// canary, which stable has become; after a switch the old version, once the plan's
// time for a late rollback is over. Cut short, resume does the rest.
func (d *runner) afterPromotion(ctx context.Context, router traffic.Router, route traffic.Route, r canary.Release, out *tellers) error {
	plan := d.document.Plan()
	if !plan.Leaves() {
		return nil
	}
	fresh, err := again(ctx, router, route)
	if err != nil {
		return err
	}
	gone, keep := fresh.Previous(), plan.KeepStable.Std()
	if plan.Promotion == canary.InPlace {
		gone, keep = fresh.Canary, 0
		d.settle(ctx, router, fresh)
	}
	if gone == "" || fresh.Position == nil || fresh.Position.Release == nil || fresh.Position.Release.ID != r.ID {
		return nil // it went already, or another release began
	}
	old := promote{mutation: mutation{f: d.f, dryRun: string(traffic.DryRunNone)}}
	if left := keep - d.f.Clock.Since(r.Since); left > 0 {
		old.keep = left
		if err := old.keepStable(ctx, gone); err != nil {
			return err
		}
	}
	old.wait, old.timeout, old.drain = true, d.ready, d.drain
	if _, err := old.remove(ctx, &old.mutation, router, fresh, gone); err != nil {
		return fmt.Errorf("%s is promoted, and %s could not be removed: %w", r.Image, gone, err)
	}
	out.after(event.Retired, old.gone(gone))
	return nil
}

// settle leaves the stable Deployment as a roll by hand would. That it cannot is
// nothing to fail for.
func (d *runner) settle(ctx context.Context, router traffic.Router, route traffic.Route) {
	deployments, err := d.f.Deployments(ctx, router, route)
	if err == nil {
		err = settleStable(ctx, deployments, route)
	}
	if err != nil {
		fmt.Fprintln(d.f.Err, err)
	}
}

// finish does what a promotion left to do when whoever drove it was cut short.
func (d *runner) finish(ctx context.Context, router traffic.Router, route traffic.Route) error {
	release := *steer.Last(route)
	if err := d.follows(route, release); err != nil {
		return err
	}
	out, err := d.tellers()
	if err != nil {
		return err
	}
	defer out.close(context.WithoutCancel(ctx))
	out.last = event.Event{
		Release: event.Release{ID: release.ID, App: route.App, Namespace: route.Namespace, Route: route.Kind + " " + route.Name, Host: route.Host, To: route.Stable, Image: release.Image},
		At:      event.At{Phase: release.Phase, Step: release.Step, Weight: release.Weight, Basis: release.Basis},
	}
	return d.afterPromotion(ctx, router, route, release, out)
}
