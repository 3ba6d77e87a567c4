package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/planfile"
	"github.com/canaryctl/canaryctl/internal/steer"
	"github.com/canaryctl/canaryctl/internal/traffic"
	"github.com/canaryctl/canaryctl/internal/workload"
)

type releaseOptions struct {
	runner
	target target
	output string
	canary createCanary
	file   string
	dryRun bool
}

// NewCmdRelease takes an image to production by evidence.
func NewCmdRelease(f *Factory) *cobra.Command {
	o := &releaseOptions{runner: newRunner(f), canary: createCanary{mutation: mutation{f: f, dryRun: string(traffic.DryRunNone)}, autoscaler: autoscalerCopy}}
	cmd := &cobra.Command{
		Use:   "release --image IMAGE",
		Short: "Take an image to production by evidence, and back at once when it harms",
		Long: `release makes a canary of the image and gives it traffic step by step, while it
weighs what both versions answer. It waits no longer than the evidence needs, and
gives all traffic back the moment harm is shown. At the end the canary is the stable
version: proved, or passed on the planned exposure; the record says which.

The plan is a file (-f, see "canaryctl plan explain"), or is made from the traffic
that there is. Where the release stands is written into the route, in the same write
as the weights. So it may be killed at any moment: "canaryctl resume" goes on from
the route, on any machine. pause, promote, rollback and abort work from anywhere,
within a second.

Ctrl-C asks whether to pause or to roll back. A SIGTERM does what the plan says
(policy.interrupt): it pauses, unless told otherwise. A release that is paused with
nobody at a terminal ends with status 4, and stands.`,
		Example: `  # A sensible plan from the traffic that there is
  canaryctl release --image versioned-echo:v2

  # By a plan of your own, with everything on record for a report
  canaryctl release --image versioned-echo:v2 -f plan.yaml --record v2.jsonl
  canaryctl report v2.jsonl

  # In a pipeline: events as lines of JSON, and the exit status
  canaryctl release --image versioned-echo:v2 -o json

  # What would it do? Nothing is changed
  canaryctl release --image versioned-echo:v2 --dry-run`,
		Annotations: exitsMeaning(releaseMeaning, ExitRolledBack, ExitInconclusive),
		Args:        noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.complete(cmd); err != nil {
				return err
			}
			return o.run(cmd.Context())
		},
	}
	flags := cmd.Flags()
	o.canary.addSpecFlags(flags)
	flags.StringVarP(&o.file, "filename", "f", "", "plan file; - for standard input (default: a plan made from the traffic)")
	flags.BoolVar(&o.dryRun, "dry-run", false, "say what would be done, and do nothing")
	o.target.addFlags(flags)
	flags.StringVarP(&o.output, "output", "o", "", `"json" prints every event as a line of JSON`)
	o.addFlags(flags)
	return cmd
}

func (o *releaseOptions) complete(cmd *cobra.Command) error {
	if o.output != "" && o.output != "json" {
		return usagef("-o %s: say json, or nothing for words", o.output)
	}
	o.events = o.output == "json"
	if o.canary.spec.Image == "" {
		return hint.Wrap(usagef("release needs --image"), "canaryctl release --image versioned-echo:v2")
	}
	o.canary.target = o.target
	o.canary.wait, o.canary.timeout, o.canary.atOnce = true, o.ready, true
	if err := o.runner.complete(cmd.Flags()); err != nil {
		return err
	}
	if err := o.canary.complete(cmd); err != nil {
		return err
	}
	if o.file != "" {
		document, err := readPlan(o.f.In, o.file)
		if err != nil {
			return err
		}
		o.follow(document)
		o.filed = true
	}
	return nil
}

// follow takes a plan, and what flags say that a plan says too.
func (o *releaseOptions) follow(document planfile.Document) {
	if failed, err := o.source.metrics.statuses(); err == nil && failed != nil {
		document.Spec.Analysis.GRPCFailed = planfile.GRPCStatuses(failed)
	}
	o.document = &document
}

// run begins a release and drives it. The Deployment comes first, since it hurts
// nobody by itself. The release begins with the write that puts the canary into the
// route, with no traffic: from then on it can be resumed, and before there is
// nothing to resume.
func (o *releaseOptions) run(ctx context.Context) error {
	p, err := o.canary.plan(ctx)
	if err != nil {
		return err
	}
	if r := steer.Running(p.route); r != nil {
		return o.goOn(ctx, p.route, *r)
	}
	if err := o.free(p.route); err != nil {
		return err
	}
	if o.document == nil {
		if err := o.suggest(ctx, p); err != nil {
			return err
		}
	}
	if err := p.router.Rehearse(ctx, p.route, p.spec.Version, traffic.Besides(o.document.Plan())...); err != nil {
		return fmt.Errorf("release by this plan: %w", err)
	}
	if o.dryRun {
		return o.explain(p)
	}
	release := o.begin(p)
	return o.own(ctx, p.router, p.route, func(ctx context.Context) (traffic.Route, error) {
		return o.admit(ctx, p, release)
	})
}

