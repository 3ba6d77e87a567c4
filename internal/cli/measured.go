package cli

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/metrics"
	"github.com/canaryctl/canaryctl/internal/traffic"
	"github.com/canaryctl/canaryctl/internal/workload"
)

// measured is a route as metrics know it: whose Pods are whose, and what a mesh calls
// them. Who may not see that gets the names that canaryctl itself gives.
func (f *Factory) measured(ctx context.Context, router traffic.Router, route traffic.Route) (metrics.Release, error) {
	backends, err := router.Backends(ctx, route, route.Versions()...)
	if err != nil {
		return unmeasured(f, route, err)
	}
	deployments, err := f.reached(route, backends)
	if err != nil {
		return metrics.Release{}, err
	}
	versions, err := deployments.Versions(ctx)
	if err != nil {
		return unmeasured(f, route, err)
	}
	return measuredAs(route, backends, versions), nil
}

func unmeasured(f *Factory, route traffic.Route, err error) (metrics.Release, error) {
	if !apierrors.IsForbidden(err) {
		return metrics.Release{}, err
	}
	fmt.Fprintf(f.Err, "the versions are taken to be the Deployments %s-VERSION, with the labels app and version: %v\n", route.App, err)
	return releaseOf(route), nil
}

func measuredAs(route traffic.Route, backends canary.Backends, versions []workload.Version) metrics.Release {
	r := releaseOf(route)
	r.Backends, r.Workloads = backends, map[string]metrics.Workload{}
	for _, v := range versions {
		if _, routed := backends.Find(v.Version); routed {
			r.Workloads[v.Version] = metrics.Workload{Deployment: v.Deployment, Label: v.Labels[workload.LabelVersion]}
		}
	}
	return r
}
