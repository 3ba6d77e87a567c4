package diagnosis

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// unschedulable: no node can take a Pod. Room may be freed by a Pod that is
// going away; and where an autoscaler has announced a node, it is worth waiting.
func unschedulable(s Snapshot) *Problem {
	for i := range s.Pods {
		pod := &s.Pods[i]
		if pod.DeletionTimestamp != nil || len(eventsOf(s, pod, "TriggeredScaleUp")) > 0 {
			continue
		}
		for _, c := range pod.Status.Conditions {
			if c.Type != corev1.PodScheduled || c.Status != corev1.ConditionFalse || c.Reason != corev1.PodReasonUnschedulable {
				continue
			}
			return &Problem{
				Reason: Unschedulable,
				What:   fmt.Sprintf("no node can take Pod %s: %s", pod.Name, oneLine(c.Message)),
				Next: fmt.Sprintf("free or add a node, ask for fewer Pods with --replicas, or lower the requests of the stable Deployment; "+
					"kubectl -n %s describe pod %s says more", pod.Namespace, pod.Name),
				Patience: 10 * time.Second,
			}
		}
	}
	return nil
}
