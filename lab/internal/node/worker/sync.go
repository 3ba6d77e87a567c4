package worker

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/canaryctl/canaryctl/lab/internal/node/podstatus"
)

// sync brings the Pod one step on, from whatever state it is in.
func (w *Worker) sync(ctx context.Context) {
	w.reap()
	w.checkDeadline()
	if w.pod.DeletionTimestamp != nil {
		w.ending = true
	}
	if !w.ending && w.complete() {
		w.ending = true
	}
	if w.ending {
		w.wind()
		return
	}
	if !w.prepare(ctx) {
		return
	}
	if !w.initialised && !w.initialise(ctx) {
		return
	}
	for _, c := range w.init {
		if c.sidecar {
			w.advance(ctx, c)
		}
	}
	for _, c := range w.main {
		w.advance(ctx, c)
	}
}

// initialise runs the init containers one after the other. A sidecar among them
// holds the next one up only until it has started.
func (w *Worker) initialise(ctx context.Context) bool {
	for _, c := range w.init {
		if c.done() && !c.sidecar {
			continue
		}
		w.advance(ctx, c)
		if !c.sidecar || !c.isStarted() {
			return false
		}
	}
	w.initialised = true
	return true
}

// advance starts, restarts or supervises one container.
func (w *Worker) advance(ctx context.Context, c *container) {
	switch {
	case c.run != nil:
		w.supervise(c)
		return
	case c.ended == nil:
	case !w.restarts(c):
		return
	default:
		if until := c.crash.until(c.ended.FinishedAt.Time); w.Clock.Now().Before(until) {
			w.crashLoop(c)
			w.later(until)
			return
		}
	}
	w.start(ctx, c)
	if c.run != nil {
		w.supervise(c)
	}
}

func (w *Worker) restarts(c *container) bool {
	return c.sidecar || podstatus.Restarts(podstatus.Policy(w.pod, c.spec), c.ended.ExitCode)
}

// complete says that there is nothing left to run but what serves the others.
func (w *Worker) complete() bool {
	for _, c := range w.init {
		if !c.sidecar && c.run == nil && c.ended != nil && c.ended.ExitCode != 0 && !w.restarts(c) {
			return true
		}
	}
	for _, c := range w.main {
		if podstatus.Serving(w.pod, c.spec) {
			continue
		}
		if c.run != nil || c.ended == nil || w.restarts(c) {
			return false
		}
	}
	return true
}

// wind stops what still runs: the main containers first, what served them when
// they have ended.
func (w *Worker) wind() {
	served := false
	for _, c := range w.main {
		if c.run != nil && !podstatus.Serving(w.pod, c.spec) {
			served = true
			w.stop(c, w.grace(), "Stopping container "+c.spec.Name)
		}
	}
	running := served
	for _, c := range w.all() {
		serves := c.init || podstatus.Serving(w.pod, c.spec)
		if c.run == nil || !serves {
			continue
		}
		running = true
		if !served {
			w.stop(c, w.grace(), "Stopping container "+c.spec.Name)
		}
	}
	if !running && !w.over {
		w.over = true
		w.release()
	}
}

// grace is how long containers get: what the deletion says, else the spec.
func (w *Worker) grace() time.Duration {
	seconds := int64(corev1.DefaultTerminationGracePeriodSeconds)
	if s := w.pod.Spec.TerminationGracePeriodSeconds; s != nil {
		seconds = *s
	}
	if s := w.pod.DeletionGracePeriodSeconds; s != nil {
		seconds = *s
	}
	return time.Duration(seconds) * time.Second
}

// checkDeadline ends a Pod that has been active for longer than it may.
func (w *Worker) checkDeadline() {
	limit := w.pod.Spec.ActiveDeadlineSeconds
	if limit == nil || w.ending {
		return
	}
	start := w.began.Time
	if s := w.known.StartTime; s != nil {
		start = s.Time
	}
	deadline := start.Add(time.Duration(*limit) * time.Second)
	if w.Clock.Now().Before(deadline) {
		w.later(deadline)
		return
	}
	w.ending = true
	w.reason = "DeadlineExceeded"
	w.message = "Pod was active on the node longer than the specified deadline"
	w.event(nil, corev1.EventTypeNormal, w.reason, w.message)
}
