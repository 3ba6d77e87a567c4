package worker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/canaryctl/canaryctl/lab/internal/node/image"
	"github.com/canaryctl/canaryctl/lab/internal/node/logs"
	"github.com/canaryctl/canaryctl/lab/internal/node/process"
)

const (
	// retryAfter is how soon something that a person may mend is tried again.
	retryAfter = 2 * time.Second
	// pullShown is how long ErrImagePull shows before it turns to ImagePullBackOff.
	pullShown = time.Second
)

// start begins a run of the container, or shows why it cannot.
func (w *Worker) start(ctx context.Context, c *container) {
	img, ok := w.pull(c)
	if !ok {
		return
	}
	ports, err := w.listen(ctx, c)
	if err != nil {
		w.misconfigured(c, "CreateContainerError", err)
		return
	}
	command, err := w.command(ctx, c, img.Command, ports)
	if err != nil {
		w.unlisten(ports)
		w.misconfigured(c, "CreateContainerConfigError", err)
		return
	}
	w.event(c, corev1.EventTypeNormal, "Pulled", fmt.Sprintf("Container image %q already present on machine", c.spec.Image))
	if c.ended != nil {
		c.status.RestartCount++
		c.crash.next(c.ended.FinishedAt.Time, w.Clock.Now())
		c.status.LastTerminationState = corev1.ContainerState{Terminated: c.ended}
	}
	c.status.ImageID = img.ID
	c.status.ContainerID = fmt.Sprintf("process://%s/%s/%d", w.uid, c.spec.Name, c.status.RestartCount)
	if err := w.launch(ctx, c, command, ports); err != nil {
		w.unlisten(ports)
		w.unstartable(c, err)
	}
}

// launch starts the process.
func (w *Worker) launch(ctx context.Context, c *container, command process.Command, ports []mapping) error {
	if err := os.MkdirAll(command.Dir, 0o700); err != nil {
		return err
	}
	log, err := w.Logs.Create(logs.Run{Pod: w.uid, Container: c.spec.Name, Restart: c.status.RestartCount})
	if err != nil {
		return err
	}
	w.event(c, corev1.EventTypeNormal, "Created", "Created container: "+c.spec.Name)
	p, err := process.Start(w.Starter, w.Clock, process.Options{Command: command, StdinOnce: c.spec.StdinOnce, Log: log.Stream})
	if err != nil {
		_ = log.Close()
		return err
	}
	c.run = &run{process: p, restart: c.status.RestartCount, command: command, ports: ports}
	c.run.target = w.target(c.spec, c.run)
	c.run.probing, c.run.cancel = context.WithCancel(ctx)
	w.tasks.Go(func() {
		<-p.Done()
		_ = log.Close()
		w.poke()
	})
	w.mu.Lock()
	w.runs[c.spec.Name] = c.run
	w.mu.Unlock()
	c.status.State = corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(w.Clock.Now())}}
	c.status.Ready = false
	c.started(false)
	w.event(c, corev1.EventTypeNormal, "Started", "Started container "+c.spec.Name)
	w.postStart(c)
	w.probe(c)
	return nil
}

// pull finds the image. A missing one is looked for again and again, as a pull
// would be.
func (w *Worker) pull(c *container) (image.Image, bool) {
	now := w.Clock.Now()
	if !c.failed.IsZero() {
		if now.Before(c.failed.Add(pullShown)) {
			w.later(c.failed.Add(pullShown))
			return image.Image{}, false
		}
		if until := c.failed.Add(c.pull.wait); now.Before(until) {
			w.later(until)
			if !c.shows("ImagePullBackOff") {
				message := fmt.Sprintf("Back-off pulling image %q: %s", c.spec.Image, c.status.State.Waiting.Message)
				c.waiting("ImagePullBackOff", message)
				w.event(c, corev1.EventTypeNormal, "BackOff", fmt.Sprintf("Back-off pulling image %q", c.spec.Image))
				w.event(c, corev1.EventTypeWarning, "Failed", "Error: ImagePullBackOff")
			}
			return image.Image{}, false
		}
	}
	img, err := w.Images.Resolve(c.spec.Image)
	if err == nil {
		c.failed = time.Time{}
		return img, true
	}
	if c.spec.ImagePullPolicy == corev1.PullNever {
		w.misconfigured(c, "ErrImageNeverPull", fmt.Errorf("container image %q is not present with pull policy of Never: %w", c.spec.Image, err))
		return image.Image{}, false
	}
	c.pull.next(now, now)
	c.failed = now
	c.waiting("ErrImagePull", err.Error())
	w.event(c, corev1.EventTypeWarning, "Failed", fmt.Sprintf("Failed to pull image %q: %v", c.spec.Image, err))
	w.event(c, corev1.EventTypeWarning, "Failed", "Error: ErrImagePull")
	w.later(now.Add(pullShown))
	return image.Image{}, false
}

// misconfigured shows what a person has to mend, once for each cause, and tries
// again soon.
func (w *Worker) misconfigured(c *container, reason string, err error) {
	w.later(w.Clock.Now().Add(retryAfter))
	if state := c.status.State.Waiting; state != nil && state.Reason == reason && state.Message == err.Error() {
		return
	}
	c.waiting(reason, err.Error())
	w.event(c, corev1.EventTypeWarning, "Failed", "Error: "+err.Error())
}

// unstartable records a program that cannot be run as a run that failed at
// once, which is how a container runtime reports it.
func (w *Worker) unstartable(c *container, err error) {
	now := metav1.NewTime(w.Clock.Now())
	reason, code := "StartError", int32(128)
	if !errors.Is(err, process.ErrCannotRun) {
		reason = "ContainerCannotRun"
	}
	c.end(&corev1.ContainerStateTerminated{
		ExitCode: code, Reason: reason, Message: err.Error(), StartedAt: now, FinishedAt: now, ContainerID: c.status.ContainerID,
	})
	w.event(c, corev1.EventTypeWarning, "Failed", "Error: failed to start container "+c.spec.Name+": "+err.Error())
	w.poke()
}

// crashLoop shows that a container waits to be started again.
func (w *Worker) crashLoop(c *container) {
	if c.shows("CrashLoopBackOff") {
		return
	}
	pod := fmt.Sprintf("%s_%s(%s)", w.pod.Name, w.pod.Namespace, w.uid)
	c.waiting("CrashLoopBackOff", fmt.Sprintf("back-off %s restarting failed container=%s pod=%s", c.crash.wait, c.spec.Name, pod))
	w.event(c, corev1.EventTypeWarning, "BackOff", fmt.Sprintf("Back-off restarting failed container %s in pod %s", c.spec.Name, pod))
}
