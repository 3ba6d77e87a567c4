package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/traffic"
	"github.com/canaryctl/canaryctl/internal/workload"
)

type createCanary struct {
	target
	mutation
	spec                        workload.Spec
	env                         []string
	images, labels, annotations []string
	replicas                    int
	autoscaler                  string
	// atOnce says that the canary enters the route right after it is made: what
	// would be refused is refused then, and need not be rehearsed.
	atOnce  bool
	replace bool
	wait    bool
	timeout time.Duration
}

// NewCmdCreateCanary starts a canary beside the stable version.
func NewCmdCreateCanary(f *Factory) *cobra.Command {
	o := &createCanary{mutation: mutation{f: f}}
	cmd := &cobra.Command{
		Use:   "create-canary --image IMAGE",
		Short: "Start a canary beside the stable version, with no traffic yet",
		Long: `Start a canary beside the stable version, with no traffic yet.

The canary is a Deployment of its own, derived from the live stable one: the same
labels, probes, resources, volumes, service account and sidecars, with the new
image (in every container that has the application's), the label "version" and the
variable APP_VERSION, and without the labels by which tools such as Argo CD and
Helm track what is theirs. ConfigMaps, Secrets and
volume claims are shared with the stable version, not copied. What looks after the
number of the stable version's Pods (a HorizontalPodAutoscaler, KEDA's
ScaledObject, a PodDisruptionBudget) is copied for the canary, belongs to its
Deployment, and stays with it when it is promoted; a VerticalPodAutoscaler is not.
Without the right to do so (k8s/rbac/optional/autoscaling.yaml) the canary goes
without.

When its Pods are ready, the canary gets a subset in the DestinationRule and a
destination with weight 0 in the VirtualService, where they are missing. A canary
that cannot become ready is reported with its cause, stays for inspection, and
never enters the route. The same command run again changes nothing, or completes
what was interrupted.`,
		Example: `  # Two Pods of v2 beside the stable version
  canaryctl --ns default --app versioned-echo create-canary --image versioned-echo:v2 --replicas 2

  # The application is found by its route; the version is named by hand
  canaryctl create-canary --image registry.example/shop@sha256:4bc4... --version v2

  # Another setting beside the image, in one of several containers
  canaryctl create-canary --image shop:v3 --container web --set-env LOG_LEVEL=debug

  # Print what would be sent, checked by the API server
  canaryctl create-canary --image shop:v3 --dry-run=server`,
		Annotations: exits(),
		Args:        noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.complete(cmd); err != nil {
				return err
			}
			return o.run(cmd.Context())
		},
	}
	flags := cmd.Flags()
	o.addSpecFlags(flags)
	flags.BoolVar(&o.wait, "wait", true, "wait until the canary's Pods are ready")
	flags.DurationVar(&o.timeout, "timeout", 5*time.Minute, "longest wait for that")
	o.target.addFlags(flags)
	o.mutation.addFlags(flags)
	return cmd
}

// addSpecFlags defines the flags that say what the canary is.
func (o *createCanary) addSpecFlags(flags *pflag.FlagSet) {
	flags.StringVar(&o.spec.Image, "image", "", "image of the canary (required)")
	flags.IntVar(&o.replicas, "replicas", 0, "number of Pods (default: as many as the stable version asks for)")
	flags.StringVar(&o.spec.Version, "version", "", "name of the version (default: the image's tag, else the number after the stable version's)")
	flags.StringVar(&o.spec.Container, "container", "", "the application's container (default: the only one, the Pods' default container, or the one named as the application)")
	flags.StringArrayVar(&o.env, "set-env", nil, "NAME=VALUE to set in the application's container; may be repeated")
	flags.StringArrayVar(&o.images, "set-image", nil, "CONTAINER=IMAGE for another container; those with the application's image follow it by themselves; may be repeated")
	flags.StringArrayVar(&o.labels, "set-label", nil, "NAME=VALUE of a label for the canary's Deployment and its Pods, as a policy may ask for; may be repeated")
	flags.StringArrayVar(&o.annotations, "set-annotation", nil, "NAME=VALUE of an annotation for both; may be repeated")
	o.addAutoscalerFlag(flags)
	flags.BoolVar(&o.replace, "replace", false, "put the canary in the place of a different one, or of one that does not become ready; never of one that gets traffic")
}

