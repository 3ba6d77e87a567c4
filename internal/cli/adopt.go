package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/canaryctl/canaryctl/internal/adopt"
	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/traffic"
	"github.com/canaryctl/canaryctl/internal/workload"
)

type adoption struct {
	target
	mutation
	version string
	undo    bool
	yes     bool
	settle  time.Duration
	timeout time.Duration
}

// NewCmdAdopt makes a plain Deployment, Service and route ready for releases.
func NewCmdAdopt(f *Factory) *cobra.Command {
	o := &adoption{mutation: mutation{f: f}}
	cmd := &cobra.Command{
		Use:   "adopt",
		Short: "Make a plain Deployment, Service and route ready for releases",
		Long: `Make a plain Deployment, Service and route ready for releases: give the version that
runs a name, by which requests are sent to it and to no other.

It shows what is there, what is missing, and what each change costs; asks; and then
changes, in an order in which every request finds Pods:

  1. the Deployment's Pods get the label "version", where nothing tells them from a
     canary's: they are replaced once, by the Deployment's own strategy. Its selector
     stays as it is.
  2. a DestinationRule gets a subset that selects them; one is made where there is none.
  3. all destinations of VirtualServices that send to the Service and name no subset
     name that one; a VirtualService is made where none sends to it.

Between two of these it waits until the first is in effect. What is there already is
left alone, and nothing else of an object is changed. What was changed is recorded on
the objects; --undo puts them back, and removes those that were made. Both may be cut
short anywhere: the same command goes on from there.

Where Argo CD, Flux or Helm apply the objects, they need the same changes: suspend
them, adopt, commit what -o yaml prints, and let them go on.`,
		Example: `  # What would be changed, and what does it cost?
  canaryctl -n shop adopt --dry-run=client

  # The only Service of the namespace, or one by its name; the version is the image's tag
  canaryctl -n shop adopt
  canaryctl -n shop adopt --host cart --version v7

  # The objects as they have to be, for Git
  canaryctl -n shop adopt --dry-run=client -o yaml

  # Put everything back
  canaryctl -n shop adopt --undo`,
		Annotations: exits(),
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
	flags.Lookup("vs").Usage = "VirtualService that sends to the Service, whose name then need not be said"
	flags.Lookup("host").Usage = "Service, short or fully qualified (default: the only one)"
	o.mutation.addFlags(flags)
	flags.Lookup("output").Usage = "print the objects that were changed, or in a dry run would be, as for Git: json, yaml or name"
	flags.StringVar(&o.version, "version", "", "name of the version that runs (default: as routes, subsets or Pods call it, else the image's tag, else v1)")
	flags.BoolVar(&o.undo, "undo", false, "put back what adopt changed, and remove what it made")
	flags.BoolVarP(&o.yes, "yes", "y", false, "do not ask")
	flags.DurationVar(&o.settle, "settle", 2*time.Second, "how long a change takes at most until all proxies know it; waited after each")
	flags.DurationVar(&o.timeout, "timeout", 10*time.Minute, "longest wait for Pods that are replaced")
	return cmd
}

func (o *adoption) check() error {
	if err := o.validate(); err != nil {
		return err
	}
	switch {
	case o.undo && o.version != "":
		return usagef("--undo knows the version: leave --version out")
	case o.settle < 0:
		return usagef("--settle %s: a duration cannot be negative", o.settle)
	case o.timeout <= 0:
		return usagef("--timeout %s: say how long to wait", o.timeout)
	case o.version != "":
		if err := workload.ValidateVersion(o.version); err != nil {
			return usageError{err}
		}
	}
	return nil
}

func (o *adoption) run(ctx context.Context) error {
	router, s, pods, err := o.look(ctx)
	if err != nil {
		return err
	}
	p, err := o.plan(ctx, s, pods)
	if err != nil {
		return err
	}
	if len(p.Changes) == 0 {
		o.nothing(p)
		return o.printObjects(adopt.Adopted(s))
	}
	fmt.Fprint(o.f.Err, planned(p))
	if !o.yes && !o.dry() {
		if err := o.confirm(ctx, p); err != nil {
			return err
		}
	}
	progress := newScreen(o.f.Err)
	changed, err := adopt.Runner{
		Router: router, Pods: pods, Clock: o.f.Clock, Settle: o.settle, Timeout: o.timeout, Write: o.writeOne, Tell: o.note,
		Progress: func(now workload.Progress) { progress.show(replacing(now)) },
	}.Run(ctx, p, s.Survey)
	if err != nil {
		return o.halfway(err, p.Namespace, len(changed))
	}
	o.conclude(p)
	return o.printObjects(changed)
}

// look reads what there is.
func (o *adoption) look(ctx context.Context) (traffic.Adopter, adopt.Situation, workload.Deployments, error) {
	s, pods := adopt.Situation{Version: o.version}, workload.Deployments{}
	namespace, err := o.f.Namespace()
	if err != nil {
		return nil, s, pods, err
	}
	all, err := o.f.Router()
	if err != nil {
		return nil, s, pods, err
	}
	router, ok := all.(traffic.Adopter)
	if !ok {
		return nil, s, pods, fmt.Errorf("adopt: a route of this kind %w", traffic.ErrUnsupported)
	}
	s.Survey, err = router.Survey(ctx, traffic.Query{Namespace: namespace, Route: o.vs, Host: o.host, App: o.f.App()})
	if err != nil {
		return nil, s, pods, err
	}
	route := traffic.Route{Namespace: s.Survey.Namespace, App: s.Survey.Host}
	pods, err = o.f.reached(route, canary.Backends{{Version: s.Survey.Host, Service: s.Survey.Selector}})
	if err != nil {
		return nil, s, pods, err
	}
	s.Deployments, err = pods.Behind(ctx, s.Survey.Selector)
	return router, s, pods, err
}

// plan decides what is to be done. What else runs the Pods, and what scales them, is
// looked up only where that matters.
func (o *adoption) plan(ctx context.Context, s adopt.Situation, pods workload.Deployments) (adopt.Plan, error) {
	if o.undo {
		return adopt.Back(s)
	}
	p, err := adopt.Bring(s)
	if errors.Is(err, adopt.ErrNoVersion) && len(s.Deployments) == 0 {
		if why := pods.Explain(ctx, s.Survey.Host); why != nil {
			return p, why
		}
	}
	if err != nil || len(p.Changes) == 0 {
		return p, err
	}
	if err := pods.Beside(ctx, p.Deployment.Deployment, s.Survey.Selector); err != nil {
		return p, fmt.Errorf("adopt %s: %w", p.Host, err)
	}
	if p.Rolls() {
		scaling, failed := pods.Scaling(ctx, p.Deployment)
		if s.Autoscaled = failed == nil && len(scaling.Autoscalers) > 0; s.Autoscaled {
			return adopt.Bring(s)
		}
	}
	return p, nil
}

// writeOne is how the next write is made. In a dry run with -o the objects are the
// output, and not the patches.
func (o *adoption) writeOne() traffic.Write {
	w := o.write()
	if o.dry() && o.output != "" {
		w.Show = func(string, string, string, []byte) { o.changes++ }
	}
	return w
}

// replacing says how far a roll is: old Pods and new ones are ready beside one another.
func replacing(now workload.Progress) string {
	switch {
	case now.Ready == now.Desired && now.Doing == "":
		return now.String()
	case now.Doing == "":
		return now.Deployment + ": its Pods are being replaced"
	}
	return fmt.Sprintf("%s: its Pods are being replaced (a new one: %s)", now.Deployment, now.Doing)
}

func (o *adoption) nothing(p adopt.Plan) {
	if p.Undo {
		o.note("%s: nothing of it was changed by adopt; nothing to undo", p.Host)
		return
	}
	o.note("%s: Deployment %s is version %s, and all is there that a release needs; nothing to do", p.Host, p.Deployment.Deployment, p.Version)
}

func (o *adoption) confirm(ctx context.Context, p adopt.Plan) error {
	doing := "adopt"
	if p.Undo {
		doing = "undo adopt of"
	}
	unconfirmed := fmt.Errorf("%s %s: %w", doing, p.Host, errUnconfirmed)
	if !o.f.Interactive() {
		return hint.Wrap(unconfirmed, "--yes does the above; nothing was changed")
	}
	fmt.Fprintf(o.f.Err, "Do that? [y/N] ")
	answer, err := readLine(ctx, o.f.In)
	if err != nil {
		return err
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return hint.Wrap(unconfirmed, "nothing was changed")
}

// halfway says that what was done so far harms nobody.
func (o *adoption) halfway(err error, namespace string, done int) error {
	if done > 0 && !o.dry() {
		o.note("what was done so far answers every request; the same command goes on from there, and canaryctl adopt --undo puts it back")
	}
	if apierrors.IsForbidden(err) && hint.Of(err) == "" {
		return hint.Wrap(err, "grant what k8s/rbac/optional/adopt.yaml holds: kubectl -n %s apply -f k8s/rbac/optional/adopt.yaml", namespace)
	}
	return err
}

func (o *adoption) conclude(p adopt.Plan) {
	if p.Undo {
		o.note("%s: as it was before adopt", p.Host)
		return
	}
	o.note("%s: Deployment %s is version %s, which gets all requests", p.Host, p.Deployment.Deployment, p.Version)
	if keepers := p.Keepers(); len(keepers) > 0 {
		o.note("%s applies these objects, and takes this back unless it is told: commit what canaryctl adopt -o yaml prints", strings.Join(keepers, " and "))
	}
	if !o.dry() {
		o.note("release the next one: canaryctl release -n %s --host %s --image IMAGE", p.Namespace, p.Host)
	}
}
