package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/steer"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

type setTraffic struct {
	target
	mutation
	force   bool
	weights canary.Weights
}

// NewCmdSetTraffic splits the traffic between the stable version and the canary.
func NewCmdSetTraffic(f *Factory) *cobra.Command {
	o := &setTraffic{mutation: mutation{f: f}}
	cmd := &cobra.Command{
		Use:   "set-traffic STABLE CANARY",
		Short: "Split the traffic between the stable version and the canary",
		Long: `Split the traffic between the stable version and the canary, in percent, to a
tenth, that sum to 100. Weights of a route are shares of their sum, which stays
what it is where whole numbers of it can say the split; else it becomes 100, or
1000 for tenths. A third destination of a rule keeps its share. Only the weights of rules that name both versions change; every
other rule and field of the route stays as it is.

A release in progress treats this as a change from outside and does what its plan
says of such (policy.foreign), which is to pause unless it says otherwise. A paused
release goes on from the weights that it finds.`,
		Example: `  # A tenth for the canary; the route is found by itself
  canaryctl set-traffic 90 10

  # One request in two hundred
  canaryctl set-traffic 99.5 0.5

  # Name the route
  canaryctl set-traffic 70 30 --vs versioned-echo-virtualservice --host versioned-echo

  # See the exact change first
  canaryctl set-traffic 50 50 --dry-run=server`,
		Annotations: exits(),
		Args: func(_ *cobra.Command, args []string) (err error) {
			o.weights, err = weightArgs(args)
			return err
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.validate(); err != nil {
				return err
			}
			return o.run(cmd.Context())
		},
	}
	cmd.SetFlagErrorFunc(negativeWeight)
	o.target.addFlags(cmd.Flags())
	o.mutation.addFlags(cmd.Flags())
	cmd.Flags().BoolVar(&o.force, "force", false, "send traffic even to a version with no ready Pod")
	return cmd
}

func weightArgs(args []string) (canary.Weights, error) {
	const example = "two numbers that sum to 100, stable first: canaryctl set-traffic 90 10"
	if len(args) != 2 {
		return canary.Weights{}, hint.Wrap(usagef("set-traffic takes 2 weights, and was given %d", len(args)), example)
	}
	w, err := canary.ParseWeights(args[0], args[1])
	if err != nil {
		return canary.Weights{}, hint.Wrap(usageError{err}, example)
	}
	return w, nil
}

// negativeWeight says what -10 is: the flag parser takes it for a flag.
func negativeWeight(_ *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) {
		if name := unknown.GetSpecifiedShortnames(); name != "" && name[0] >= '0' && name[0] <= '9' {
			return hint.Wrap(usagef("%w: -%s is negative", canary.ErrWeights, name),
				"two numbers that sum to 100, stable first: canaryctl set-traffic 90 10")
		}
	}
	return usageError{err}
}

func (o *setTraffic) run(ctx context.Context) error {
	router, route, err := o.find(ctx, o.f, true)
	if err != nil {
		return err
	}
	if !o.force {
		if err := o.answerable(ctx, router, route); err != nil {
			return err
		}
	}
	after, err := router.Split(ctx, route, traffic.Change{Weights: o.weights}, o.write())
	if err != nil {
		return err
	}
	if o.changes == 0 {
		o.note("%s: %s already; nothing to change", route.Name, shares(route))
	} else {
		o.note("%s: %s (was %s)", route.Name, shares(after), route.Weights)
		o.meddles(route)
	}
	return o.print(after)
}

// meddles says what it means that a release is in progress.
func (o *setTraffic) meddles(route traffic.Route) {
	r := steer.Running(route)
	switch {
	case r == nil:
	case r.Phase == canary.Paused:
		o.note("release %s is paused; canaryctl resume goes on from these weights", r.ID)
	default:
		o.note("release %s is in progress: what drives it pauses it now, unless its plan says otherwise; canaryctl resume goes on from these weights", r.ID)
	}
}

// answerable refuses to give more traffic to a version that cannot answer. To
// take some away from one is always right.
func (o *setTraffic) answerable(ctx context.Context, router traffic.Router, route traffic.Route) error {
	if route.Canary == "" {
		return nil // Split says what is missing
	}
	if o.weights.Canary > route.Weights.Canary {
		return canAnswer(ctx, o.f, router, route, route.Canary)
	}
	if o.weights.Stable > route.Weights.Stable {
		return canAnswer(ctx, o.f, router, route, route.Stable)
	}
	return nil
}
