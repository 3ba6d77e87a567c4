package workload

import (
	"context"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/kube"
)

// holder is what runs Pods.
type holder struct{ kind, name string }

// Explain says why the Pods of a version, where there are any, are no Deployment's:
// something else runs them. It returns nil where it knows no reason; what may not be
// read is left out, for this is a courtesy.
func (d Deployments) Explain(ctx context.Context, version string) error {
	backend, ok := d.backends.Find(version)
	if !ok || len(backend.Selector()) == 0 {
		return nil
	}
	h, ok := d.holderOf(ctx, labels.SelectorFromSet(backend.Selector()))
	if !ok {
		return nil
	}
	err := fmt.Errorf("%s %s/%s runs the Pods of %s, and a canary of that kind %w", h.kind, d.namespace, h.name, version, ErrUnsupported)
	if h.kind == "Rollout" {
		return hint.Wrap(err, "move its traffic with: kubectl argo rollouts promote|abort %s -n %s", h.name, d.namespace)
	}
	return hint.Wrap(err, "create-canary and release copy a Deployment: run %s as one; a canary that is made by hand gets traffic with canaryctl set-traffic", d.app)
}

// Beside is an error where something that is no Deployment runs Pods that a Service with
// such a selector selects, too, or the Pods of this Deployment. Like Explain, it leaves
// out what may not be read.
func (d Deployments) Beside(ctx context.Context, deployment string, selector map[string]string) error {
	by := labels.SelectorFromSet(selector)
	for _, kind := range controllers {
		for _, o := range d.templates(ctx, kind.resource, by) {
			if replicas, said, _ := unstructured.NestedInt64(o.Object, "spec", "replicas"); !said || replicas > 0 {
				return hint.Wrap(fmt.Errorf("%s %s/%s runs Pods beside those of %s, and would get no request once a version is named: that %w", kind.name, d.namespace, o.GetName(), d.ref(deployment), ErrUnsupported),
					"a version is one Deployment: take the others out of the Service's selector, or scale them to 0; nothing was changed")
			}
		}
	}
	rollouts, err := d.client.Resource(kube.Rollouts()).Namespace(d.namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil //nolint:nilerr // it may not be allowed: then do without
	}
	for _, o := range rollouts.Items {
		kind, _, _ := unstructured.NestedString(o.Object, "spec", "workloadRef", "kind")
		if name, _, _ := unstructured.NestedString(o.Object, "spec", "workloadRef", "name"); kind == "Deployment" && name == deployment {
			return hint.Wrap(fmt.Errorf("%s %s/%s runs the Pods of %s, and a canary of that kind %w", o.GetKind(), d.namespace, o.GetName(), d.ref(deployment), ErrUnsupported),
				"move its traffic with: kubectl argo rollouts promote|abort %s -n %s", o.GetName(), d.namespace)
		}
	}
	return nil
}

// controllers are the kinds that commonly run Pods, besides Deployments.
var controllers = []struct {
	name     string
	resource schema.GroupVersionResource
}{{"StatefulSet", kube.StatefulSets()}, {"DaemonSet", kube.DaemonSets()}, {"Rollout", kube.Rollouts()}}

// holderOf finds what runs the Pods: by the Pods themselves, whatever kind that is,
// and where there are none, among the kinds that are common.
func (d Deployments) holderOf(ctx context.Context, by labels.Selector) (holder, bool) {
	pods, err := d.client.Resource(kube.Pods()).Namespace(d.namespace).List(ctx, metav1.ListOptions{LabelSelector: by.String()})
	if err == nil {
		for i := range pods.Items {
			if h, ok := d.controller(ctx, &pods.Items[i]); ok {
				return h, true
			}
		}
	}
	for _, kind := range controllers {
		if found := d.templates(ctx, kind.resource, by); len(found) > 0 {
			return holder{kind.name, found[0].GetName()}, true
		}
	}
	return holder{}, false
}

// controller is what controls a Pod; of a ReplicaSet, what controls that. A
// Deployment is no answer here.
func (d Deployments) controller(ctx context.Context, pod *unstructured.Unstructured) (holder, bool) {
	ref := metav1.GetControllerOf(pod)
	if ref == nil {
		return holder{}, false
	}
	h := holder{ref.Kind, ref.Name}
	if ref.Kind == "ReplicaSet" {
		sets, err := d.client.Resource(kube.ReplicaSets()).Namespace(d.namespace).List(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + ref.Name})
		if err != nil || len(sets.Items) == 0 { // gone, as what owned it may be: its Pods end
			return holder{}, false
		}
		for i := range sets.Items {
			if above := metav1.GetControllerOf(&sets.Items[i]); above != nil {
				h = holder{above.Kind, above.Name}
			}
		}
	}
	return h, h.kind != "Deployment"
}

// templates are the live objects of a resource whose Pods the selector selects.
func (d Deployments) templates(ctx context.Context, resource schema.GroupVersionResource, by labels.Selector) []unstructured.Unstructured {
	list, err := d.client.Resource(resource).Namespace(d.namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil
	}
	return slices.DeleteFunc(list.Items, func(o unstructured.Unstructured) bool {
		of, _, _ := unstructured.NestedStringMap(o.Object, "spec", "template", "metadata", "labels")
		return o.GetDeletionTimestamp() != nil || !by.Matches(labels.Set(of))
	})
}
