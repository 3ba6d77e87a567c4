package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/kube"
	"github.com/canaryctl/canaryctl/internal/provision"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

// errNoReadyPod marks a version that could not answer.
var errNoReadyPod = errors.New("has no ready Pod")

// canAnswer returns an error unless a Pod of the version is ready: traffic for
// it would be answered with 503.
func canAnswer(ctx context.Context, f *Factory, router traffic.Router, route traffic.Route, version string) error {
	backends, err := router.Backends(ctx, route, version)
	if err != nil {
		return err
	}
	backend := backends[0]
	selector := backend.Selector()
	client, err := f.Dynamic()
	if err != nil {
		return err
	}
	list, err := client.Resource(kube.Pods()).Namespace(route.Namespace).List(ctx, metav1.ListOptions{LabelSelector: labels.Set(selector).String()})
	if err != nil {
		return fmt.Errorf("list the Pods of %s in namespace %s: %w", version, route.Namespace, err)
	}
	for _, pod := range list.Items {
		if ready(pod) && backend.Selects(pod.GetLabels()) {
			return nil
		}
	}
	if err := router.Owned(ctx, route); err != nil {
		return err
	}
	if route.Elsewhere != "" {
		return hint.Wrap(fmt.Errorf("send traffic to %s: %w", version, provision.Elsewhere(route)),
			"kubectl get pods -n %s shows whether they are ready; --force sends it all the same", route.Elsewhere)
	}
	return hint.Wrap(fmt.Errorf("send traffic to %s: version %s %w (of %d with the labels %s)", version, version, errNoReadyPod, len(list.Items), labels.Set(selector)),
		"kubectl get pods -n %s -l %s shows why; --force sends it all the same", route.Namespace, labels.Set(selector))
}

// serviceOf is the name of the Service behind a route's host, "" where that is not
// in the route's namespace, or no Service at all.
func serviceOf(route traffic.Route) string {
	name, domain, _ := strings.Cut(route.Host, ".")
	if namespace, _, _ := strings.Cut(domain, "."); namespace != "" && namespace != route.Namespace {
		return ""
	}
	return name
}

func ready(pod unstructured.Unstructured) bool {
	if pod.GetDeletionTimestamp() != nil {
		return false
	}
	conditions, _, _ := unstructured.NestedSlice(pod.Object, "status", "conditions")
	for _, c := range conditions {
		if m, ok := c.(map[string]any); ok && m["type"] == "Ready" {
			return m["status"] == "True"
		}
	}
	return false
}
