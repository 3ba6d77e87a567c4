// Package diagnosis says why a version's Pods do not become ready. It is pure:
// what it knows is in a Snapshot, and each way to fail has a file of its own.
package diagnosis

import (
	"fmt"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// Snapshot is what the cluster says of one Deployment at one moment. Pods are
// those of its newest ReplicaSet; Events are those about these Pods.
type Snapshot struct {
	Deployment *appsv1.Deployment
	ReplicaSet *appsv1.ReplicaSet // the newest; nil before there is one
	Pods       []corev1.Pod
	Events     []corev1.Event
}

// Reason names a way to fail, in CamelCase as conditions do.
type Reason string

// The ways to fail.
const (
	ImagePull        Reason = "ImagePull"
	OutOfMemory      Reason = "OutOfMemory"
	CrashLoop        Reason = "CrashLoop"
	LivenessProbe    Reason = "LivenessProbe"
	StartupProbe     Reason = "StartupProbe"
	ReadinessProbe   Reason = "ReadinessProbe"
	MissingConfig    Reason = "MissingConfig"
	MissingVolume    Reason = "MissingVolume"
	ContainerRefused Reason = "ContainerRefused"
	Refused          Reason = "Refused"
	Quota            Reason = "Quota"
	Unschedulable    Reason = "Unschedulable"
	NoProgress       Reason = "NoProgress"
)

// Problem is one reason why the Pods are not ready.
type Problem struct {
	Reason Reason
	// What says what is wrong with which object, for a person.
	What string
	// Next is what to do about it, as an instruction without a full stop.
	Next string
	// Patience is how long the problem may last before it is believed: some of
	// them pass by themselves.
	Patience time.Duration
}

// Diagnose returns the first problem it finds, the most telling ones first: a
// container that ran out of memory is also in a crash loop, and its probes fail
// as well. It returns nil when nothing is known to be wrong.
func Diagnose(s Snapshot) *Problem {
	for _, check := range []func(Snapshot) *Problem{
		refused,
		unschedulable,
		imagePull,
		containerConfig,
		missingVolume,
		outOfMemory,
		livenessProbe,
		startupProbe,
		crashLoop,
		readinessProbe,
		noProgress,
	} {
		if p := check(s); p != nil {
			return p
		}
	}
	return nil
}

// container is one container of one Pod, with what runs before it (init
// containers) treated alike.
type container struct {
	pod    *corev1.Pod
	spec   corev1.Container
	status corev1.ContainerStatus
}

// String names the container as a person would look it up.
func (c container) String() string {
	return fmt.Sprintf("container %s of Pod %s", c.status.Name, c.pod.Name)
}

// kubectl is a command line about the container's Pod.
func (c container) kubectl(verb string, more ...string) string {
	words := append([]string{"kubectl", "-n", c.pod.Namespace, verb, c.pod.Name}, more...)
	return strings.Join(words, " ")
}

func (c container) logs(more ...string) string {
	return c.kubectl("logs", append([]string{"-c", c.status.Name}, more...)...)
}

// waiting returns why the container waits, or "".
func (c container) waiting() string {
	if w := c.status.State.Waiting; w != nil {
		return w.Reason
	}
	return ""
}

// ended returns how the container ended: this time, or the last time if it is
// up or waiting to be started again. It is nil for one that never ended.
func (c container) ended() *corev1.ContainerStateTerminated {
	if t := c.status.State.Terminated; t != nil {
		return t
	}
	return c.status.LastTerminationState.Terminated
}

func containers(s Snapshot) []container {
	var out []container
	for i := range s.Pods {
		pod := &s.Pods[i]
		if pod.DeletionTimestamp != nil {
			continue
		}
		specs := map[string]corev1.Container{}
		for _, list := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
			for _, spec := range list {
				specs[spec.Name] = spec
			}
		}
		for _, list := range [][]corev1.ContainerStatus{pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses} {
			for _, status := range list {
				out = append(out, container{pod: pod, spec: specs[status.Name], status: status})
			}
		}
	}
	return out
}

// eventsOf returns the events about a Pod, the newest last.
func eventsOf(s Snapshot, pod *corev1.Pod, reason string) []corev1.Event {
	var out []corev1.Event
	for _, e := range s.Events {
		if e.InvolvedObject.Kind == "Pod" && e.InvolvedObject.Name == pod.Name && e.Reason == reason {
			out = append(out, e)
		}
	}
	return out
}

// oneLine shortens the messages of the API server and the kubelet, which can
// run over many lines.
func oneLine(message string) string {
	const most = 300
	line := strings.Join(strings.Fields(message), " ")
	if len(line) > most {
		line = strings.ToValidUTF8(line[:most], "") + "..."
	}
	return line
}
