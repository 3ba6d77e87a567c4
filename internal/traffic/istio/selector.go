package istio

import (
	"context"
	"errors"
	"fmt"
	"maps"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/canaryctl/canaryctl/internal/kube"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

// Selector is what the host's Service selects, narrowed by the subset's labels.
// Without a DestinationRule or a Service it falls back on the labels "app" and
// "version".
func (r *Router) Selector(ctx context.Context, route traffic.Route, version string) (map[string]string, error) {
	selector := map[string]string{"app": route.App}
	name := short(canonical(route.Host, route.Namespace))
	service, err := r.client.Resource(kube.Services()).Namespace(route.Namespace).Get(ctx, name, metav1.GetOptions{})
	switch {
	case err == nil:
		if s, found, _ := unstructured.NestedStringMap(service.Object, "spec", "selector"); found {
			selector = s
		}
	case !apierrors.IsNotFound(err):
		return nil, fmt.Errorf("read Service %s/%s: %w", route.Namespace, name, err)
	}
	dr, err := r.ruleFor(ctx, route)
	if errors.Is(err, errNoRule) {
		selector["version"] = version
		return selector, nil
	}
	if err != nil {
		return nil, err
	}
	labels, ok := subsetsOf(dr).labels(version)
	if !ok {
		labels = map[string]string{"version": version}
	}
	maps.Copy(selector, labels)
	return selector, nil
}
