package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/steer"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

type abort struct {
	rollback

	out   retirement
	force bool
}

// NewCmdAbort rolls back and removes the canary.
func NewCmdAbort(f *Factory) *cobra.Command {
	o := &abort{rollback: rollback{mutation: mutation{f: f}}}
	cmd := &cobra.Command{
		Use:   "abort",
		Short: "Give all traffic back to the stable version, and remove the canary",
		Long: `Give all traffic back to the stable version, and remove the canary: a rollback, and
then what delete-canary does, without a question. It ends a release in progress,
whatever drives it, and works as well where none is.

A stable version with no ready Pod gets no traffic unless --force says so; to give
it back without looking at anything is what rollback is for.`,
		Example: `  canaryctl abort

  # Say why, for those who read the history of the releases
  canaryctl abort --why "the wrong branch was built"

  # What would be done?
  canaryctl abort --dry-run=client`,
		Annotations: exits(),
		Args:        noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := errors.Join(o.validate(), o.out.checkDrain()); err != nil {
				return err
			}
			return o.run(cmd.Context())
		},
	}
	flags := cmd.Flags()
	o.target.addFlags(flags)
	o.mutation.addFlags(flags)
	o.out.addFlags(flags)
	flags.StringVar(&o.why, "why", "", "the reason, which history shows")
	flags.BoolVar(&o.force, "force", false, "give the traffic back even to a stable version with no ready Pod, or in the middle of its roll")
	return cmd
}

func (o *abort) run(ctx context.Context) error {
	router, route, err := o.find(ctx, o.f, true)
	if err != nil {
		return err
	}
	if route.Canary == "" && steer.Running(route) == nil {
		o.note("%s: %s is the only version on duty; nothing to abort", route.Name, route.Stable)
		if previous := route.Previous(); previous != "" {
			o.note("it was promoted over %s; canaryctl rollback returns to that", previous)
		}
		return o.print(route)
	}
	if err := o.check(ctx, router, route); err != nil {
		return err
	}
	version := route.Canary
	after, err := o.back(ctx, route)
	if err != nil {
		return err
	}
	if version == "" {
		return o.print(after)
	}
	if after, err = o.out.remove(ctx, &o.mutation, router, after, version); err != nil {
		return err
	}
	o.note("%s: %s; %s has all the traffic", after.Name, o.out.gone(version), after.Stable)
	return o.print(after)
}

// check refuses what would leave the users without an answer. That it cannot be
// known holds nobody up.
func (o *abort) check(ctx context.Context, router traffic.Router, route traffic.Route) error {
	if o.force {
		return nil
	}
	if r := steer.Running(route); r != nil && r.Rolling() {
		return hint.Wrap(fmt.Errorf("abort the release of %s: %w", route.Canary, steer.ErrRolling),
			"canaryctl pause stops it where it is; --force gives the traffic back and removes %s all the same", route.Canary)
	}
	if route.Weights.Canary == 0 {
		return nil
	}
	if err := canAnswer(ctx, o.f, router, route, route.Stable); errors.Is(err, errNoReadyPod) {
		return err
	}
	return nil
}

// back gives the traffic back, and ends the release.
func (o *abort) back(ctx context.Context, route traffic.Route) (traffic.Route, error) {
	o.vs, o.host = route.Name, route.Host
	d, err := o.restore(ctx)
	if err != nil {
		return route, err
	}
	if d.changed && d.before.Weights != canary.AllStable() {
		o.note("%s: rolled back to %s: %s (was %s)", d.after.Name, d.after.Stable, shares(d.after), shares(d.before))
	}
	o.ended(ctx, d.router, d.before)
	return d.after, nil
}
