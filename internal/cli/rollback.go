package cli

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/canaryctl/canaryctl/internal/source"
	"github.com/canaryctl/canaryctl/internal/status"
	"github.com/canaryctl/canaryctl/internal/steer"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

type rollback struct {
	target
	mutation
	why      string
	allRules bool
}

// NewCmdRollback gives all traffic back to the stable version.
func NewCmdRollback(f *Factory) *cobra.Command {
	o := &rollback{mutation: mutation{f: f}}
	cmd := &cobra.Command{
		Use:   "rollback",
		Short: "Give all traffic back to the stable version, at once",
		Long: `Give all traffic back to the stable version, at once. It looks at nothing but the
route: it works with the canary, the stable Deployment, the DestinationRule or the
metrics broken or gone. With --vs it sends two requests.

It moves new requests. What is open on the canary stays there until it ends, streams
and connections above all. How much that is it says afterwards, where a Prometheus
of the cluster tells within a second; with --vs it does not look, and status says it.

Rules of your own that send all they match to the canary, whatever the weights, stay
as you wrote them, and are named; --all-rules has them name the stable version.

A release that is in progress is over with it, in the same write: whatever drives
it, wherever that is, sees so and ends. After a promotion it returns to the version
that was stable before, as long as that one is kept. In a promotion in place, it
gives the stable Deployment its old Pod template afterwards.`,
		Example: `  # Back to 100/0
  canaryctl rollback --vs versioned-echo-virtualservice --host versioned-echo

  # The same, with the route found by itself
  canaryctl rollback

  # Say why, for those who read the history of the releases
  canaryctl rollback --why "customers cannot pay"`,
		Annotations: exits(),
		Args:        noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.validate(); err != nil {
				return err
			}
			return o.run(cmd.Context())
		},
	}
	o.target.addFlags(cmd.Flags())
	o.mutation.addFlags(cmd.Flags())
	cmd.Flags().BoolVar(&o.allRules, "all-rules", false, "let rules of your own that send all they match to the canary, such as those for testers, send it to the stable version")
	cmd.Flags().StringVar(&o.why, "why", "", "the reason, which history shows")
	return cmd
}

func (o *rollback) run(ctx context.Context) error {
	start := o.f.Clock.Now()
	d, err := o.restore(ctx)
	if err != nil {
		return err
	}
	took := o.f.Clock.Since(start).Round(time.Millisecond)
	if d.changed {
		o.note("%s: rolled back to %s: %s (was %s), in %s", d.after.Name, d.after.Stable, shares(d.after), shares(d.before), took)
	} else {
		o.note("%s: %s already; nothing to roll back", d.after.Name, shares(d.after))
		if err := o.rollBackLost(ctx, d); err != nil {
			return err
		}
	}
	o.tellPinned(d.before, d.after)
	o.ended(ctx, d.router, d.before)
	if err := o.print(d.after); err != nil {
		return err
	}
	o.tellOpen(ctx, d.after, d.changed)
	return nil
}

// rollBackLost gives back what a route has that follows one which, written over by
// somebody, knows of no follower any more.
func (o *rollback) rollBackLost(ctx context.Context, d decided) error {
	if d.after.Position != nil {
		return nil
	}
	lost, err := d.router.Find(ctx, traffic.Query{Namespace: d.after.Namespace, Host: d.after.Host, Split: true})
	if err != nil || lost.Leader != d.after.Name || lost.Weights.Canary == 0 {
		return nil //nolint:nilerr // nothing was found, and what was asked for is done
	}
	after, err := o.rollBack(ctx, d.router, lost, false)
	if err == nil {
		o.note("%s, which follows it: rolled back to %s: %s (was %s)", after.Name, after.Stable, shares(after), shares(lost))
	}
	return err
}

// tellPinned names the rules that no weight changes.
func (o *rollback) tellPinned(before, after traffic.Route) {
	if o.allRules && len(before.Pinned) > 0 {
		o.note("%s: %s: to %s now, and no longer as you wrote it", after.Name, strings.Join(before.Pinned, ", "), after.Stable)
	}
	if text := status.Pinned(after); text != "" {
		o.note("%s", text)
	}
}

// tellOpen says what a rollback left where it was, be it an earlier one. Who names the
// route is in a hurry.
func (o *rollback) tellOpen(ctx context.Context, route traffic.Route, now bool) {
	version := route.Canary
	if version == "" || o.dry() {
		return
	}
	var open source.Open
	if reader, err := o.f.openReader(); err == nil && o.vs == "" {
		r := source.Named(route)
		r.Stable, r.Canary = version, ""
		open = reader.OfStableByServers(ctx, r)
	}
	switch {
	case !now && (!open.Known() || open.None()):
		return
	case open.None():
		o.note("no request is open on %s (%s)", version, open.Where)
		return
	case open.Known():
		o.note("%s, and end there; new requests go to %s", open.On(version), route.Stable)
	default:
		o.note("what is open on %s ends there; new requests go to %s (canaryctl status says how much is open, where anything tells)", version, route.Stable)
	}
	o.note("where requests hang, only the end of the Pods ends them: canaryctl delete-canary, or kubectl -n %s scale deployment %s-%s --replicas=0",
		route.Namespace, route.App, version)
}

// restore reads the route and gives the traffic back. Whoever moves it meanwhile
// is not waited for but overruled: that is what a rollback is for. Only a release
// in progress is at first read again, so that it ends from where it stands.
func (o *rollback) restore(ctx context.Context) (decided, error) {
	const tries = 3
	for n := 1; ; n++ {
		router, route, err := o.find(ctx, o.f, true)
		if err != nil {
			return decided{}, err
		}
		d := decided{router: router, before: route, after: route}
		was := o.changes
		d.after, err = o.rollBack(ctx, router, route, n < tries)
		d.changed = o.changes > was
		if n == tries || !errors.Is(err, traffic.ErrConflict) {
			return d, err
		}
	}
}

// rollBack moves all traffic to the stable version, or where there is no canary
// any more, back over the promotion to the version before.
func (o *rollback) rollBack(ctx context.Context, router traffic.Router, route traffic.Route, fence bool) (traffic.Route, error) {
	why, now := asked(o.f, o.why), o.f.Clock.Now()
	switch {
	case steer.Running(route) != nil || route.Canary != "":
		change := steer.RollBack(route, why, now)
		change.Fence, change.Unpin = fence && change.Position != nil, o.allRules
		return steer.Apply(ctx, router, route, change, o.write())
	case route.Previous() == "":
		return route, nil
	}
	change := steer.Return(route, why, now)
	change.Unpin = o.allRules
	route.Canary = route.Previous()
	return router.Split(ctx, route, change, o.write())
}
