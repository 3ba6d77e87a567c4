// Package podstatus works out what a Pod's status says from what its containers
// do. It is pure; the rules are the kubelet's.
//
// https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/
package podstatus

import (
	corev1 "k8s.io/api/core/v1"
)

// Sidecar is the container that a mesh injects. It serves the others: a Pod
// that runs to completion is complete without it.
const Sidecar = "istio-proxy"

// Restartable says whether an init container is a sidecar: one that stays.
func Restartable(c *corev1.Container) bool {
	return c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
}

// Policy is the restart policy that holds for a container of the Pod.
func Policy(pod *corev1.Pod, c *corev1.Container) corev1.RestartPolicy {
	if c.RestartPolicy != nil {
		return corev1.RestartPolicy(*c.RestartPolicy)
	}
	return pod.Spec.RestartPolicy
}

// Restarts says whether a container that ended with the code is started again.
func Restarts(policy corev1.RestartPolicy, code int32) bool {
	switch policy {
	case corev1.RestartPolicyNever:
		return false
	case corev1.RestartPolicyOnFailure:
		return code != 0
	}
	return true
}

// Serving says whether a container only serves the others in a Pod that runs
// to completion.
func Serving(pod *corev1.Pod, c *corev1.Container) bool {
	return c.Name == Sidecar && pod.Spec.RestartPolicy != corev1.RestartPolicyAlways && len(pod.Spec.Containers) > 1
}

// phase sums up the containers. Stopping says that no container will be started
// again, whatever its policy.
func phase(pod *corev1.Pod, init, main []corev1.ContainerStatus, stopping bool) corev1.PodPhase {
	if verdict, decided := initPhase(pod, init, stopping); decided {
		return verdict
	}
	n := count(pod, main)
	switch {
	case n.waiting > 0 && n.stopped > 0, n.running > 0 && n.waiting == 0:
		return corev1.PodRunning
	case n.waiting > 0 || n.stopped == 0:
		return corev1.PodPending
	case n.restarting > 0 && !stopping:
		return corev1.PodRunning
	case n.failed > 0:
		return corev1.PodFailed
	}
	return corev1.PodSucceeded
}

// initPhase decides while init containers have not done their work.
func initPhase(pod *corev1.Pod, init []corev1.ContainerStatus, stopping bool) (corev1.PodPhase, bool) {
	for i, status := range init {
		spec := &pod.Spec.InitContainers[i]
		ended := status.State.Terminated
		switch {
		case Restartable(spec):
			if status.Started == nil || !*status.Started {
				if !stopping && ended == nil {
					return corev1.PodPending, true
				}
			}
		case ended != nil && ended.ExitCode == 0:
		case ended != nil && (stopping || !Restarts(Policy(pod, spec), ended.ExitCode)):
			return corev1.PodFailed, true
		default:
			return corev1.PodPending, true
		}
	}
	return "", false
}

type counts struct{ waiting, running, stopped, restarting, failed int }

func count(pod *corev1.Pod, main []corev1.ContainerStatus) counts {
	var n counts
	for i, status := range main {
		spec := &pod.Spec.Containers[i]
		if Serving(pod, spec) {
			continue
		}
		ended := status.State.Terminated
		if status.State.Waiting != nil {
			ended = status.LastTerminationState.Terminated
		}
		switch {
		case status.State.Running != nil:
			n.running++
		case ended == nil:
			n.waiting++
		default:
			n.stopped++
			if Restarts(Policy(pod, spec), ended.ExitCode) {
				n.restarting++
			}
			if ended.ExitCode != 0 {
				n.failed++
			}
		}
	}
	return n
}
