package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/metrics"
	"github.com/canaryctl/canaryctl/internal/provision"
	"github.com/canaryctl/canaryctl/internal/source"
	"github.com/canaryctl/canaryctl/internal/steer"
	"github.com/canaryctl/canaryctl/internal/traffic"
	"github.com/canaryctl/canaryctl/internal/workload"
)

// canaryPlan is what create-canary found and means to do. Making one changes
// nothing.
type canaryPlan struct {
	router      traffic.Router
	route       traffic.Route
	deployments workload.Deployments
	backends    canary.Backends
	named       bool // the version was named by us
	stable      workload.Version
	scaling     workload.Scaling // of the stable version
	spec        workload.Spec
	want        *unstructured.Unstructured
	live        *unstructured.Unstructured // nil: there is none yet
	differences []string                   // between want and live
	displaced   string                     // version that the canary takes the place of
}

// plan reads the cluster and refuses what cannot be done.
func (o *createCanary) plan(ctx context.Context) (*canaryPlan, error) {
	router, route, err := o.find(ctx, o.f, false)
	if err != nil {
		return nil, err
	}
	if err := provision.Supported(ctx, router, route); err != nil {
		return nil, err
	}
	p := &canaryPlan{router: router, route: route, spec: o.spec}
	p.spec.App = route.App
	var versions []workload.Version
	for _, step := range []func() error{
		func() error { return p.nameVersion() },
		func() (err error) { versions, err = p.find(ctx, o.f); return err },
		p.derive,
		func() error { return o.findScaling(ctx, p) },
		func() error { return o.compare(ctx, p, versions) },
		func() error { return p.check(o.replace) },
	} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	if o.atOnce {
		return p, nil
	}
	return p, p.rehearse(ctx)
}

// find finds the Deployments, and which of them is the stable version. A canary that was
// named by us gets another name where stable's Pods go by that already.
func (p *canaryPlan) find(ctx context.Context, f *Factory) (versions []workload.Version, err error) {
	for {
		p.backends, err = p.router.Backends(ctx, p.route, append(p.route.Versions(), p.spec.Version)...)
		if err != nil {
			return nil, err
		}
		p.spec.Stable, _ = p.backends.Find(p.route.Stable)
		p.spec.Canary, _ = p.backends.Find(p.spec.Version)
		if p.deployments, err = f.reached(p.route, p.backends); err != nil {
			return nil, err
		}
		if versions == nil {
			if versions, err = p.deployments.Versions(ctx); err != nil {
				return nil, err
			}
			if p.stable, err = p.deployments.Pick(versions, p.route.Stable); err != nil {
				if why := p.deployments.Explain(ctx, p.route.Stable); why != nil {
					err = why
				}
				return nil, fmt.Errorf("find the stable version of %s, which %s calls %s: %w", p.spec.App, p.route, p.route.Stable, err)
			}
		}
		label := p.stable.Labels[workload.LabelVersion]
		if label != p.spec.Version {
			return versions, nil
		}
		if !p.named {
			return nil, isStable(p.spec.Version)
		}
		p.spec.Version = ""
		if err := p.nameVersion(label); err != nil {
			return nil, err
		}
	}
}

func isStable(version string) error {
	return hint.Wrap(usagef("create canary %s: that is the stable version", version), "name another with --version")
}

// role is the name of a version that the route waits for, where that says no version: a
// route by roles, primary and canary say, has the same two names for ever.
func role(route traffic.Route) string {
	if route.Position != nil || route.Weights.Canary > 0 || strings.ContainsAny(route.Canary, "0123456789") {
		return ""
	}
	return route.Canary
}

func (p *canaryPlan) nameVersion(taken ...string) (err error) {
	if p.spec.Version == "" {
		p.named, p.spec.Version = true, role(p.route)
	}
	if p.spec.Version == "" {
		p.spec.Version, err = workload.PickVersion(p.spec.Image, p.route.Stable, append(taken, p.route.Previous())...)
		if err != nil {
			return usageError{err}
		}
	}
	switch p.spec.Version {
	case p.route.Stable:
		return isStable(p.spec.Version)
	case p.route.Previous():
		return hint.Wrap(usagef("create canary %s: that version was stable before %s and is kept for a late rollback", p.spec.Version, p.route.Stable),
			"name another with --version, or remove the old one first: canaryctl delete-canary --version %s", p.spec.Version)
	}
	return workload.ValidateVersion(p.spec.Version)
}

func (p *canaryPlan) derive() (err error) {
	if p.spec.Replicas == nil && p.stable.Desired == 0 {
		return hint.Wrap(usagef("create canary %s: the stable version %s is scaled to no Pods, so there is no number to follow", p.spec.Version, p.stable.Version),
			"say how many with --replicas")
	}
	p.want, err = workload.Derive(p.stable.Object, p.spec)
	return err
}

