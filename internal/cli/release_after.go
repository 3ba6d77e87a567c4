package cli

import (
	"context"
	"fmt"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/event"
	"github.com/canaryctl/canaryctl/internal/traffic"
	"github.com/canaryctl/canaryctl/internal/workload"
)

// rollStable gives the stable Deployment the canary's template.
func (d *runner) rollStable(ctx context.Context, deployments workload.Deployments, route traffic.Route) error {
	versions, err := deployments.Versions(ctx, route.App)
	if err != nil {
		return err
	}
	place := route.Place()
	from, err := workload.Pick(versions, route.App, place.Canary)
	if err != nil {
		return err
	}
	to, err := workload.Pick(versions, route.App, place.Stable)
	if err != nil {
		return err
	}
	_, err = deployments.Roll(ctx, from.Deployment, to.Deployment, workload.Options{})
	return err
}

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
	old.wait, old.timeout = true, d.ready
	if _, err := old.remove(ctx, &old.mutation, router, fresh, gone); err != nil {
		return fmt.Errorf("%s is promoted, and %s could not be removed: %w", r.Image, gone, err)
	}
	out.after(event.Retired, gone+" is removed")
	return nil
}