// complete checks the command line, with nothing sent yet.
func (o *createCanary) complete(cmd *cobra.Command) error {
	if err := o.validate(); err != nil {
		return err
	}
	if o.spec.Image == "" {
		return hint.Wrap(usagef("create-canary needs --image"), "canaryctl create-canary --image versioned-echo:v2")
	}
	if cmd.Flags().Changed("replicas") {
		if o.replicas < 1 {
			return usagef("--replicas %d: a canary needs at least one Pod", o.replicas)
		}
		o.spec.Replicas = &o.replicas
	}
	if o.autoscaler != autoscalerCopy && o.autoscaler != autoscalerNone {
		return usagef("--autoscaler %s: say copy or none", o.autoscaler)
	}
	if o.timeout <= 0 {
		return usagef("--timeout %s: say how long to wait, or --wait=false", o.timeout)
	}
	for _, text := range o.env {
		env, err := workload.ParseEnv(text)
		if err != nil {
			return usagef("--set-env: %w", err)
		}
		o.spec.Env = append(o.spec.Env, env)
	}
	for _, given := range []struct {
		flag  string
		texts []string
		parse func(string) (string, string, error)
		into  *map[string]string
	}{
		{"set-image", o.images, workload.ParseContainerImage, &o.spec.Images},
		{"set-label", o.labels, workload.ParseLabel, &o.spec.Labels},
		{"set-annotation", o.annotations, workload.ParseAnnotation, &o.spec.Annotations},
	} {
		*given.into = make(map[string]string, len(given.texts))
		for _, text := range given.texts {
			name, value, err := given.parse(text)
			if err != nil {
				return usagef("--%s: %w", given.flag, err)
			}
			(*given.into)[name] = value
		}
	}
	if o.spec.Version == "" {
		return nil
	}
	if err := workload.ValidateVersion(o.spec.Version); err != nil {
		return usageError{err}
	}
	return nil
}

// run works in an order that answers no request with 503, and that can be cut
// short anywhere: the Deployment first, the route only when its Pods are ready.
// A weight of 0 would keep requests away from a subset without Pods as well; but
// a route that names a version which never worked is one command away from a
// 503, while a Deployment that is in no route hurts nobody. What is written is
// derived from the cluster each time, so a second attempt finds the first one's
// work done and goes on from there.
func (o *createCanary) run(ctx context.Context) error {
	p, err := o.plan(ctx)
	if err != nil {
		return err
	}
	if err := o.deploy(ctx, p); err != nil {
		return err
	}
	if err := o.inheritScaling(ctx, p); err != nil {
		return err
	}
	if err := o.ready(ctx, p); err != nil {
		return err
	}
	after, err := o.admit(ctx, p, traffic.Admission{Version: p.spec.Version})
	if err != nil {
		return err
	}
	o.conclude(p)
	return o.print(after)
}

// admit puts the canary into the route, in the place of another where it has one.
func (o *createCanary) admit(ctx context.Context, p *canaryPlan, a traffic.Admission) (traffic.Route, error) {
	route := p.route
	if p.displaced != "" {
		out := retirement{wait: o.wait, timeout: o.timeout}
		var err error
		if route, err = out.remove(ctx, &o.mutation, p.router, route, p.displaced); err != nil {
			return route, err
		}
	}
	return p.router.Admit(ctx, route, a, o.write())
}

func (o *createCanary) conclude(p *canaryPlan) {
	if o.changes == 0 {
		o.note("%s: %s is the canary already, as asked; nothing to change", p.route.Name, p.spec.Version)
		return
	}
	o.note("%s: %s is the canary, with no traffic yet", p.route.Name, p.spec.Version)
	if !o.dry() {
		which := ""
		if p.route.Apart != "" {
			which = fmt.Sprintf(" --vs %s --host %s", p.route.Name, p.route.Host)
		}
		o.note("give it some: canaryctl set-traffic 90 10%s", which)
	}
}
