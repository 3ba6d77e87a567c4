package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/metrics"
	"github.com/canaryctl/canaryctl/internal/status"
	"github.com/canaryctl/canaryctl/internal/steer"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

type resume struct {
	target
	mutation
	runner runner
	file   string
	watch  bool
}

// NewCmdResume lets a release go on from where its route says it stands.
func NewCmdResume(f *Factory) *cobra.Command {
	o := &resume{mutation: mutation{f: f}, runner: newRunner(f)}
	cmd := &cobra.Command{
		Use:   "resume",
		Short: "Let a release go on from where it stands",
		Long: `Let a release go on from where its route says that it stands: one that is paused,
and one whose engine is gone. It needs nothing of where it was driven before.

Where somebody else moved the traffic meanwhile, it goes on from the weights that
the route has now. What was waited for is answered: a step before which the plan
pauses begins. Where an engine drives the release already, that one goes on, and
this command ends; with --watch it shows the release until its end, and with
--take-over it drives instead of the other.

The plan is the one in the route. Where that names commands to run, files to read or
addresses to call from here, -f gives the plan file that it came from, or
--trust-plan says that the route is to be trusted so far.`,
		Example: `  canaryctl resume

  # And look on until it is over
  canaryctl resume -w

  # The machine that drives it hangs: drive it here
  canaryctl resume --take-over`,
		Annotations: exitsMeaning(resumeMeaning, ExitRolledBack, ExitInconclusive),
		Args:        noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.complete(cmd); err != nil {
				return err
			}
			return o.run(cmd.Context())
		},
	}
	o.target.addFlags(cmd.Flags())
	o.mutation.addFlags(cmd.Flags())
	cmd.Flags().Lookup("output").Usage = `print the route as "yaml", "name" or "json"; where it is driven here, json prints every event as a line`
	cmd.Flags().StringVarP(&o.file, "filename", "f", "", "file of the plan that the release follows, in the place of what the route says")
	cmd.Flags().BoolVarP(&o.watch, "watch", "w", false, "show the release until it is over")
	o.runner.addFlags(cmd.Flags())
	return cmd
}

func (o *resume) complete(cmd *cobra.Command) error {
	if err := o.validate(); err != nil {
		return err
	}
	if o.file != "" {
		document, err := readPlan(o.f.In, o.file)
		if err != nil {
			return err
		}
		o.runner.document, o.runner.filed = &document, true
	}
	o.runner.events = o.output == "json"
	return o.runner.complete(cmd.Flags())
}

func (o *resume) run(ctx context.Context) error {
	d, err := o.steer(ctx, &o.mutation, func(route traffic.Route) (*traffic.Change, error) { return o.decide(ctx, route) })
	if err != nil {
		return err
	}
	r := steer.Last(d.after)
	if steer.Unfinished(d.after) {
		o.note("%s: release %s is promoted; what it leaves is seen to", d.after.Name, r.ID)
		if o.dry() {
			return nil
		}
		return o.runner.finish(ctx, d.router, d.after)
	}
	what := "is not paused; it stands"
	switch {
	case d.changed:
		what = "is resumed"
	case r.Wish != "":
		what = "is asked to " + asking(r.Wish) + " already,"
	}
	o.note("%s: release %s %s %s: %s", d.after.Name, r.ID, what, at(*r, steps(d.after)), shares(d.after))
	if o.dry() {
		return o.print(d.after)
	}
	return o.seeTo(ctx, d.after)
}

// decide lets a paused release go on from the weights that the route has. One
// that was asked for something goes on with that: whoever drives it resumes it so.
// Where nothing drives it and this command may not, it stays paused.
func (o *resume) decide(ctx context.Context, route traffic.Route) (*traffic.Change, error) {
	if steer.Unfinished(route) {
		return nil, nil
	}
	r, err := steer.InProgress(route)
	if err != nil {
		return nil, err
	}
	before, err := o.f.driver(ctx, route)
	if err != nil {
		return nil, err
	}
	if o.runner.filed || !before.Alive || o.runner.takeOver {
		if err := o.runner.follows(route, *r); err != nil {
			return nil, err
		}
	}
	if r.Phase != canary.Paused || r.Wish != "" {
		return nil, nil // it needs no plan, which may be gone
	}
	plan, err := planOf(route)
	if o.runner.filed {
		plan, err = o.runner.document.Plan(), nil
	}
	if err != nil {
		return nil, hint.Wrap(err, "without it nothing can go on: canaryctl rollback gives the traffic back, canaryctl promote --force goes to the end")
	}
	return steer.Resume(route, plan, o.f.Clock.Now())
}

// seeTo makes sure that the release is driven: by whoever holds its Lease and is
// alive, else here. Where it is driven here and events are wanted, they are all that is printed:
// who reads lines of JSON wants nothing else between them.
func (o *resume) seeTo(ctx context.Context, route traffic.Route) error {
	var driver status.Driver
	if !o.runner.takeOver {
		var err error
		if driver, err = o.f.awaitDriver(ctx, route); err != nil {
			return err
		}
	}
	switch {
	case driver.Alive:
		o.note("%s drives it", driver.Name)
		if err := o.print(route); err != nil || !o.watch {
			return err
		}
		return lookOn(ctx, o.f, route)
	case o.runner.events:
	default:
		if err := o.print(route); err != nil {
			return err
		}
	}
	return o.runner.resume(ctx, route)
}

func resumeMeaning(code int) string {
	if code == ExitDone {
		return "promoted: the canary is the stable version; or another drives the release"
	}
	return releaseMeaning(code)
}

// lookOn shows a release that another drives until it is over, and ends as it
// ended.
func lookOn(ctx context.Context, f *Factory, route traffic.Route) error {
	s := &statusOptions{
		f: f, target: target{vs: route.Name, host: route.Host}, watch: true, window: metrics.DefaultWindow,
		done: func(r *status.Report) (bool, error) {
			switch {
			case r.Release == nil:
				return true, fmt.Errorf("%s: %w any more", route, steer.ErrNoRelease)
			case r.Release.Phase == canary.RolledBack:
				return true, fmt.Errorf("%s: release %s: %w: %s", route, r.Release.ID, ErrRolledBack, r.Release.Why)
			}
			return r.Release.Phase.Over(), nil
		},
	}
	return s.follow(ctx)
}
