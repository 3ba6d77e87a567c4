package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/steer"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

type promote struct {
	target
	mutation
	retirement
	force  bool
	retire bool
	step   bool
	keep   time.Duration
}

// NewCmdPromote makes the canary the stable version.
func NewCmdPromote(f *Factory) *cobra.Command {
	o := &promote{mutation: mutation{f: f}}
	cmd := &cobra.Command{
		Use:   "promote",
		Short: "Give all traffic to the canary, which becomes the stable version",
		Long: `Give all traffic to the canary, which becomes the stable version. No Pod is
restarted: those that were on trial go on serving. The old version stays as it is,
so that a late rollback is as fast as an early one, until "canaryctl delete-canary"
or --retire removes it. What is open on it by then is cut as delete-canary says;
--drain waits for that first.

A release in progress is asked to go to its end now, or with --step to its next
step: whatever drives it does so, in the way that its plan says; a paused one goes
on with it. Where nothing drives it, this command does. It overrules the plan, its
pauses and gates, but not harm: a canary that is shown to be bad is rolled back all
the same. With --force this command takes the
promotion upon itself, whatever drives the release or does not.`,
		Example: `  # All traffic to the canary; keep the old version
  canaryctl promote

  # And remove the old version, at once or after ten quiet minutes
  canaryctl promote --retire
  canaryctl promote --keep-stable 10m

  # A release in progress: begin the next step now
  canaryctl promote --step`,
		Annotations: exitsMeaning(promoteMeaning, ExitRolledBack, ExitInconclusive),
		Args:        noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(); err != nil {
				return err
			}
			return o.run(cmd.Context())
		},
	}
	flags := cmd.Flags()
	o.target.addFlags(flags)
	o.mutation.addFlags(flags)
	o.retirement.addFlags(flags)
	flags.BoolVar(&o.force, "force", false, "promote even a canary with no ready Pod, and past what drives a release")
	flags.BoolVar(&o.step, "step", false, "only begin the next step of the release in progress")
	flags.BoolVar(&o.retire, "retire", false, "remove the old version afterwards: destination, subset, Deployment")
	flags.DurationVar(&o.keep, "keep-stable", 0, "keep the old version for so long, then retire it; Ctrl-C keeps it for good")
	return cmd
}

func promoteMeaning(code int) string {
	if code == ExitInconclusive {
		return releaseMeaning(code)
	}
	return exitMeaning(code)
}

func (o *promote) check() error {
	if o.keep < 0 {
		return usagef("--keep-stable %s: a duration cannot be negative", o.keep)
	}
	o.retire = o.retire || o.keep > 0
	if o.step && (o.retire || o.force) {
		return usagef("--step goes on with a release; it goes neither with --force nor with --retire or --keep-stable")
	}
	if o.drain > 0 && !o.retire {
		return usagef("--drain is for the old version, which stays without --retire or --keep-stable")
	}
	if err := o.checkDrain(); err != nil {
		return err
	}
	return o.validate()
}

func (o *promote) run(ctx context.Context) error {
	router, route, err := o.find(ctx, o.f, true)
	if err != nil {
		return err
	}
	if o.step || steer.Running(route) != nil && !o.force {
		return o.wish(ctx, route)
	}
	after, err := o.promote(ctx, router, route)
	if err != nil {
		return err
	}
	old := after.Previous()
	if !o.retire || old == "" {
		return o.print(after)
	}
	if err := o.keepStable(ctx, old); err != nil {
		return err
	}
	if after, err = o.remove(ctx, &o.mutation, router, after, old); err != nil {
		return err
	}
	return o.print(after)
}

// promote moves traffic and position in one write. A canary that was promoted
// already is not an error: the command may be a second attempt.
func (o *promote) promote(ctx context.Context, router traffic.Router, route traffic.Route) (traffic.Route, error) {
	if route.Canary == "" && (o.retire || route.Previous() != "") {
		o.note("%s: %s is the stable version already", route.Name, route.Stable)
		return o.together(ctx, router, route)
	}
	if route.Canary == "" {
		return route, hint.Wrap(fmt.Errorf("promote on %s: %w: %s is the only one", route, traffic.ErrNotSplit, route.Stable),
			"create a canary first: canaryctl create-canary --image IMAGE")
	}
	if !o.force {
		if err := canAnswer(ctx, o.f, router, route, route.Canary); err != nil {
			return route, err
		}
	}
	if r := steer.Running(route); r != nil && r.Rolling() {
		return route, hint.Wrap(fmt.Errorf("promote %s: %w", route.Canary, steer.ErrRolling),
			"that is its promotion already: canaryctl resume goes on with it")
	}
	place := route.Place()
	after, err := router.Split(ctx, route, steer.Switch(route, asked(o.f, ""), o.f.Clock.Now()), o.write())
	if err != nil {
		return route, err
	}
	o.note("%s: %s is the stable version now, with all the traffic; %s is kept", route.Name, after.Stable, after.Previous())
	if place.Previous != "" {
		o.note("%s, kept from the promotion before, is still there; remove it with: canaryctl delete-canary --version %s", place.Previous, place.Previous)
	}
	return after, nil
}

// together gives the routes that follow a promoted one what that has, where a promotion
// was cut short before.
func (o *promote) together(ctx context.Context, router traffic.Router, route traffic.Route) (traffic.Route, error) {
	if len(route.Followers) == 0 || route.Previous() == "" {
		return route, nil
	}
	place, both := route.Place(), route
	both.Canary = route.Previous()
	return router.Split(ctx, both, traffic.Change{Weights: canary.AllStable(), Position: &place}, o.write())
}

// keepStable waits before the old version is removed, and says how long still.
func (o *promote) keepStable(ctx context.Context, old string) error {
	if o.keep == 0 || o.dry() {
		return nil
	}
	end := o.f.Clock.Now().Add(o.keep)
	for {
		left := end.Sub(o.f.Clock.Now())
		if left <= 0 {
			return nil
		}
		o.note("%s is retired in %s; Ctrl-C keeps it", old, left.Round(time.Second))
		select {
		case <-o.f.Clock.After(min(left, progressEvery(o.keep))):
		case <-ctx.Done():
			o.note("%s is kept; canaryctl rollback returns to it, canaryctl delete-canary removes it", old)
			return ctx.Err()
		}
	}
}

// progressEvery is how often a long wait says that it goes on.
func progressEvery(whole time.Duration) time.Duration {
	return max(time.Second, min(whole/10, time.Minute))
}
