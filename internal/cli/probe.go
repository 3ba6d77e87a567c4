package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/kube"
	"github.com/canaryctl/canaryctl/internal/probe"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

// How long reading the configured weights may take: the probe goes on without.
const weightsPatience = 2 * time.Second

// How often a terminal is redrawn, and how often a pipe gets a line.
const (
	redrawEvery = 200 * time.Millisecond
	lineEvery   = 5 * time.Second
)

type probeOptions struct {
	*Factory
	config probe.Config
	target target
	field  string
	header string
	method string
	check  bool
	output string
}

// NewCmdProbe sends requests and shows which version answers them.
func NewCmdProbe(f *Factory) *cobra.Command {
	o := &probeOptions{Factory: f, config: probe.Default()}
	cmd := &cobra.Command{
		Use:   "probe",
		Short: "Send requests and show which version answers them",
		Long: `probe sends requests at a steady rate and shows which version answers: each
version's share with its exact (Clopper-Pearson) 95% interval beside the
configured weight, its status codes, and how long it takes.

In the lab it finds the router and the route by itself; elsewhere, name a URL
that goes through the route. (kubectl port-forward does not: it goes straight to
one Pod.) Every second the route is read again, and when its weights change,
counting starts anew: change them in another terminal and watch.

A version is told by its answer: a field of JSON, or a header, which also comes
with an answer that breaks off (200 broken off) or does not end before --timeout
(200 given up). An answer that names none, such as the router's own 503 or 504,
stands under (none), unless the route gives it such a header: Istio's
headers.response.set of a destination is in its time-outs, too.

--grpc makes gRPC calls: unary ones, with an empty message, over --connections
connections of HTTP/2, with --timeout as their deadline. A status and the version
come from the answer's metadata.

An interval holds for the moment you look at it. To let a script decide whether
the split is right, use --check.`,
		Example: `  # In the lab: 20 requests a second for half a minute
  canaryctl probe

  # Until Ctrl-C, while another terminal moves the weights
  canaryctl probe --duration 0

  # Fail unless the split is as configured, with one false alarm in a million
  canaryctl probe --count 1000 --rate 200 --check

  # Through an ingress gateway, told apart by a header of the answer
  canaryctl probe --url https://shop.example/ --version-header X-Version

  # gRPC calls, of the demo service or of another; give up after a second
  canaryctl probe --grpc --timeout 1s
  canaryctl probe --grpc-method shop.v1.Cart/List --connections 5`,
		Annotations: exits(ExitInconclusive),
		Args:        noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.complete(cmd); err != nil {
				return err
			}
			return o.run(cmd.Context())
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.config.URL, "url", "", "URL to ask (default: /version, through the lab's router)")
	o.target.addFlags(flags)
	flags.Lookup("host").Usage = "Host header to send, and destination host of the route (default: found by itself)"
	flags.Float64Var(&o.config.Rate, "rate", o.config.Rate, "requests per second, whether or not answers come")
	flags.DurationVar(&o.config.Duration, "duration", o.config.Duration, "how long to send; 0 until Ctrl-C")
	flags.IntVar(&o.config.Count, "count", 0, "how many requests to send (default: as many as fit the duration)")
	flags.IntVar(&o.config.Concurrency, "concurrency", o.config.Concurrency, "requests in flight at most; those beyond are skipped and counted")
	flags.DurationVar(&o.config.Timeout, "timeout", o.config.Timeout, "longest wait for one answer; a request is given up then")
	flags.BoolVar(&o.config.GRPC, "grpc", false, "make gRPC calls")
	flags.StringVar(&o.method, "grpc-method", demoMethod, "unary gRPC method to call, SERVICE/METHOD, with an empty message; implies --grpc")
	flags.IntVar(&o.config.Connections, "connections", o.config.Connections, "connections that gRPC calls are dealt out to")
	flags.StringVar(&o.field, "version-field", "version", "field of a JSON answer that names the version")
	flags.StringVar(&o.header, "version-header", probe.DefaultHeader, "header of an answer, or gRPC metadata, that names the version where no field does; named alone, no field is looked at")
	flags.BoolVar(&o.check, "check", false, "exit 1 if the split is not as configured (exact binomial test, one false alarm in a million), 4 if the weights changed at the end")
	flags.StringVarP(&o.output, "output", "o", "", "output format: json or yaml (default: a table)")
	return cmd
}

