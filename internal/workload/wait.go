package workload

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/canaryctl/canaryctl/internal/hint"
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
// about every look it takes. It gives up early, with an error that wraps
// ErrNotReady, on a problem that does not pass by itself, and with one that
// wraps ErrTimeout when the time is over.
func (d Deployments) WaitReady(ctx context.Context, name string, timeout time.Duration, report func(Progress)) error {
	w := waiter{deployments: d, name: name, deadline: d.clock.Now().Add(timeout), report: report}
	if err := d.poll(ctx, func() (bool, error) { return w.look(ctx) }); err != nil {
		return fmt.Errorf("wait for %s: %w", d.ref(name), err)
	}
	return nil
}

type waiter struct {
	deployments Deployments
	name        string
	deadline    time.Time
	report      func(Progress)

	last    Progress
	missing time.Time // since when looks fail; zero while they do not
	problem *diagnosis.Problem
	since   time.Time // when the problem was first seen
}

func (w *waiter) look(ctx context.Context) (ready bool, err error) {
	s, err := w.deployments.Snapshot(ctx, w.name)
	if err != nil {
		return false, w.miss(err)
	}
	w.missing = time.Time{}
	w.last = progress(s)
	w.report(w.last)
	if rolledOut(s.Deployment) {
		return true, nil
	}
	now := w.deployments.clock.Now()
	if w.believe(diagnosis.Diagnose(s), now) {
		return false, hint.Wrap(fmt.Errorf("%w: %s", ErrNotReady, w.problem.What), "%s", w.problem.Next)
	}
	if !now.Before(w.deadline) {
		return false, w.timedOut()
	}
	return false, nil
}

// miss forgives failures for a while, unless they are sure to last: an API
// server that restarts is no reason to abandon a release.
func (w *waiter) miss(err error) error {
	const forgiven = 10 * time.Second
	now := w.deployments.clock.Now()
	if w.missing.IsZero() {
		w.missing = now
	}
	lasting := errors.Is(err, ErrNotFound) || apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) || errors.Is(err, context.Canceled)
	if lasting || now.Sub(w.missing) >= forgiven {
		return err
	}
	return nil
}

// believe notes the present problem, nil for none, and reports whether it has
// lasted longer than problems of its kind may.
func (w *waiter) believe(p *diagnosis.Problem, now time.Time) bool {
	if p == nil {
		w.problem = nil
		return false
	}
	if w.problem == nil || w.problem.Reason != p.Reason {
		w.since = now
	}
	w.problem = p
	return now.Sub(w.since) >= p.Patience
}

func (w *waiter) timedOut() error {
	if w.problem != nil {
		return hint.Wrap(fmt.Errorf("%w: %s: %s", ErrTimeout, w.last, w.problem.What), "%s", w.problem.Next)
	}
	return hint.Wrap(fmt.Errorf("%w: %s", ErrTimeout, w.last),
		"run the same command again to keep waiting, with a longer --timeout; kubectl -n %s describe deployment %s shows its events",
		w.deployments.namespace, w.name)
}

func progress(s diagnosis.Snapshot) Progress {
	p := Progress{Deployment: s.Deployment.Name, Desired: int(desired(s.Deployment))}
	switch {
	case rolledOut(s.Deployment):
		p.Ready = p.Desired
	case s.ReplicaSet != nil:
		p.Ready = int(s.ReplicaSet.Status.ReadyReplicas)
	}
	for i := range s.Pods {
		if !podReady(&s.Pods[i]) {
			p.Doing = doing(&s.Pods[i])
			break
		}
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
