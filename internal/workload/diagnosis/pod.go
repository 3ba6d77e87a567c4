package diagnosis

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// Pod says in words what is wrong with one Pod, or how a container of it was
// restarted last if nothing is; it is empty where neither is known. It looks at
// no event, so that a watch costs one request for all Pods.
func Pod(pod *corev1.Pod) string {
	s := Snapshot{Deployment: new(appsv1.Deployment), Pods: []corev1.Pod{*pod}}
	if p := Diagnose(s); p != nil {
		return p.What
	}
	if text := lastEnd(s); text != "" {
		return text
	}
	for _, c := range containers(s) {
		if c.status.State.Running != nil && !c.status.Ready && c.spec.ReadinessProbe != nil {
			return fmt.Sprintf("%s runs but fails its readiness probe", c)
		}
		if w := c.waiting(); w != "" {
			return fmt.Sprintf("%s waits: %s", c, w)
		}
	}
	return ""
}

// lastEnd says how the container ended that was restarted last.
func lastEnd(s Snapshot) string {
	var last container
	for _, c := range containers(s) {
		if end := c.ended(); end == nil || c.status.RestartCount == 0 {
			continue
		}
		if last.pod == nil || c.ended().FinishedAt.After(last.ended().FinishedAt.Time) {
			last = c
		}
	}
	if last.pod == nil {
		return ""
	}
	reason := ""
	if last.ended().Reason == "OOMKilled" {
		reason = ", for using more memory than it may"
	}
	return fmt.Sprintf("%s ended with %s%s (%s)", last, exitWords(last.ended()), reason, restarts(last))
}
