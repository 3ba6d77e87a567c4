package worker

import (
	"context"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/canaryctl/canaryctl/lab/internal/node/podstatus"
	"github.com/canaryctl/canaryctl/lab/internal/node/probe"
	"github.com/canaryctl/canaryctl/lab/internal/node/process"
)

// container is one container of the Pod, over all its runs.
type container struct {
	spec    *corev1.Container
	init    bool // one that runs before the main ones
	sidecar bool // an init container that stays
	status  corev1.ContainerStatus
	run     *run                             // nil unless a process runs
	ended   *corev1.ContainerStateTerminated // how the last run ended
	crash   backoff
	pull    backoff
	failed  time.Time // when the image was last missed
}

// run is one run of a container.
type run struct {
	process  *process.Process
	restart  int32           // how often the container had been restarted before
	command  process.Command // what commands beside it inherit
	target   probe.Target    // what probes and hooks ask
	ports    []mapping
	probing  context.Context
	cancel   context.CancelFunc
	probes   sync.WaitGroup
	startup  *probe.Prober
	ready    *probe.Prober
	liveness *probe.Prober
	asked    bool               // readiness and liveness probes have begun
	stopBy   time.Time          // when the grace of a stop is over; zero before one
	hasten   context.CancelFunc // cuts that grace short
}

// newContainers takes over what the Pod's status says of former runs. The
// processes of those died with the former lab.
func newContainers(pod *corev1.Pod, bounds Backoff, now metav1.Time) (init, main []*container) {
	newContainer := func(spec *corev1.Container, isInit bool, known []corev1.ContainerStatus) *container {
		c := &container{
			spec: spec, init: isInit, sidecar: isInit && podstatus.Restartable(spec),
			crash: backoff{Backoff: bounds}, pull: backoff{Backoff: bounds},
		}
		c.status = corev1.ContainerStatus{Name: spec.Name, Image: spec.Image}
		for _, status := range known {
			if status.Name == spec.Name {
				c.restore(status, now)
			}
		}
		c.waiting("ContainerCreating", "")
		if c.ended != nil {
			c.status.State = corev1.ContainerState{Terminated: c.ended}
		}
		return c
	}
	for i := range pod.Spec.InitContainers {
		init = append(init, newContainer(&pod.Spec.InitContainers[i], true, pod.Status.InitContainerStatuses))
	}
	for i := range pod.Spec.Containers {
		c := newContainer(&pod.Spec.Containers[i], false, pod.Status.ContainerStatuses)
		if len(init) > 0 && c.ended == nil {
			c.waiting("PodInitializing", "")
		}
		main = append(main, c)
	}
	return init, main
}

// restore continues the count of restarts. A run that the status still shows is
// over, in the words of a kubelet that finds a container gone.
func (c *container) restore(status corev1.ContainerStatus, now metav1.Time) {
	c.status.RestartCount = status.RestartCount
	c.status.ImageID = status.ImageID
	switch {
	case status.State.Running != nil:
		c.ended = &corev1.ContainerStateTerminated{
			ExitCode: 137, Reason: "ContainerStatusUnknown",
			Message:   "The container could not be located when the lab was started again",
			StartedAt: status.State.Running.StartedAt, FinishedAt: now, ContainerID: status.ContainerID,
		}
	case status.State.Terminated != nil:
		c.ended = status.State.Terminated
	case status.LastTerminationState.Terminated != nil:
		c.ended = status.LastTerminationState.Terminated
	}
}

// waiting shows why the container does not run.
func (c *container) waiting(reason, message string) {
	c.status.State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}
	c.status.Ready = false
	c.started(false)
	if c.ended != nil {
		c.status.LastTerminationState = corev1.ContainerState{Terminated: c.ended}
	}
}

// shows says whether the container waits for that reason.
func (c *container) shows(reason string) bool {
	return c.status.State.Waiting != nil && c.status.State.Waiting.Reason == reason
}

// end records the end of a run.
func (c *container) end(t *corev1.ContainerStateTerminated) {
	c.ended = t
	c.status.State = corev1.ContainerState{Terminated: t}
	c.status.Ready = false
	c.started(false)
}

func (c *container) started(yes bool) { c.status.Started = &yes }

func (c *container) isStarted() bool { return c.status.Started != nil && *c.status.Started }

// done says that an init container has done its work.
func (c *container) done() bool {
	return c.run == nil && c.ended != nil && c.ended.ExitCode == 0
}
