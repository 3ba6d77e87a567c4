package cli

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/canaryctl/canaryctl/internal/metrics"
	"github.com/canaryctl/canaryctl/internal/metrics/prometheus"
	"github.com/canaryctl/canaryctl/internal/status"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

type statusOptions struct {
	target
	f          *Factory
	output     string
	watch      bool
	window     time.Duration
	prometheus prometheusFlags
	sources    []metrics.Source
	servers    []*prometheus.Server
	// seen is what a watch saw of the route last; nil where it must be read.
	seen atomic.Pointer[traffic.Route]
	// done ends a watch, with what it returns, once it says so; nil for never.
	done func(*status.Report) (bool, error)
}

// NewCmdStatus shows the versions of an application and how its traffic is split.
func NewCmdStatus(f *Factory) *cobra.Command {
	o := &statusOptions{f: f}
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the versions, who is stable, how the traffic is split, and the release",
		Long: `Show the versions of an application: who is stable and who is on trial, their
images, ready Pods and restarts, the weight that the route gives them, and the
share of the requests that they were seen to answer, and how many are open on them
now, where a Prometheus knows. A release is shown with the step that it is at, who drives it, what it waits for, and
the evidence so far.

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
    openRequests            that are under way, streams among them; left out where
                            nothing tells
  release                   the one in progress, or how the last one ended; left out
                            where there was none
    id, phase, image, by    phase is preparing, progressing, paused, promoting,
                            promoted or rolled-back
    step, steps[]           step counts from 1 and is 0 before the first
    weight, started, since  since is when the step began, or the release ended
    paused, cause, why      why it is paused, or why it ended
    wish, basis             what it is asked for; what a promotion rests on
    driver                  name, renewed and alive, of who drives it
    waits, known, knownAt   what it waits for, and the evidence, as its driver last
                            reported them, and when
    reason                  why something of this is not known
  metrics                   source and window of the observed figures, or the reason
                            why there are none; openSource of the open requests
  notes[]                   what keeps canaryctl from releasing it: another tool that
                            writes the route, Pods that no Deployment runs, or that
                            are in another namespace; left out where nothing does

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
func (o *statusOptions) complete(flags *pflag.FlagSet) error {
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
	o.servers = o.prometheus.servers(client)
	for _, s := range o.servers {
		o.sources = append(o.sources, s)
	}
	return nil
}

func (o *statusOptions) run(ctx context.Context) error {
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

// lookEvery is how often a watch looks at the cluster.
const lookEvery = time.Second

// follow shows the state until the context ends. A look that fails is told and
// tried again: watching through a restart of the API server is what it is for.
func (o *statusOptions) follow(ctx context.Context) error {
	ticker := o.f.Clock.NewTicker(lookEvery)
	defer ticker.Stop()
	var changed <-chan struct{}
	stop := func() {}
	defer func() { stop() }()
	out, trouble := newScreen(o.f.Out), newScreen(o.f.Err)
	var report *status.Report
	for {
		next, err := o.gather(ctx, report)
		switch {
		case err == nil:
			if report == nil {
				changed, stop = o.notice(ctx, next.Found)
			}
			report = next
			o.target = target{vs: report.Route.Name, host: report.Route.Host} // read it by name from now on
			text, err := o.render(report, out.live)
			if err != nil {
				return err
			}
			out.show(text)
			trouble.last = ""
			if o.done != nil {
				if over, err := o.done(report); over {
					return err
				}
			}
		case report == nil || ctx.Err() != nil:
			return err
		default:
			trouble.show(fmt.Sprintf("canaryctl: %v; trying again", err))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C():
		case <-changed:
		}
	}
}

// gather makes a report of the route, with what the last one, nil for none, has that is
// still fresh.
func (o *statusOptions) gather(ctx context.Context, last *status.Report) (*status.Report, error) {
	route, err := o.route(ctx)
	if err != nil {
		return nil, err
	}
	router, err := o.f.Router()
	if err != nil {
		return nil, err
	}
	client, err := o.f.Dynamic()
	if err != nil {
		return nil, err
	}
	open, err := o.f.openReader(o.servers...)
	if err != nil {
		return nil, err
	}
	reader := status.Reader{Client: client, Clock: o.f.Clock, Router: router, Sources: o.sources, Window: o.window, Open: open}
	return reader.Read(ctx, route, last)
}

// route is the route as a watch saw it last, else as it is read now.
func (o *statusOptions) route(ctx context.Context) (traffic.Route, error) {
	if seen := o.seen.Load(); seen != nil {
		return *seen, nil
	}
	_, route, err := o.find(ctx, o.f, false)
	return route, err
}

// notice watches the route, so that a change shows at once
// and not at the next look. While a watch sees nothing the route is read. The
// caller stops it.
func (o *statusOptions) notice(ctx context.Context, route traffic.Route) (changed <-chan struct{}, stop func()) {
	router, err := o.f.Router()
	if err != nil {
		return nil, func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	wake := make(chan struct{}, 1)
	var wg sync.WaitGroup
	wg.Go(func() {
		_ = router.Watch(ctx, route, func(s traffic.Sight) { // it ends with the context alone
			o.seen.Store(nil)
			if s.Err == nil {
				o.seen.Store(&s.Route)
			}
			select {
			case wake <- struct{}{}:
			default: // the next look sees this too
			}
		})
	})
	return wake, func() { cancel(); wg.Wait() }
}