// measured is the release as metrics will know it.
func (p *canaryPlan) measured() metrics.Release {
	route := p.route
	route.Canary = p.spec.Version
	pods, _, _ := unstructured.NestedStringMap(p.want.Object, "spec", "template", "metadata", "labels")
	made := workload.Version{Version: p.spec.Version, Deployment: p.want.GetName(), Labels: pods}
	return source.Found(route, p.backends, []workload.Version{p.stable, made})
}

// compare finds the Deployment of that name, if there is one. Where nothing is
// rehearsed those of the application do: another's of that name has the creation
// refused.
func (o *createCanary) compare(ctx context.Context, p *canaryPlan, versions []workload.Version) (err error) {
	if i := slices.IndexFunc(versions, func(v workload.Version) bool { return v.Deployment == p.want.GetName() }); i >= 0 {
		p.live = versions[i].Object
	} else if !o.atOnce {
		ctx, cancel := context.WithTimeout(ctx, o.timeout)
		defer cancel()
		p.live, err = p.deployments.Live(ctx, p.want.GetName())
	}
	if err != nil || p.live == nil {
		return err
	}
	ours := slices.ContainsFunc(versions, func(v workload.Version) bool { return v.Deployment == p.live.GetName() })
	if app := p.live.GetLabels()[workload.LabelApp]; app != p.spec.App && !ours {
		return hint.Wrap(fmt.Errorf("create canary %s: Deployment %s: %w: it belongs to application %q", p.spec.Version, p.live.GetName(), workload.ErrExists, app),
			"name another version with --version")
	}
	asked := p.spec
	if p.scaling.Autoscaled(p.live.GetName()) {
		asked.Replicas = nil // what was asked for was where it began
	}
	p.differences = workload.Differences(p.want, p.live, asked)
	return nil
}

// check refuses to touch another canary unasked, and one with traffic at all.
func (p *canaryPlan) check(replace bool) error {
	if p.route.Canary != p.spec.Version && p.route.Position != nil {
		p.displaced = p.route.Position.Canary
	}
	if err := p.unreleased(); err != nil {
		return err
	}
	serving := p.route.Canary != "" && p.route.Weights.Canary > 0
	switch {
	case p.displaced != "" && !replace:
		return hint.Wrap(fmt.Errorf("create canary %s: %s: %w: %s", p.spec.Version, p.route, traffic.ErrOtherCanary, p.displaced),
			"--replace puts %s in its place; or finish that one first: canaryctl promote, or canaryctl delete-canary", p.spec.Version)
	case len(p.differences) > 0 && !replace:
		return hint.Wrap(fmt.Errorf("create canary %s: Deployment %s: %w:\n  %s", p.spec.Version, p.want.GetName(), workload.ErrExists, strings.Join(p.differences, "\n  ")),
			"--replace starts it afresh; --version gives the new one a name of its own")
	case serving && (p.displaced != "" || len(p.differences) > 0):
		return hint.Wrap(fmt.Errorf("create canary %s: %w: %s gets %s%%", p.spec.Version, traffic.ErrServing, p.route.Canary, p.route.Weights.Canary),
			"take it away first: canaryctl rollback; nothing was changed")
	}
	return nil
}

// unreleased refuses to change what a release in progress is about. To create its
// very canary changes nothing, or completes it.
func (p *canaryPlan) unreleased() error {
	r := steer.Running(p.route)
	if r == nil || p.route.Canary == p.spec.Version && len(p.differences) == 0 {
		return nil
	}
	return hint.Wrap(fmt.Errorf("create canary %s: %s: %w: %s, of %s", p.spec.Version, p.route, steer.ErrInProgress, r.ID, orDash(p.route.Canary)),
		"end that one first: canaryctl abort, which removes its canary, or canaryctl rollback, which keeps it; nothing was changed")
}

// rehearse has the API server check what comes last before anything is created:
// a route that will not take the canary, or a permission that is missing, shows
// here and not when the Pods are up.
func (p *canaryPlan) rehearse(ctx context.Context) (err error) {
	w := traffic.Write{DryRun: traffic.DryRunServer}
	switch {
	case p.displaced != "": // the route takes the new one only once the old one is gone
		_, err = p.router.Dismiss(ctx, p.route, p.displaced, w)
	case p.live == nil || len(p.differences) > 0:
		_, err = p.router.Admit(ctx, p.route, traffic.Admission{Version: p.spec.Version}, w)
	}
	return err
}
