package source

import (
	"context"
	"strings"

	"k8s.io/client-go/dynamic"
	"k8s.io/utils/clock"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/metrics"
	"github.com/canaryctl/canaryctl/internal/traffic"
	"github.com/canaryctl/canaryctl/internal/workload"
)

// Named is a release as metrics know it by the names alone that canaryctl itself gives:
// Deployments APP-VERSION, with the labels app and version.
func Named(route traffic.Route) metrics.Release {
	service, _, _ := strings.Cut(route.Host, ".")
	return metrics.Release{
		Namespace: route.Namespace, App: route.App, Service: service,
		Stable: route.Stable, Canary: route.Canary,
	}
}

// Found is a release as metrics know it: whose Pods are whose, and what a mesh calls
// them.
func Found(route traffic.Route, backends canary.Backends, versions []workload.Version) metrics.Release {
	r := Named(route)
	r.Backends, r.Workloads = backends, map[string]metrics.Workload{}
	for _, v := range versions {
		if _, routed := backends.Find(v.Version); routed {
			r.Workloads[v.Version] = metrics.Workload{Deployment: v.Deployment, Label: v.Labels[workload.LabelVersion]}
		}
	}
	return r
}

// Find looks that up in the cluster. Errors are those of the router and of the API
// server; who may not see the Deployments has the names.
func Find(ctx context.Context, client dynamic.Interface, clock clock.WithTicker, router traffic.Router, route traffic.Route) (metrics.Release, error) {
	backends, err := router.Backends(ctx, route, route.Versions()...)
	if err != nil {
		return metrics.Release{}, err
	}
	deployments := workload.New(workload.Config{Client: client, Namespace: route.Namespace, App: route.App, Backends: backends, Clock: clock})
	versions, err := deployments.Versions(ctx)
	if err != nil {
		return metrics.Release{}, err
	}
	return Found(route, backends, versions), nil
}
