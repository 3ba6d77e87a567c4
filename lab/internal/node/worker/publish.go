package worker

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/reference"

	"github.com/canaryctl/canaryctl/lab/internal/node/podstatus"
)

// apiRetry is how soon a request that the API server did not take is repeated.
const apiRetry = time.Second

// publish writes the Pod's status where it differs from what the API server has.
func (w *Worker) publish(ctx context.Context) {
	if w.deleted || w.inherited {
		return
	}
	w.known.Conditions = mergeConditions(w.known.Conditions, w.pod.Status.Conditions)
	status := w.status()
	patch, changed, err := statusPatch(w.pod.UID, w.known, &status)
	if err == nil && changed {
		var pod *corev1.Pod
		pod, err = w.Client.CoreV1().Pods(w.pod.Namespace).Patch(ctx, w.pod.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status")
		if err == nil {
			w.known = &pod.Status
		}
	}
	// A Pod that is not there any more, or is another of the same name, needs no
	// status; the informer will say so.
	if err != nil && ctx.Err() == nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		w.Log.Warn("write the status of a Pod", "pod", w.pod.Namespace+"/"+w.pod.Name, "error", err)
		w.later(w.Clock.Now().Add(apiRetry))
	}
}

func (w *Worker) status() corev1.PodStatus {
	facts := podstatus.Facts{
		Started: w.began, HostIP: w.Address, Stopping: w.ending,
		Init: w.statuses(w.init), Main: w.statuses(w.main),
		Reason: w.reason, Message: w.message,
	}
	if w.ip.IsValid() {
		facts.PodIP = w.ip.String()
	}
	pod := *w.pod
	pod.Status = *w.known
	return podstatus.Compute(&pod, facts, metav1.NewTime(w.Clock.Now()))
}

// mergeConditions adds to the conditions that this node wrote last those of
// others, which only the informer knows: readiness gates.
func mergeConditions(ours, seen []corev1.PodCondition) []corev1.PodCondition {
	out := append([]corev1.PodCondition(nil), ours...)
	index := make(map[corev1.PodConditionType]int)
	for i, c := range out {
		index[c.Type] = i
	}
	for _, c := range seen {
		i, known := index[c.Type]
		switch {
		case !known:
			out = append(out, c)
		case !written(c.Type):
			out[i] = c
		}
	}
	return out
}

func written(t corev1.PodConditionType) bool {
	switch t {
	case corev1.PodReadyToStartContainers, corev1.PodInitialized, corev1.PodReady, corev1.ContainersReady, corev1.PodScheduled:
		return true
	}
	return false
}

// statuses copies the containers' statuses. A Pod that is about to end is ready
// for nothing more.
func (w *Worker) statuses(of []*container) []corev1.ContainerStatus {
	var out []corev1.ContainerStatus
	for _, c := range of {
		status := *c.status.DeepCopy()
		status.Ready = status.Ready && !w.ending
		if c.init && !c.sidecar {
			status.Ready = c.done()
		}
		out = append(out, status)
	}
	return out
}

func statusPatch(uid types.UID, from, to *corev1.PodStatus) (patch []byte, changed bool, err error) {
	before, err := json.Marshal(corev1.Pod{Status: *from})
	if err != nil {
		return nil, false, fmt.Errorf("encode the present status: %w", err)
	}
	after, err := json.Marshal(corev1.Pod{Status: *to})
	if err != nil {
		return nil, false, fmt.Errorf("encode the new status: %w", err)
	}
	diff, err := strategicpatch.CreateTwoWayMergePatch(before, after, corev1.Pod{})
	if err != nil || string(diff) == "{}" {
		return nil, false, err
	}
	// The UID makes a patch for a Pod that was replaced meanwhile fail.
	var body map[string]any
	if err := json.Unmarshal(diff, &body); err != nil {
		return nil, false, err
	}
	body["metadata"] = map[string]any{"uid": uid}
	patch, err = json.Marshal(body)
	return patch, true, err
}

// conclude deletes a Pod that was to be deleted and has ended.
func (w *Worker) conclude(ctx context.Context) {
	if !w.over || w.pod.DeletionTimestamp == nil || w.deleted {
		return
	}
	err := w.Client.CoreV1().Pods(w.pod.Namespace).Delete(ctx, w.pod.Name, metav1.DeleteOptions{
		GracePeriodSeconds: new(int64),
		Preconditions:      metav1.NewUIDPreconditions(w.uid),
	})
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		if ctx.Err() == nil {
			w.Log.Warn("delete a Pod that has ended", "pod", w.pod.Namespace+"/"+w.pod.Name, "error", err)
			w.later(w.Clock.Now().Add(apiRetry))
		}
		return
	}
	w.deleted = true
}

// event tells about the Pod, or about one of its containers.
func (w *Worker) event(c *container, kind, reason, message string) {
	w.mu.Lock()
	pod := w.latest
	w.mu.Unlock()
	path := ""
	switch {
	case c != nil && c.init:
		path = fmt.Sprintf("spec.initContainers{%s}", c.spec.Name)
	case c != nil:
		path = fmt.Sprintf("spec.containers{%s}", c.spec.Name)
	}
	ref, err := reference.GetPartialReference(scheme.Scheme, pod, path)
	if err != nil {
		w.Log.Warn("name the Pod of an event", "event", reason, "error", err)
		return
	}
	w.Events.Event(ref, kind, reason, message)
}
