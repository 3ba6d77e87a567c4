package adopt

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/clock"

	"github.com/canaryctl/canaryctl/internal/traffic"
	"github.com/canaryctl/canaryctl/internal/workload"
)

// Pods gives a Deployment's Pods labels, and takes them back.
type Pods interface {
	Label(ctx context.Context, name, host, version string, more map[string]string, o workload.Options) (*unstructured.Unstructured, error)
	Unlabel(ctx context.Context, name, host string, o workload.Options) (*unstructured.Unstructured, error)
	// Bear is an error where a Deployment's Pods have not all of some labels.
	Bear(ctx context.Context, name string, all map[string]string) error
	WaitReady(ctx context.Context, name string, timeout time.Duration, report func(workload.Progress)) error
}

// Runner does what a plan says. Cut short anywhere, a plan that is made anew of what is
// there then ends where this one would have.
type Runner struct {
	Router traffic.Adopter
	Pods   Pods
	Clock  clock.Clock
	// Settle is how long a write takes at most to be in effect everywhere, and is waited
	// for between two: Istio merges what changes within 100 ms, and a proxy that knows the
	// route and not yet its subset answers with 503.
	Settle time.Duration
	// Timeout is the longest wait for rolled Pods.
	Timeout time.Duration
	Write   func() traffic.Write // how the next write is made
	// Tell is told what was done; Progress how far a roll is.
	Tell     func(format string, args ...any)
	Progress func(workload.Progress)
}

// Run returns the objects that were changed, as they are then.
func (r Runner) Run(ctx context.Context, p Plan, s traffic.Survey) ([]traffic.Object, error) {
	var changed []traffic.Object
	if p.Begun {
		if err := r.settle(ctx); err != nil {
			return nil, err
		}
	}
	waited := p.Undo
	for _, c := range p.Changes {
		if c.Kind != Labels && !waited { // those of an attempt that was cut short may not be up yet
			waited = true
			if err := r.ready(ctx, p.Deployment.Deployment); err != nil {
				return changed, err
			}
		}
		if err := r.borne(ctx, p, c); err != nil {
			return changed, err
		}
		after, err := r.do(ctx, p, c, s)
		if err != nil {
			return changed, err
		}
		changed = append(changed, after)
		r.tell(p, c, after)
		if c.Kind == Labels {
			waited = true
			if err := r.ready(ctx, c.Name); err != nil {
				return changed, err
			}
		}
		if err := r.settle(ctx); err != nil {
			return changed, err
		}
	}
	return changed, nil
}

// do makes one write.
func (r Runner) do(ctx context.Context, p Plan, c Change, s traffic.Survey) (traffic.Object, error) {
	w := r.Write()
	switch {
	case c.Kind == Labels:
		o := workload.Options{ServerDryRun: w.DryRun == traffic.DryRunServer, ClientDryRun: w.DryRun == traffic.DryRunClient, Show: w.Show}
		var after *unstructured.Unstructured
		var err error
		if p.Undo {
			after, err = r.Pods.Unlabel(ctx, c.Name, s.Canonical, o)
		} else {
			after, err = r.Pods.Label(ctx, c.Name, s.Canonical, p.Version, c.Labels, o)
		}
		if err != nil {
			return traffic.Object{}, err
		}
		return traffic.Object{Kind: "Deployment", Name: c.Name, Body: after.Object}, nil
	case c.Kind == Subset && p.Undo:
		return r.Router.Undefine(ctx, s, c.Name, w)
	case c.Kind == Subset:
		return r.Router.Define(ctx, s, p.Version, c.Labels, w)
	case p.Undo:
		return r.Router.Unname(ctx, s, c.Name, w)
	}
	return r.Router.Name(ctx, s, c.Name, p.Version, w)
}

func (r Runner) tell(p Plan, c Change, after traffic.Object) {
	what := after.Kind + " " + after.Name
	switch {
	case after.Gone:
		r.Tell("%s: deleted", what)
	case p.Undo && after.Left != "":
		r.Tell("%s: put back, but %s", what, after.Left)
	case p.Undo:
		r.Tell("%s: put back", what)
	case c.Name == "":
		r.Tell("%s: made, with %s", what, c.What)
	default:
		r.Tell("%s: %s", what, c.What)
	}
}

// ready waits until a Deployment has rolled all its Pods, and nothing of the old ones is
// left.
func (r Runner) ready(ctx context.Context, deployment string) error {
	if r.Write().DryRun != traffic.DryRunNone {
		return nil
	}
	return r.Pods.WaitReady(ctx, deployment, r.Timeout, r.Progress)
}

// borne is an error where what a write is about has no Pods: somebody took the labels
// back, as a tool does that applies the Deployment from Git.
func (r Runner) borne(ctx context.Context, p Plan, c Change) error {
	if p.Undo || c.Kind == Labels || r.Write().DryRun != traffic.DryRunNone {
		return nil
	}
	return r.Pods.Bear(ctx, p.Deployment.Deployment, p.Told)
}

// settle waits until the last write is in effect.
func (r Runner) settle(ctx context.Context) error {
	if r.Write().DryRun != traffic.DryRunNone {
		return nil
	}
	select {
	case <-r.Clock.After(r.Settle):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
