package cli

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

type rollback struct {
	target
	mutation
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

After a promotion it returns to the version that was stable before, as long as
that one is kept.`,
		Example: `  # Back to 100/0
  canaryctl rollback --vs versioned-echo-virtualservice --host versioned-echo

  # The same, with the route found by itself
  canaryctl rollback`,
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
	return cmd
}

func (o *rollback) run(ctx context.Context) error {
	start := o.f.Clock.Now()
	before, after, err := o.restore(ctx)
	if err != nil {
		return err
	}
	took := o.f.Clock.Since(start).Round(time.Millisecond)
	if o.changes == 0 {
		o.note("%s: %s already; nothing to roll back", after.Name, shares(after))
	} else {
		o.note("%s: rolled back to %s: %s (was %s), in %s", after.Name, after.Stable, shares(after), shares(before), took)
	}
	return o.print(after)
}

// restore reads the route and gives the traffic back. Whoever moves it meanwhile
// is not waited for but overruled: that is what a rollback is for.
func (o *rollback) restore(ctx context.Context) (before, after traffic.Route, err error) {
	const tries = 3
	for n := 1; ; n++ {
		router, route, err := o.find(ctx, o.f, true)
		if err != nil {
			return route, route, err
		}
		after, err := rollBack(ctx, router, route, o.write())
		if errors.Is(err, traffic.ErrNotSplit) && route.Weights == canary.AllStable() {
			// The canary is recorded, but not in the route: it gets nothing.
			return route, route, nil
		}
		if n == tries || !errors.Is(err, traffic.ErrConflict) {
			return route, after, err
		}
	}
}

// rollBack moves all traffic to the stable version, or where there is no canary
// any more, back over the promotion to the version before.
func rollBack(ctx context.Context, router traffic.Router, route traffic.Route, w traffic.Write) (traffic.Route, error) {
	switch {
	case route.Canary == "" && route.Previous() == "":
		return route, nil
	case route.Canary != "":
		return router.Split(ctx, route, traffic.Change{Weights: canary.AllStable()}, w)
	}
	restored := route.Place().Restored()
	route.Canary = route.Previous()
	return router.Split(ctx, route, traffic.Change{Weights: canary.AllCanary(), Position: &restored}, w)
}
