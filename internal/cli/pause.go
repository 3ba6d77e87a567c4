package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/canaryctl/canaryctl/internal/steer"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

type pause struct {
	target
	mutation
	why string
}

// NewCmdPause stops a release where it is, until somebody resumes it.
func NewCmdPause(f *Factory) *cobra.Command {
	o := &pause{mutation: mutation{f: f}}
	cmd := &cobra.Command{
		Use:   "pause",
		Short: "Stop a release where it is, until somebody resumes it",
		Long: `Stop a release where it is, until somebody resumes it. The weights stay as they
are. It is written into the route, which whoever drives the release watches: it
works from anywhere, within a second, and also when nothing drives the release.

A paused release is still looked after, if something drives it: a canary that is
shown to do harm is rolled back.`,
		Example: `  canaryctl pause

  # Say why, for those who find it so
  canaryctl pause --why "the database team wants to look first"

  # And let it go on
  canaryctl resume`,
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
	cmd.Flags().StringVar(&o.why, "why", "", "the reason, which status and history show")
	return cmd
}

func (o *pause) run(ctx context.Context) error {
	d, err := o.steer(ctx, &o.mutation, func(route traffic.Route) (*traffic.Change, error) {
		return steer.Pause(route, asked(o.f, o.why), o.f.Clock.Now())
	})
	if err != nil {
		return err
	}
	r := steer.Last(d.after)
	if d.changed {
		o.note("%s: release %s is paused %s: %s; canaryctl resume lets it go on", d.after.Name, r.ID, at(*r, steps(d.after)), shares(d.after))
	} else {
		o.note("%s: release %s is paused already: %s", d.after.Name, r.ID, r.Why)
	}
	if d.changed && r.Rolling() {
		o.note("the stable Deployment is being rolled already, and Kubernetes goes on with that; kubectl rollout pause stops it")
	}
	return o.print(d.after)
}

// longestWhy bounds what a person may say, in characters: it goes into the route,
// whose annotations have limited room, and nothing may keep a rollback from going
// through.
const longestWhy = 300

// asked is why something is done that a person asked for.
func asked(f *Factory, why string) string {
	text := person(f) + " asked for it"
	if why != "" {
		text += ": " + why
	}
	return inBrief(text, longestWhy)
}

// steps is how many the plan of a route's release has; 0 where that is not known.
func steps(route traffic.Route) int {
	p, err := planOf(route)
	if err != nil {
		return 0
	}
	return len(p.Steps)
}
