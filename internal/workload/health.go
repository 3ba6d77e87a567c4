package workload

import (
	"context"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/canaryctl/canaryctl/internal/kube"
	"github.com/canaryctl/canaryctl/internal/workload/diagnosis"
)

// Health is how one Pod is.
type Health struct {
	Name    string
	Version string
	Created time.Time
	Ready   bool
	Changed time.Time // when it became ready, or ceased to be; zero for unknown
	// Restarts of its containers, and when the last of those that were restarted
	// ended; zero for unknown.
	Restarts int
	Ended    time.Time
	// Why is what is wrong with it, or how it was restarted; else empty.
	Why string
}

// Health lists the Pods of versions, by name, in one request.
// Pods on their way out, and those that have ended for good and whose place
// another takes, are left out.
func (d Deployments) Health(ctx context.Context, versions ...string) ([]Health, error) {
	pods, err := list[corev1.Pod](ctx, d, kube.Pods(), d.podsOf(versions))
	if err != nil {
		return nil, err
	}
	return d.health(pods, versions), nil
}

func (d Deployments) health(pods []corev1.Pod, versions []string) []Health {
	var all []Health
	for i := range pods {
		ended := pods[i].Status.Phase == corev1.PodSucceeded || pods[i].Status.Phase == corev1.PodFailed
		version := d.versionOfPod(pods[i].Labels)
		if pods[i].DeletionTimestamp == nil && !ended && slices.Contains(versions, version) {
			all = append(all, healthOf(&pods[i], version))
		}
	}
	slices.SortFunc(all, func(a, b Health) int { return strings.Compare(a.Name, b.Name) })
	return all
}

func healthOf(pod *corev1.Pod, version string) Health {
	h := Health{
		Name: pod.Name, Version: version, Created: pod.CreationTimestamp.Time,
		Ready: podReady(pod), Why: diagnosis.Pod(pod),
	}
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady {
			h.Changed = c.LastTransitionTime.Time
		}
	}
	for _, c := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		h.Restarts += int(c.RestartCount)
		if end := c.LastTerminationState.Terminated; end != nil && c.RestartCount > 0 && end.FinishedAt.After(h.Ended) {
			h.Ended = end.FinishedAt.Time
		}
	}
	return h
}
