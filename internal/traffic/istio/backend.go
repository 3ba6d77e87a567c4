package istio

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

// Backends are what the host's Service selects, narrowed by the labels of each version's
// subset; of a version that has none, by those that Admit would give it. Without a
// Service, the label "app" stands for it, and without a DestinationRule the label
// "version" for a subset.
func (r *Router) Backends(ctx context.Context, route traffic.Route, versions ...string) (canary.Backends, error) {
	service, err := r.serviceSelector(ctx, route)
	if err != nil {
		return nil, err
	}
	var s subsets
	dr, err := r.ruleAtHand(ctx, route)
	switch {
	case err == nil:
		s = subsetsOf(dr)
	case !errors.Is(err, errNoRule):
		return nil, err
	}
	var all canary.Backends
	for _, version := range versions {
		labels, ok := s.labels(version)
		if !ok {
			stable, _ := s.labels(route.Stable)
			labels = subsetLabels(stable, route.Stable, version)
		}
		all = append(all, canary.Backend{Version: version, Service: service, Subset: labels})
	}
	return all, nil
}

func (r *Router) serviceSelector(ctx context.Context, route traffic.Route) (map[string]string, error) {
	service, err := r.serviceAtHand(ctx, route)
	switch {
	case apierrors.IsNotFound(err):
	case err != nil:
		return nil, fmt.Errorf("read the Service of host %s in namespace %s: %w", route.Host, route.Namespace, err)
	default:
		if s, _, _ := unstructured.NestedStringMap(service.Object, "spec", "selector"); len(s) > 0 {
			return s, nil
		}
	}
	return map[string]string{"app": route.App}, nil
}
