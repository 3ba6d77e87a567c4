package worker

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/canaryctl/canaryctl/lab/internal/node/probe"
)

// stop has a container end: its preStop hook, then SIGTERM, then SIGKILL when
// the grace is over. It does not wait; the end shows in the next look. A second
// call with less grace, as "kubectl delete --now" after a plain one brings
// about, cuts the first one's short.
func (w *Worker) stop(c *container, grace time.Duration, why string) {
	run := c.run
	if !run.stopBy.IsZero() {
		w.hasten(run)
		return
	}
	began := w.Clock.Now()
	run.stopBy = began.Add(grace)
	w.event(c, corev1.EventTypeNormal, "Killing", why)
	ctx, cancel := context.WithCancel(context.Background())
	run.hasten = cancel
	spec := c.spec
	w.tasks.Go(func() {
		defer cancel()
		w.preStop(ctx, spec, run, grace)
		// A hook that took all the grace leaves a container two seconds, as with
		// the kubelet.
		run.process.Stop(ctx, max(grace-w.Clock.Since(began), min(grace, 2*time.Second)))
	})
}

// hasten ends a container at the time by which the Pod is now to be gone, where
// that has become earlier. Times of the API are whole seconds, hence the one
// more.
func (w *Worker) hasten(r *run) {
	if w.pod.DeletionTimestamp == nil {
		return
	}
	by := w.pod.DeletionTimestamp.Add(time.Second)
	switch {
	case !by.Before(r.stopBy):
	case w.Clock.Now().Before(by):
		w.later(by)
	default:
		r.hasten()
	}
}

// preStop runs the hook, within the grace.
func (w *Worker) preStop(ctx context.Context, c *corev1.Container, r *run, grace time.Duration) {
	if c.Lifecycle == nil || c.Lifecycle.PreStop == nil || grace == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	if err := w.hook(ctx, r, c.Lifecycle.PreStop); err != nil && ctx.Err() == nil {
		w.event(&container{spec: c}, corev1.EventTypeWarning, "FailedPreStopHook", "PreStopHook failed: "+err.Error())
	}
}

// postStart runs the hook beside the container, which it ends if it fails.
func (w *Worker) postStart(c *container) {
	if c.spec.Lifecycle == nil || c.spec.Lifecycle.PostStart == nil {
		return
	}
	run, spec, grace := c.run, c.spec, w.grace()
	w.tasks.Go(func() {
		err := w.hook(run.probing, run, spec.Lifecycle.PostStart)
		if err != nil && run.probing.Err() == nil {
			w.event(&container{spec: spec}, corev1.EventTypeWarning, "FailedPostStartHook", "PostStartHook failed: "+err.Error())
			run.process.Stop(run.probing, grace)
		}
	})
}

// hook runs one lifecycle handler. It asks what a probe asks, but for the sleep.
func (w *Worker) hook(ctx context.Context, r *run, h *corev1.LifecycleHandler) error {
	if h.Sleep != nil {
		timer := w.Clock.NewTimer(time.Duration(h.Sleep.Seconds) * time.Second)
		defer timer.Stop()
		select {
		case <-timer.C():
		case <-r.process.Done():
		case <-ctx.Done():
		}
		return nil
	}
	handler := corev1.ProbeHandler{Exec: h.Exec, HTTPGet: h.HTTPGet, TCPSocket: h.TCPSocket}
	return probe.NewCheck(handler, r.target)(ctx)
}

// abandon stops everything now, tells nobody, and waits for it.
func (w *Worker) abandon(ctx context.Context, grace time.Duration) {
	ctx = context.WithoutCancel(ctx) // it has ended, most likely; the grace has not
	for _, c := range w.all() {
		if c.run != nil {
			run := c.run
			if run.hasten != nil && grace == 0 {
				run.hasten()
			}
			w.tasks.Go(func() { run.process.Stop(ctx, grace) })
		}
	}
	w.tasks.Wait()
	w.reap()
	w.release()
}
