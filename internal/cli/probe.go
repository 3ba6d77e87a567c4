package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
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

An interval holds for the moment you look at it. To let a script decide whether
the split is right, use --check.`,
		Example: `  # In the lab: 20 requests a second for half a minute
  canaryctl probe

  # Until Ctrl-C, while another terminal moves the weights
  canaryctl probe --duration 0

  # Fail unless the split is as configured, with one false alarm in a million
  canaryctl probe --count 1000 --rate 200 --check

  # Through an ingress gateway, told apart by a header of the answer
  canaryctl probe --url https://shop.example/ --version-header X-App-Version`,
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
	flags.DurationVar(&o.config.Timeout, "timeout", o.config.Timeout, "longest wait for one answer")
	flags.StringVar(&o.field, "version-field", "version", "field of a JSON answer that names the version")
	flags.StringVar(&o.header, "version-header", "", "header of an answer that names the version, instead of a field")
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
	if cmd.Flags().Changed("version-field") && o.header != "" {
		return usagef("a version stands in a field (--version-field) or in a header (--version-header): name one")
	}
	if cmd.Flags().Changed("count") && !cmd.Flags().Changed("duration") {
		o.config.Duration = 0
	}
	o.config.Version = probe.FieldVersion(o.field)
	if o.header != "" {
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
func (o *probeOptions) weights(route traffic.Route) func(context.Context) (map[string]int, error) {
	again := target{vs: route.Name, host: route.Host}
	return func(ctx context.Context) (map[string]int, error) {
		ctx, cancel := context.WithTimeout(ctx, weightsPatience)
		defer cancel()
		_, now, err := again.find(ctx, o.Factory, false)
		if err != nil {
			return nil, err
		}
		return byVersion(now.Stable, now.Canary, now.Weights), nil
	}
}

func byVersion(stable, trial string, w canary.Weights) map[string]int {
	weights := map[string]int{stable: w.Stable}
	if trial != "" {
		weights[trial] = w.Canary
	}
	return weights
}

// aim decides where the requests go: the URL that was given, or the lab's
// router with the route's host.
func (o *probeOptions) aim(ctx context.Context, route traffic.Route) error {
	if o.config.URL != "" {
		return nil
	}
	client, err := o.Client()
	if err != nil {
		return err
	}
	router, err := kube.LabURL(ctx, client, kube.LabRouter)
	if err != nil {
		return hint.Wrap(err, "start the lab (canary-lab up), or name with --url an address that goes through the route, such as the mesh's ingress gateway")
	}
	o.config.URL = router.JoinPath("version").String()
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

// nothing explains a probe that no version answered.
func (o *probeOptions) nothing(result probe.Result) error {
	current := result.Current()
	switch {
	case result.Sent == 0:
		return errors.New("nothing was sent")
	case current.Unknown != nil && current.Unknown.Codes[http.StatusNotFound]+current.Unknown.Errors == current.Unknown.Requests:
		return hint.Wrap(fmt.Errorf("no version answered: %s from %s", codes(current.Unknown.Codes), o.config.URL),
			"is the route there, and its Pods ready? canaryctl status")
	case current.Unknown != nil:
		return hint.Wrap(fmt.Errorf("no answer of %s names its version", o.config.URL),
			"say where it stands: --version-field for a field of JSON, --version-header for a header")
	}
	return hint.Wrap(fmt.Errorf("no answer from %s: %s", o.config.URL, counted(current.Failures)), "is anything listening there?")
}
