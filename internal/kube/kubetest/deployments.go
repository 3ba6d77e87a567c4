package kubetest

import (
	"fmt"
	"maps"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// RunDeployments plays the Deployment controller and the kubelet: every
// Deployment that is written gets a ReplicaSet of its own name, Pods, named
// NAME-0, NAME-1, ..., and a status. The waiting function says, for an image,
// the reason why its containers wait ("ErrImagePull"), or "" for Pods that are
// ready at once; nil means all are.
func (s *Server) RunDeployments(waiting func(image string) string) {
	s.OnWrite(func(e Event) {
		if e.Object.GetKind() != "Deployment" {
			return
		}
		observed, _, _ := unstructured.NestedInt64(e.Object.Object, "status", "observedGeneration")
		if e.Type != "DELETED" && observed == e.Object.GetGeneration() {
			return // our own write of the status
		}
		s.removePods(e.Object)
		if e.Type != "DELETED" {
			s.runPods(e.Object, waiting)
		}
	})
}

func pods() schema.GroupVersionResource {
	return schema.GroupVersionResource{Version: "v1", Resource: "pods"}
}

func replicaSets() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "replicasets"}
}

func (s *Server) removePods(deployment *unstructured.Unstructured) {
	s.Delete(replicaSets(), deployment.GetNamespace(), deployment.GetName())
	for _, pod := range s.List(pods(), deployment.GetNamespace()) {
		for _, owner := range pod.GetOwnerReferences() {
			if owner.Name == deployment.GetName() {
				s.Delete(pods(), pod.GetNamespace(), pod.GetName())
			}
		}
	}
}

func (s *Server) runPods(deployment *unstructured.Unstructured, waiting func(string) string) {
	replicas, found, _ := unstructured.NestedInt64(deployment.Object, "spec", "replicas")
	if !found {
		replicas = 1
	}
	containers, _, _ := unstructured.NestedSlice(deployment.Object, "spec", "template", "spec", "containers")
	reason := ""
	for _, c := range containers {
		if m, ok := c.(map[string]any); ok && waiting != nil && reason == "" {
			image, _ := m["image"].(string)
			reason = waiting(image)
		}
	}
	ready := replicas
	if reason != "" {
		ready = 0
	}
	set := replicaSet(deployment, replicas, ready)
	s.Put(set)
	set = s.Get(replicaSets(), set.GetNamespace(), set.GetName())
	for i := range replicas {
		s.Put(pod(set, containers, fmt.Sprintf("%s-%d", deployment.GetName(), i), reason))
	}
	current := s.Get(schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}, deployment.GetNamespace(), deployment.GetName())
	if current == nil {
		return
	}
	current.Object["status"] = map[string]any{
		"observedGeneration": current.GetGeneration(), "replicas": replicas, "updatedReplicas": replicas,
		"readyReplicas": ready, "availableReplicas": ready, "unavailableReplicas": replicas - ready,
	}
	s.Put(current)
}

func replicaSet(deployment *unstructured.Unstructured, replicas, ready int64) *unstructured.Unstructured {
	spec, _, _ := unstructured.NestedMap(deployment.Object, "spec")
	labels, _, _ := unstructured.NestedMap(spec, "template", "metadata", "labels")
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apps/v1", "kind": "ReplicaSet",
		"metadata": map[string]any{
			"name": deployment.GetName(), "namespace": deployment.GetNamespace(),
			"labels":          labels,
			"annotations":     map[string]any{"deployment.kubernetes.io/revision": "1"},
			"ownerReferences": controlledBy(deployment),
		},
		"spec":   map[string]any{"replicas": replicas, "selector": spec["selector"], "template": spec["template"]},
		"status": map[string]any{"replicas": replicas, "readyReplicas": ready},
	}}
}

func controlledBy(owner *unstructured.Unstructured) []any {
	return []any{map[string]any{
		"apiVersion": "apps/v1", "kind": owner.GetKind(), "name": owner.GetName(), "uid": string(owner.GetUID()), "controller": true,
	}}
}

// pod is as much of a Pod as a reader of its readiness looks at.
func pod(set *unstructured.Unstructured, containers []any, name, reason string) *unstructured.Unstructured {
	labels, _, _ := unstructured.NestedMap(set.Object, "spec", "template", "metadata", "labels")
	ready, phase := "True", "Running"
	if reason != "" {
		ready, phase = "False", "Pending"
	}
	statuses := []any{}
	for _, c := range containers {
		m, _ := c.(map[string]any)
		state := map[string]any{"running": map[string]any{}}
		if reason != "" {
			state = map[string]any{"waiting": map[string]any{"reason": reason, "message": reason + ": " + fmt.Sprint(m["image"])}}
		}
		statuses = append(statuses, map[string]any{
			"name": m["name"], "image": m["image"], "ready": reason == "", "restartCount": int64(0), "state": state,
		})
	}
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Pod",
		"metadata": map[string]any{
			"name": name, "namespace": set.GetNamespace(), "labels": maps.Clone(labels), "ownerReferences": controlledBy(set),
		},
		"spec": map[string]any{"containers": containers},
		"status": map[string]any{
			"phase":             phase,
			"conditions":        []any{map[string]any{"type": "Ready", "status": ready}},
			"containerStatuses": statuses,
		},
	}}
}
