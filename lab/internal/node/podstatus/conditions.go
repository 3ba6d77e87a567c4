package podstatus

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// verdict is a condition before it has times.
type verdict struct {
	kind    corev1.PodConditionType
	ok      bool
	reason  string
	message string
}

// conditions judges the Pod, given its phase.
func conditions(pod *corev1.Pod, f Facts, phase corev1.PodPhase) []verdict {
	containers := containersReady(pod, f, phase)
	return []verdict{
		{kind: corev1.PodReadyToStartContainers, ok: f.PodIP != "" && !finished(phase)},
		initialized(pod, f, phase),
		ready(pod, containers),
		containers,
		{kind: corev1.PodScheduled, ok: true},
	}
}

func finished(phase corev1.PodPhase) bool {
	return phase == corev1.PodSucceeded || phase == corev1.PodFailed
}

func initialized(pod *corev1.Pod, f Facts, phase corev1.PodPhase) verdict {
	v := verdict{kind: corev1.PodInitialized, ok: true}
	var missing []string
	for i, status := range f.Init {
		ended := status.State.Terminated
		done := ended != nil && ended.ExitCode == 0
		if Restartable(&pod.Spec.InitContainers[i]) {
			done = status.Started != nil && *status.Started || done
		}
		if !done {
			missing = append(missing, status.Name)
		}
	}
	switch {
	case phase == corev1.PodSucceeded:
		v.reason = "PodCompleted"
	case len(missing) > 0:
		v.ok, v.reason = false, "ContainersNotInitialized"
		v.message = fmt.Sprintf("containers with incomplete status: [%s]", strings.Join(missing, " "))
	}
	return v
}

func containersReady(pod *corev1.Pod, f Facts, phase corev1.PodPhase) verdict {
	v := verdict{kind: corev1.ContainersReady, ok: true}
	var unready []string
	for i, status := range f.Init {
		if Restartable(&pod.Spec.InitContainers[i]) && !status.Ready {
			unready = append(unready, status.Name)
		}
	}
	for _, status := range f.Main {
		if !status.Ready {
			unready = append(unready, status.Name)
		}
	}
	switch {
	case phase == corev1.PodSucceeded:
		v.ok, v.reason = false, "PodCompleted"
	case phase == corev1.PodFailed:
		v.ok, v.reason = false, "PodFailed"
	case len(unready) > 0:
		v.ok, v.reason = false, "ContainersNotReady"
		v.message = fmt.Sprintf("containers with unready status: [%s]", strings.Join(unready, " "))
	}
	return v
}

// ready is the containers' readiness and the Pod's readiness gates, which
// others set on it.
func ready(pod *corev1.Pod, containers verdict) verdict {
	v := containers
	v.kind = corev1.PodReady
	if !v.ok {
		return v
	}
	for _, gate := range pod.Spec.ReadinessGates {
		if find(pod.Status.Conditions, gate.ConditionType).Status != corev1.ConditionTrue {
			v.ok, v.reason = false, "ReadinessGatesNotReady"
			v.message = fmt.Sprintf("the status of pod readiness gate %q is not \"True\"", gate.ConditionType)
			return v
		}
	}
	return v
}

func find(conditions []corev1.PodCondition, kind corev1.PodConditionType) corev1.PodCondition {
	for _, c := range conditions {
		if c.Type == kind {
			return c
		}
	}
	return corev1.PodCondition{}
}

// stamp gives the verdicts their times: a condition that holds as before keeps
// the time at which it began to. Conditions that others set stay as they are.
func stamp(old []corev1.PodCondition, verdicts []verdict, generation int64, now metav1.Time) []corev1.PodCondition {
	var out []corev1.PodCondition
	ours := make(map[corev1.PodConditionType]bool)
	for _, v := range verdicts {
		ours[v.kind] = true
		c := corev1.PodCondition{
			Type: v.kind, Status: corev1.ConditionFalse, Reason: v.reason, Message: v.message,
			ObservedGeneration: generation, LastTransitionTime: now,
		}
		if v.ok {
			c.Status = corev1.ConditionTrue
		}
		if before := find(old, v.kind); before.Status == c.Status {
			c.LastTransitionTime = before.LastTransitionTime
		}
		out = append(out, c)
	}
	for _, c := range old {
		if !ours[c.Type] {
			out = append(out, c)
		}
	}
	return out
}
