package kubetest

import (
	"fmt"
	"maps"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// RunDeployments plays the Deployment controller and the kubelet: every
// Deployment that is written gets its Pods, named NAME-0, NAME-1, ..., and a
// status. The waiting function says, for an image, the reason why its containers
// wait ("ErrImagePull"), or "" for Pods that are ready at once; nil means all are.
func (s *Server) RunDeployments(waiting func(image string) string) {
	s.OnWrite(func(e Event) {
		if e.Object.GetKind() != "Deployment" {
			return
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

func (s *Server) removePods(deployment *unstructured.Unstructured) {
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
	for i := range replicas {
		s.Put(pod(deployment, containers, fmt.Sprintf("%s-%d", deployment.GetName(), i), reason))
	}
	ready := replicas
	if reason != "" {
		ready = 0
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

// pod is as much of a Pod as a reader of its readiness looks at.
func pod(deployment *unstructured.Unstructured, containers []any, name, reason string) *unstructured.Unstructured {
	labels, _, _ := unstructured.NestedMap(deployment.Object, "spec", "template", "metadata", "labels")
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
			"name": name, "namespace": deployment.GetNamespace(), "labels": maps.Clone(labels),
			"ownerReferences": []any{map[string]any{
				"apiVersion": "apps/v1", "kind": "Deployment", "name": deployment.GetName(), "uid": string(deployment.GetUID()), "controller": true,
			}},
		},
		"spec": map[string]any{"containers": containers},
		"status": map[string]any{
			"phase":             phase,
			"conditions":        []any{map[string]any{"type": "Ready", "status": ready}},
			"containerStatuses": statuses,
		},
	}}
}
