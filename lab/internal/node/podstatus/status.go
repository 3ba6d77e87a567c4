package podstatus

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Facts are what the node knows of a Pod. Init and Main are in the order of the
// spec.
type Facts struct {
	Started metav1.Time // when the node took the Pod on
	PodIP   string
	HostIP  string
	Init    []corev1.ContainerStatus
	Main    []corev1.ContainerStatus
	// Stopping says that no container will be started again.
	Stopping bool
	// Reason and Message explain an end that the node brought about.
	Reason  string
	Message string
}

// Compute returns the whole status of the Pod, of which pod holds the last one
// known.
func Compute(pod *corev1.Pod, f Facts, now metav1.Time) corev1.PodStatus {
	status := *pod.Status.DeepCopy()
	status.Phase = phase(pod, f.Init, f.Main, f.Stopping)
	if f.Reason != "" && f.Stopping && finished(status.Phase) {
		status.Phase = corev1.PodFailed
	}
	status.Reason, status.Message = f.Reason, f.Message
	status.ObservedGeneration = pod.Generation
	status.Conditions = stamp(pod.Status.Conditions, conditions(pod, f, status.Phase), pod.Generation, now)
	status.HostIP = f.HostIP
	status.HostIPs = []corev1.HostIP{{IP: f.HostIP}}
	if f.PodIP != "" {
		status.PodIP = f.PodIP
		status.PodIPs = []corev1.PodIP{{IP: f.PodIP}}
	}
	if status.StartTime == nil {
		status.StartTime = &f.Started
	}
	status.InitContainerStatuses = f.Init
	status.ContainerStatuses = f.Main
	return status
}
