package workload

import (
	"context"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/kube"
)

// holder is what runs Pods.
type holder struct{ kind, name string }

// Explain says why the Pods of a version, to which requests find their way by the
// selector, are no Deployment's of the application: something else runs them, or a
// Deployment that lacks a label. It returns nil where it knows no reason; what may
// not be read is left out, for this is a courtesy.
func (d Deployments) Explain(ctx context.Context, app, version string, selector map[string]string) error {
	if len(selector) == 0 {
		return nil // which is every Pod
	}
	by := labels.SelectorFromSet(selector)
	if deployments := d.templates(ctx, kube.Deployments(), by); len(deployments) == 1 {
		return d.unlabelled(&deployments[0], app, version)
	}
	h, ok := d.holderOf(ctx, by)
	if !ok {
		return nil
	}
	err := fmt.Errorf("%s %s/%s runs the Pods of %s, and a canary of that kind %w", h.kind, d.namespace, h.name, version, ErrUnsupported)
	if h.kind == "Rollout" {
		return hint.Wrap(err, "move its traffic with: kubectl argo rollouts promote|abort %s -n %s", h.name, d.namespace)
	}
	return hint.Wrap(err, "create-canary and release copy a Deployment: run %s as one; a canary that is made by hand gets traffic with canaryctl set-traffic", app)
}

// unlabelled explains which labels a Deployment lacks.
func (d Deployments) unlabelled(deployment *unstructured.Unstructured, app, version string) error {
	has := deployment.GetLabels()
	var lacks []string
	if has[LabelApp] != app {
		lacks = append(lacks, LabelApp+"="+app)
	}
	if versionOf(deployment) == "" {
		lacks = append(lacks, LabelVersion+"="+version)
	}
	if len(lacks) == 0 {
		return nil
	}
	overwrite := ""
	if has[LabelApp] != "" && has[LabelApp] != app {
		overwrite = " --overwrite"
	}
	return hint.Wrap(fmt.Errorf("%w: %s runs its Pods, and lacks the label %s", ErrNotFound, d.ref(deployment.GetName()), strings.Join(lacks, " and ")),
		"label the Deployment itself, which restarts no Pod: kubectl -n %s label deployment %s %s%s", d.namespace, deployment.GetName(), strings.Join(lacks, " "), overwrite)
}

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
	for _, kind := range []struct {
		name     string
		resource schema.GroupVersionResource
	}{{"StatefulSet", kube.StatefulSets()}, {"DaemonSet", kube.DaemonSets()}, {"Rollout", kube.Rollouts()}} {
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
		if err != nil {
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
