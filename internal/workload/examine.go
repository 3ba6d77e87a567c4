package workload

import (
	"context"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/canaryctl/canaryctl/internal/workload/diagnosis"
)

// evidence is what a diagnosis needs and no watch tells: it costs a request or
// three, so that it is read only where a Deployment is in doubt.
type evidence struct {
	generation int64 // of the Deployment that it is about
	read       time.Time
	replicaSet *appsv1.ReplicaSet // the newest; nil for none, or not to be known
	events     []corev1.Event
}

// How long evidence is good for. That on which a problem is believed must be
// fresh; that which may show a problem which the Pods do not is read after a
// while, and then ever more rarely.
const (
	fresh       = 3 * time.Second
	firstDoubt  = 5 * time.Second
	rarestDoubt = 40 * time.Second
)

// examination follows one Deployment that is not ready, and finds out why.
type examination struct {
	evidence evidence
	unready  time.Time // since when it is not ready
	doubt    time.Duration
	problem  *diagnosis.Problem
	since    time.Time        // when the problem was first seen
	believed diagnosis.Reason // the problem that fresh evidence confirmed
}

// look returns the problem that has lasted longer than problems of its kind may,
// nil for none. Where it asks for evidence, that is to be learned before looking
// once more.
func (e *examination) look(deployment *appsv1.Deployment, pods []corev1.Pod, now time.Time) (p *diagnosis.Problem, ask bool) {
	switch {
	case rolledOut(deployment):
		*e = examination{}
		return nil, false
	case e.unready.IsZero():
		*e = examination{unready: now, doubt: firstDoubt}
	}
	if e.evidence.generation != deployment.Generation {
		e.evidence, e.believed = evidence{generation: deployment.Generation}, ""
	}
	if !observed(deployment) {
		return nil, false
	}
	p = diagnosis.Diagnose(e.snapshot(deployment, pods))
	if p == nil || e.problem == nil || e.problem.Reason != p.Reason {
		e.since, e.believed = now, ""
	}
	e.problem = p
	return e.judge(now)
}

func (e *examination) judge(now time.Time) (p *diagnosis.Problem, ask bool) {
	switch lasts := e.problem != nil && now.Sub(e.since) >= e.problem.Patience; {
	case lasts && (e.believed == e.problem.Reason || now.Sub(e.evidence.read) < fresh):
		e.believed = e.problem.Reason
		return e.problem, false
	case lasts:
		return nil, true
	}
	since := e.unready
	if e.evidence.read.After(since) {
		since = e.evidence.read
	}
	return nil, now.Sub(since) >= e.doubt
}

// learn takes evidence into account. A problem that is called another in its
// light is still the same trouble: its time does not begin anew.
func (e *examination) learn(found evidence, deployment *appsv1.Deployment, pods []corev1.Pod) {
	if !e.evidence.read.IsZero() {
		e.doubt = min(2*e.doubt, rarestDoubt)
	}
	e.evidence = found
	if p := diagnosis.Diagnose(e.snapshot(deployment, pods)); p != nil && e.problem != nil {
		e.problem = p
	}
}

// snapshot leaves out the Pods of older ReplicaSets, where they are known.
func (e *examination) snapshot(deployment *appsv1.Deployment, pods []corev1.Pod) diagnosis.Snapshot {
	s := diagnosis.Snapshot{Deployment: deployment, ReplicaSet: e.evidence.replicaSet, Events: e.evidence.events, Pods: pods}
	if s.ReplicaSet != nil {
		s.Pods = controlledBy(s.ReplicaSet, pods)
	}
	return s
}

func controlledBy(set *appsv1.ReplicaSet, pods []corev1.Pod) []corev1.Pod {
	var out []corev1.Pod
	for i := range pods {
		if metav1.IsControlledBy(&pods[i], set) {
			out = append(out, pods[i])
		}
	}
	return out
}

// matching returns the Pods that a selector means.
func matching(selector *metav1.LabelSelector, pods []corev1.Pod) []corev1.Pod {
	by, err := metav1.LabelSelectorAsSelector(selector)
	if err != nil {
		return nil // the API server admits no such selector
	}
	var out []corev1.Pod
	for i := range pods {
		if by.Matches(labels.Set(pods[i].Labels)) {
			out = append(out, pods[i])
		}
	}
	return out
}

// gather reads the evidence on a Deployment. Who may not read all of it gets a
// poorer diagnosis.
func (d Deployments) gather(ctx context.Context, deployment *appsv1.Deployment, pods []corev1.Pod) (evidence, error) {
	found := evidence{generation: deployment.Generation}
	set, err := d.newestReplicaSet(ctx, deployment)
	if err != nil && !apierrors.IsForbidden(err) {
		return found, err
	}
	found.replicaSet = set
	if set != nil {
		pods = controlledBy(set, pods)
	}
	found.events, err = d.eventsOf(ctx, pods)
	found.read = d.clock.Now()
	return found, err
}
