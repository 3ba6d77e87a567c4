package workload

import (
	"context"
	"fmt"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/canaryctl/canaryctl/internal/kube"
)

// annotationRevision numbers the ReplicaSets of a Deployment.
const annotationRevision = "deployment.kubernetes.io/revision"

// observed reports whether the status is about the present spec.
func observed(d *appsv1.Deployment) bool { return d.Status.ObservedGeneration >= d.Generation }

// rolledOut is what `kubectl rollout status` waits for.
func rolledOut(d *appsv1.Deployment) bool {
	want := desired(d)
	return observed(d) && d.Status.UpdatedReplicas == want && d.Status.Replicas == want && d.Status.AvailableReplicas == want
}

func desired(d *appsv1.Deployment) int32 {
	if d.Spec.Replicas == nil {
		return 1 // the API server's default
	}
	return *d.Spec.Replicas
}

func (d Deployments) newestReplicaSet(ctx context.Context, deployment *appsv1.Deployment) (*appsv1.ReplicaSet, error) {
	sets, err := list[appsv1.ReplicaSet](ctx, d, kube.ReplicaSets(), deployment.Spec.Selector)
	if err != nil {
		return nil, err
	}
	var newest *appsv1.ReplicaSet
	highest := -1
	for i := range sets {
		revision, _ := strconv.Atoi(sets[i].Annotations[annotationRevision])
		if metav1.IsControlledBy(&sets[i], deployment) && revision > highest {
			newest, highest = &sets[i], revision
		}
	}
	return newest, nil
}

// eventsOf reads the events of the first Pods that are not ready: the Pods of
// one version fail alike. Who may not read events gets a poorer diagnosis.
func (d Deployments) eventsOf(ctx context.Context, pods []corev1.Pod) ([]corev1.Event, error) {
	const enough = 2
	var out []corev1.Event
	asked := 0
	for i := range pods {
		if podReady(&pods[i]) || asked == enough {
			continue
		}
		asked++
		items, err := d.client.Resource(kube.Events()).Namespace(d.namespace).List(ctx, metav1.ListOptions{
			FieldSelector: "involvedObject.name=" + pods[i].Name,
		})
		if apierrors.IsForbidden(err) {
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("list the events of Pod %s/%s: %w", d.namespace, pods[i].Name, err)
		}
		events, err := typed[corev1.Event](items.Items)
		if err != nil {
			return nil, err
		}
		out = append(out, events...)
	}
	return out, nil
}

func podReady(pod *corev1.Pod) bool {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// list reads the objects of a resource that a selector means.
func list[T any](ctx context.Context, d Deployments, resource schema.GroupVersionResource, by *metav1.LabelSelector) ([]T, error) {
	selector, err := metav1.LabelSelectorAsSelector(by)
	if err != nil {
		return nil, fmt.Errorf("list %s in namespace %s: %w", resource.Resource, d.namespace, err)
	}
	items, err := d.client.Resource(resource).Namespace(d.namespace).List(ctx, metav1.ListOptions{LabelSelector: selector.String()})
	if err != nil {
		return nil, fmt.Errorf("list %s in namespace %s: %w", resource.Resource, d.namespace, err)
	}
	return typed[T](items.Items)
}

func typed[T any](items []unstructured.Unstructured) ([]T, error) {
	out := make([]T, len(items))
	for i := range items {
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(items[i].Object, &out[i]); err != nil {
			return nil, fmt.Errorf("read %s %s/%s: %w", items[i].GetKind(), items[i].GetNamespace(), items[i].GetName(), err)
		}
	}
	return out, nil
}
