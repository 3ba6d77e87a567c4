package workload

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/kube"
	"github.com/canaryctl/canaryctl/internal/workload/diagnosis"
)

// Progress is how far a version is on its way to be ready.
type Progress struct {
	Deployment string
	Ready      int
	Desired    int
	// Doing says what the Pods that are not ready are at; may be empty.
	Doing string
}

// String is a line for a person: "versioned-echo-v2: 1 of 2 Pods ready (ContainerCreating)".
func (p Progress) String() string {
	line := fmt.Sprintf("%s: %d of %d Pods ready", p.Deployment, p.Ready, p.Desired)
	if p.Doing != "" {
		line += " (" + p.Doing + ")"
	}
	return line
}

// WaitReady returns when all Pods of a Deployment are ready, and tells report
// about every change and every second. It gives up early, with an error that
// wraps ErrNotReady, on a problem that does not pass by itself, and with one that
// wraps ErrTimeout when the time is over.
//
// It watches the Deployment and, while that is not ready, its Pods: two requests,
// and more only where there is something to find out.
func (d Deployments) WaitReady(ctx context.Context, name string, timeout time.Duration, report func(Progress)) error {
	w := &waiter{deployments: d, name: name, deadline: d.clock.Now().Add(timeout), report: report, watches: newWatches(), last: Progress{Deployment: name}}
	if err := w.wait(ctx); err != nil {
		return fmt.Errorf("wait for %s: %w", d.ref(name), err)
	}
	return nil
}

type waiter struct {
	deployments Deployments
	name        string
	deadline    time.Time
	report      func(Progress)
	watches     *watches

	deployment *appsv1.Deployment // nil before it is known
	pods       []corev1.Pod
	following  bool // its Pods
	counted    bool // its Pods are known
	// What keeps the Deployment, and its Pods, from being known; nil for nothing.
	unknown, uncounted error
	missing            time.Time // since when something does; zero for nothing

	examination examination
	last        Progress
}

func (w *waiter) wait(ctx context.Context) error {
	ticker := w.deployments.clock.NewTicker(time.Second)
	defer ticker.Stop()
	within, stop := context.WithCancel(ctx)
	defer w.watches.running.Wait()
	defer stop()
	follow(within, w.watches, w.deployments, selection{resource: kube.Deployments(), fields: "metadata.name=" + w.name}, w.hear)
	for w.watches.next(within, ticker.C()) {
		if ready, err := w.look(within); ready || err != nil {
			return err
		}
	}
	return ctx.Err()
}

// hear takes what the watch of the Deployment tells.
func (w *waiter) hear(_ []*unstructured.Unstructured, found []appsv1.Deployment, err error) {
	w.unknown = err
	switch {
	case err != nil:
	case len(found) == 0:
		w.unknown = fmt.Errorf("%w: %s was deleted meanwhile", ErrNotFound, w.deployments.ref(w.name))
	default:
		w.deployment = &found[0]
	}
}

// look decides on what is known.
func (w *waiter) look(ctx context.Context) (ready bool, err error) {
	now := w.deployments.clock.Now()
	if err := cmp.Or(w.unknown, w.uncounted); err != nil {
		return false, w.miss(err, now)
	}
	w.missing = time.Time{}
	if w.deployment == nil || !rolledOut(w.deployment) && !w.counted {
		return false, cmp.Or(w.count(ctx), w.overdue(now.Add(-forgiven)))
	}
	w.last = progress(w.examination.snapshot(w.deployment, w.pods))
	w.report(w.last)
	if rolledOut(w.deployment) {
		return true, nil
	}
	problem, err := w.examine(ctx)
	switch {
	case err != nil:
		return false, w.miss(err, now)
	case problem != nil:
		return false, hint.Wrap(fmt.Errorf("%w: %s", ErrNotReady, problem.What), "%s", problem.Next)
	}
	return false, w.overdue(now)
}

// count begins to follow the Pods of a Deployment that is not ready.
func (w *waiter) count(ctx context.Context) error {
	if w.following || w.deployment == nil {
		return nil
	}
	pods, err := selected(kube.Pods(), w.deployment.Spec.Selector)
	if err != nil {
		return err
	}
	w.following = true
	follow(ctx, w.watches, w.deployments, pods, func(_ []*unstructured.Unstructured, pods []corev1.Pod, err error) {
		w.uncounted = err
		if err == nil {
			w.pods, w.counted = pods, true
		}
	})
	return nil
}

// examine returns a problem that is sure to last, or nil.
func (w *waiter) examine(ctx context.Context) (*diagnosis.Problem, error) {
	problem, ask := w.examination.look(w.deployment, w.pods, w.deployments.clock.Now())
	if !ask {
		return problem, nil
	}
	found, err := w.deployments.gather(ctx, w.deployment, w.pods)
	if err != nil {
		return nil, err
	}
	w.examination.learn(found, w.deployment, w.pods)
	problem, _ = w.examination.look(w.deployment, w.pods, w.deployments.clock.Now())
	return problem, nil
}

// forgiven is how long looks may fail, and a server may say nothing at all.
const forgiven = 10 * time.Second

// miss forgives failures for a while, unless they are sure to last: an API
// server that restarts is no reason to abandon a release.
func (w *waiter) miss(err error, now time.Time) error {
	if w.missing.IsZero() {
		w.missing = now
	}
	lasting := errors.Is(err, ErrNotFound) || apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) || errors.Is(err, context.Canceled)
	if lasting || now.Sub(w.missing) >= forgiven {
		return err
	}
	return nil
}

func (w *waiter) overdue(now time.Time) error {
	if now.Before(w.deadline) {
		return nil
	}
	return w.timedOut()
}

func (w *waiter) timedOut() error {
	if p := w.examination.problem; p != nil {
		return hint.Wrap(fmt.Errorf("%w: %s: %s", ErrTimeout, w.last, p.What), "%s", p.Next)
	}
	return hint.Wrap(fmt.Errorf("%w: %s", ErrTimeout, w.last),
		"run the same command again to keep waiting, with a longer --timeout; kubectl -n %s describe deployment %s shows its events",
		w.deployments.namespace, w.name)
}

func progress(s diagnosis.Snapshot) Progress {
	p := Progress{Deployment: s.Deployment.Name, Desired: int(desired(s.Deployment))}
	for i := range s.Pods {
		switch pod := &s.Pods[i]; {
		case podReady(pod):
			p.Ready++
		case p.Doing == "":
			p.Doing = doing(pod)
		}
	}
	if rolledOut(s.Deployment) {
		p.Ready, p.Doing = p.Desired, ""
	}
	return p
}

// doing is what a Pod is at, in the cluster's own word where it has one.
func doing(pod *corev1.Pod) string {
	for _, status := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		if w := status.State.Waiting; w != nil && w.Reason != "PodInitializing" {
			return w.Reason
		}
	}
	if pod.Status.Phase == corev1.PodRunning {
		return "running, not ready yet"
	}
	return cmp.Or(pod.Status.Reason, string(pod.Status.Phase))
}