// complete checks the command line, with nothing sent yet.
func (o *probeOptions) complete(cmd *cobra.Command) error {
	switch o.output {
	case "", "json", "yaml":
	default:
		return usagef("-o %s: probe prints json, yaml or a table", o.output)
	}
	if cmd.Flags().Changed("count") && !cmd.Flags().Changed("duration") {
		o.config.Duration = 0
	}
	if err := o.completeGRPC(cmd.Flags()); err != nil {
		return err
	}
	o.config.Version = probe.FirstVersion(probe.FieldVersion(o.field), probe.HeaderVersion(o.header))
	if cmd.Flags().Changed("version-header") && !cmd.Flags().Changed("version-field") {
		o.config.Version = probe.HeaderVersion(o.header)
	}
	o.config.Clock, o.config.Host = o.Clock, o.target.host
	trial := o.config
	if trial.URL == "" {
		trial.URL = "http://found.later"
	}
	if err := trial.Validate(); err != nil {
		return usagef("%w", err)
	}
	return nil
}

func (o *probeOptions) run(ctx context.Context) error {
	route, err := o.findRoute(ctx)
	if err != nil && (o.check || o.config.URL == "" && o.config.Host == "") {
		return err
	}
	if err == nil {
		o.config.Weights = o.weights(route)
	} else {
		fmt.Fprintf(o.Err, "the configured weights are not known: %v\n", err)
	}
	if err := o.aim(ctx, route); err != nil {
		return err
	}

	view := newProbeView(o.Err)
	view.begin(o.config, route)
	o.config.Progress, o.config.ProgressEvery = view.progress, view.every()
	result, err := probe.Run(ctx, o.config)
	if err != nil {
		return err
	}
	view.end(result)
	return o.conclude(ctx, result)
}

// findRoute reads the route whose weights are to be compared with.
func (o *probeOptions) findRoute(ctx context.Context) (traffic.Route, error) {
	ctx, cancel := context.WithTimeout(ctx, weightsPatience)
	defer cancel()
	_, route, err := o.target.find(ctx, o.Factory, false)
	return route, err
}

// weights reads the same route again and again: one small request each time.
func (o *probeOptions) weights(route traffic.Route) func(context.Context) (map[string]float64, error) {
	again := target{vs: route.Name, host: route.Host}
	return func(ctx context.Context) (map[string]float64, error) {
		ctx, cancel := context.WithTimeout(ctx, weightsPatience)
		defer cancel()
		_, now, err := again.find(ctx, o.Factory, false)
		if err != nil {
			return nil, err
		}
		return byVersion(now.Stable, now.Canary, now.Weights), nil
	}
}

func byVersion(stable, trial string, w canary.Weights) map[string]float64 {
	weights := map[string]float64{stable: float64(w.Stable)}
	if trial != "" {
		weights[trial] = float64(w.Canary)
	}
	return weights
}

// aim decides where the requests go: the URL that was given, or the lab's
// router with the route's host.
func (o *probeOptions) aim(ctx context.Context, route traffic.Route) error {
	if o.config.URL != "" {
		return o.addMethod()
	}
	client, err := o.Client()
	if err != nil {
		return err
	}
	router, err := kube.LabURL(ctx, client, kube.LabRouter)
	if err != nil {
		return hint.Wrap(err, "start the lab (canary-lab up), or name with --url an address that goes through the route, such as the mesh's ingress gateway")
	}
	o.config.URL = router.JoinPath(o.path()).String()
	if o.config.Host == "" {
		o.config.Host = route.Host
	}
	if !strings.Contains(o.config.Host, ".") {
		o.config.Host += "." + client.Namespace // a short name means another host in each namespace
	}
	return nil
}

// conclude prints the result, and turns it into the command's exit status.
func (o *probeOptions) conclude(ctx context.Context, result probe.Result) error {
	var agreement *probe.Agreement
	if o.check {
		a := probe.Check(result.Current())
		agreement = &a
	}
	if err := printProbe(o.Out, o.output, result, agreement); err != nil {
		return err
	}
	if bounded := o.config.Duration > 0 || o.config.Count > 0; bounded && ctx.Err() != nil {
		return ctx.Err()
	}
	current := result.Current()
	switch {
	case o.check && current.Recognised() == 0 && len(result.Phases) > 1:
		return hint.Wrap(fmt.Errorf("%w: the weights changed at the very end", ErrInconclusive), "run it again while nobody moves them")
	case recognised(result) == 0:
		return o.nothing(result)
	case o.check && !agreement.Agrees:
		return hint.Wrap(fmt.Errorf("the split is not as configured: %s", agreement.Detail),
			"a router takes new weights up after a moment: try again, then look at the route: canaryctl status")
	case o.check:
		fmt.Fprintln(o.Err, agreement.Detail)
	}
	return nil
}

func recognised(r probe.Result) (n int) {
	for _, p := range r.Phases {
		n += p.Recognised()
	}
	return n
}
