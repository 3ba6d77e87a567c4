package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/canaryctl/canaryctl/internal/metrics"
)

type status struct {
	target
	f          *Factory
	output     string
	watch      bool
	window     time.Duration
	prometheus prometheusFlags
	sources    []metrics.Source
}

// NewCmdStatus shows the versions of an application and how its traffic is split.
func NewCmdStatus(f *Factory) *cobra.Command {
	o := &status{f: f}
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the versions, who is stable, and how the traffic is split",
		Long: `Show the versions of an application: who is stable and who is on trial, their
images, ready Pods and restarts, the weight that the route gives them, and the
share of the requests that they were seen to answer, where a Prometheus knows.

With -o json or yaml the shape is:

  app, namespace            of what is shown
  route                     kind, name and host of the object that splits the traffic
  versions[]                one for each version in the route or in the namespace
    version, role           role is stable, canary, previous (kept after a promotion)
                            or none (not in the route)
    deployment, image       left out where there is no Deployment
    desired, ready          Pods
    restarts                of the containers of the present Pods
    weight                  percent of the traffic; left out where not in the route
    observedShare           0 to 1, of the requests; left out where not known
    observedRequests        in the window
  metrics                   source and window of the observed figures, or the reason
                            why there are none

With -w the same follows at every change, as a line, a JSON line or a YAML
document; a terminal is redrawn in place.`,
		Example: `  canaryctl status

  # Follow a release
  canaryctl status -w

  # The canary's weight, for a script
  canaryctl status -o json | jq '.versions[] | select(.role == "canary").weight'`,
		Annotations: exits(),
		Args:        noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.complete(cmd.Flags()); err != nil {
				return err
			}
			return o.run(cmd.Context())
		},
	}
	flags := cmd.Flags()
	o.addFlags(flags)
	flags.StringVarP(&o.output, "output", "o", "", "output format: wide, json, yaml or name (default: a table)")
	flags.BoolVarP(&o.watch, "watch", "w", false, "go on showing changes until interrupted")
	flags.DurationVar(&o.window, "window", metrics.DefaultWindow, "how far back the observed share looks")
	o.prometheus.addFlags(flags)
	return cmd
}

// complete checks the command line, with nothing sent yet.
func (o *status) complete(flags *pflag.FlagSet) error {
	switch o.output {
	case "", "wide", "json", "yaml", "name":
	default:
		return usagef("-o %s: status prints wide, json, yaml, name or a table", o.output)
	}
	if o.window < time.Second {
		return usagef("--window %s: say one second or more", o.window)
	}
	if err := o.prometheus.complete(flags); err != nil {
		return err
	}
	client, err := o.f.Client()
	if err != nil {
		return err
	}
	for _, s := range o.prometheus.servers(client) {
		o.sources = append(o.sources, s)
	}
	return nil
}

func (o *status) run(ctx context.Context) error {
	if o.watch {
		return o.follow(ctx)
	}
	report, err := o.gather(ctx, nil)
	if err != nil {
		return err
	}
	text, err := o.render(report, isTerminal(o.f.Out))
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(o.f.Out, text)
	if o.output == "" && report.Metrics.Reason != "" {
		fmt.Fprintf(o.f.Err, "no observed share: %s\n", report.Metrics.Reason)
	}
	return err
}

// How often a watch looks at the cluster, and at the metrics, which move slowly
// and cost more.
const (
	lookEvery    = time.Second
	measureEvery = 5 * time.Second
)

// follow shows the state until the context ends. A look that fails is told and
// tried again: watching through a restart of the API server is what it is for.
func (o *status) follow(ctx context.Context) error {
	ticker := o.f.Clock.NewTicker(lookEvery)
	defer ticker.Stop()
	out, trouble := newScreen(o.f.Out), newScreen(o.f.Err)
	var report *statusReport
	for {
		next, err := o.gather(ctx, report)
		switch {
		case err == nil:
			report = next
			o.target = target{vs: report.Route.Name, host: report.Route.Host} // read it by name from now on
			text, err := o.render(report, out.live)
			if err != nil {
				return err
			}
			out.show(text)
			trouble.last = ""
		case report == nil || ctx.Err() != nil:
			return err
		default:
			trouble.show(fmt.Sprintf("canaryctl: %v; trying again", err))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C():
		}
	}
}