// admit makes the canary, and begins the release with it.
func (o *releaseOptions) admit(ctx context.Context, p *canaryPlan, release *canary.Release) (traffic.Route, error) {
	stored, err := o.document.Stored()
	if err != nil {
		return p.route, err
	}
	if err := o.canary.deploy(ctx, p); err != nil {
		return p.route, err
	}
	if err := o.canary.inheritScaling(ctx, p); err != nil {
		return p.route, err
	}
	o.made = p.want
	if p.live != nil {
		o.made = p.live
	}
	measured := p.measured()
	o.measured = &measured
	return o.canary.admit(ctx, p, traffic.Admission{
		Version: p.spec.Version, Release: release,
		Notes: map[string]string{canary.PlanAnnotation: string(stored)},
	})
}

// goOn is for a job that runs once more: what it asks for is being released
// already. It drives that, or stands by while another does. A release of anything
// else in the same route was refused before.
func (o *releaseOptions) goOn(ctx context.Context, route traffic.Route, r canary.Release) error {
	fmt.Fprintf(o.f.Err, "%s: release %s of %s is running already; this command joins it\n", route.Name, r.ID, r.Image)
	if o.dryRun {
		return nil
	}
	return o.resume(ctx, route)
}

// free refuses a route where a canary gets traffic that no release gave it.
func (o *releaseOptions) free(route traffic.Route) error {
	if route.Weights.Canary > 0 {
		return hint.Wrap(fmt.Errorf("release on %s: %w: %s gets %s%% of the traffic", route, traffic.ErrServing, route.Canary, route.Weights.Canary),
			"canaryctl rollback gives that back; then the release can begin")
	}
	return nil
}

// explain says what would be done.
func (o *releaseOptions) explain(p *canaryPlan) error {
	fmt.Fprintf(o.f.Out, "release %s of %s as %s over %s, on %s:\n", p.spec.Image, p.spec.App, p.spec.Version, p.route.Stable, p.route)
	return o.document.Explain(o.f.Out)
}

// begin is the release before anything of it is there.
func (o *releaseOptions) begin(p *canaryPlan) *canary.Release {
	now := o.f.Clock.Now()
	hash := o.document.Hash()
	release := canary.Begin(releaseID(p.spec.Version, now), hash, now)
	release.Image, release.By = p.spec.Image, person(o.f)
	return &release
}

// releaseID names a release so that a person can read it and no two are alike.
func releaseID(version string, now time.Time) string {
	return fmt.Sprintf("%s-%s-%04x", version, now.UTC().Format("20060102-150405"), now.Nanosecond()/1000&0xffff)
}

// prepare waits until requests to the canary would be answered. Its Deployment was
// made, and the route was told of it, before there was a release.
func (r *runner) prepare(ctx context.Context, deployments workload.Deployments, route traffic.Route, report func(workload.Progress)) error {
	live, err := r.deployment(ctx, deployments, route)
	if err != nil {
		return err
	}
	if err := deployments.WaitReady(ctx, live.GetName(), r.ready, report); err != nil {
		return err
	}
	service := serviceOf(route)
	if service == "" {
		return nil
	}
	_, err = deployments.WaitListed(ctx, live, service, listedPatience)
	return err
}

// deployment is the canary's, as it was made here or by whoever began the release.
func (r *runner) deployment(ctx context.Context, deployments workload.Deployments, route traffic.Route) (*unstructured.Unstructured, error) {
	if r.made != nil {
		return r.made, nil
	}
	versions, err := deployments.Versions(ctx)
	if err != nil {
		return nil, err
	}
	live, err := deployments.Pick(versions, route.Position.Canary)
	return live.Object, err
}

func releaseMeaning(code int) string {
	switch code {
	case ExitDone:
		return "promoted: the canary is the stable version"
	case ExitRolledBack:
		return "rolled back: all traffic is with the stable version"
	case ExitInconclusive:
		return "paused, and nobody is here to resume it: canaryctl resume goes on"
	case ExitInterrupted:
		return "interrupted; the release stands in the route as the plan says"
	}
	return exitMeaning(code)
}
