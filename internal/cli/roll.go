package cli

import (
	"context"

	"github.com/canaryctl/canaryctl/internal/steer"
	"github.com/canaryctl/canaryctl/internal/traffic"
	"github.com/canaryctl/canaryctl/internal/workload"
)

// rollStable gives the stable Deployment the canary's template.
func rollStable(ctx context.Context, deployments workload.Deployments, route traffic.Route) error {
	versions, err := deployments.Versions(ctx)
	if err != nil {
		return err
	}
	place := route.Place()
	from, err := deployments.Pick(versions, place.Canary)
	if err != nil {
		return err
	}
	to, err := deployments.Pick(versions, place.Stable)
	if err != nil {
		return err
	}
	_, err = deployments.Roll(ctx, from.Deployment, to.Deployment, workload.Options{})
	return err
}

// unrollStable gives it back the template that it had.
func unrollStable(ctx context.Context, deployments workload.Deployments, route traffic.Route, o workload.Options) error {
	name, err := stableDeployment(ctx, deployments, route)
	if err != nil {
		return err
	}
	return deployments.Unroll(ctx, name, o)
}

// settleStable has it forget that.
func settleStable(ctx context.Context, deployments workload.Deployments, route traffic.Route) error {
	name, err := stableDeployment(ctx, deployments, route)
	if err != nil {
		return err
	}
	return deployments.Settle(ctx, name)
}

func stableDeployment(ctx context.Context, deployments workload.Deployments, route traffic.Route) (string, error) {
	versions, err := deployments.Versions(ctx)
	if err != nil {
		return "", err
	}
	stable, err := deployments.Pick(versions, route.Place().Stable)
	return stable.Deployment, err
}

// ended says what became of the release that a route was in until just now, and
// rolls the stable Deployment back where that was being rolled. By then the traffic
// is where it can be best, so that nothing of this is an error.
func (m *mutation) ended(ctx context.Context, router traffic.Router, before traffic.Route) {
	r := steer.Running(before)
	if r == nil {
		return
	}
	m.note("release %s is over: rolled back", r.ID)
	if !r.Rolling() {
		return
	}
	if err := m.unroll(ctx, router, before); err != nil {
		m.note("the stable Deployment was being rolled to the new version, and Kubernetes goes on with that; kubectl rollout undo takes it back: %v", err)
		return
	}
	m.note("the stable Deployment was being rolled to the new version, and has its old Pod template again")
}

func (m *mutation) unroll(ctx context.Context, router traffic.Router, route traffic.Route) error {
	deployments, err := m.f.Deployments(ctx, router, route)
	if err != nil {
		return err
	}
	w := m.write()
	return unrollStable(ctx, deployments, route, workload.Options{
		ServerDryRun: w.DryRun == traffic.DryRunServer, ClientDryRun: w.DryRun == traffic.DryRunClient, Show: w.Show,
	})
}
