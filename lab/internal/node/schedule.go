package node

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/record"
	resourcehelper "k8s.io/component-helpers/resource"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
)

// rescheduleAfter is how soon a Pod that found no place is looked at again,
// though nothing happened to Pods: the node may have been uncordoned.
const rescheduleAfter = 5 * time.Second

// scheduler places Pods that are on no node.
type scheduler struct {
	client kubernetes.Interface
	pods   corelisters.PodLister
	events record.EventRecorder
	log    *slog.Logger
	wake   chan struct{}
}

func (s *scheduler) poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// run places Pods whenever anything has happened to one, until ctx ends.
func (s *scheduler) run(ctx context.Context) {
	ticker := time.NewTicker(rescheduleAfter)
	defer ticker.Stop()
	for {
		s.place(ctx)
		select {
		case <-s.wake:
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// place goes through the waiting Pods, the oldest first.
func (s *scheduler) place(ctx context.Context) {
	all, err := s.pods.List(labels.Everything())
	if err != nil {
		s.log.Warn("list the Pods to place", "error", err)
		return
	}
	var waiting []*corev1.Pod
	used := corev1.ResourceList{}
	for _, pod := range all {
		switch {
		case pod.Spec.NodeName != "":
			add(used, requests(pod))
		case placeable(pod):
			waiting = append(waiting, pod)
		}
	}
	if len(waiting) == 0 {
		return
	}
	node, err := s.client.CoreV1().Nodes().Get(ctx, Name, metav1.GetOptions{})
	if err != nil {
		s.log.Warn("read the Node to place Pods on", "error", err)
		return
	}
	slices.SortFunc(waiting, func(a, b *corev1.Pod) int {
		if c := a.CreationTimestamp.Compare(b.CreationTimestamp.Time); c != 0 {
			return c
		}
		return strings.Compare(a.Name, b.Name)
	})
	for _, pod := range waiting {
		if reason := unfit(pod, node, used); reason != "" {
			s.refuse(ctx, pod, reason)
			continue
		}
		s.bind(ctx, pod)
		add(used, requests(pod))
	}
}

// placeable says whether a Pod without a node is ours to place.
func placeable(pod *corev1.Pod) bool {
	return pod.Spec.SchedulerName == corev1.DefaultSchedulerName && len(pod.Spec.SchedulingGates) == 0 &&
		pod.DeletionTimestamp == nil && pod.Status.Phase != corev1.PodFailed
}

// requests are what a Pod takes of the node: nothing once it has ended.
func requests(pod *corev1.Pod) corev1.ResourceList {
	if pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
		return nil
	}
	list := resourcehelper.PodRequests(pod, resourcehelper.PodResourcesOptions{}).DeepCopy()
	if list == nil {
		list = corev1.ResourceList{}
	}
	list[corev1.ResourcePods] = *resource.NewQuantity(1, resource.DecimalSI)
	return list
}

func add(total, more corev1.ResourceList) {
	for name, quantity := range more {
		sum := total[name]
		sum.Add(quantity)
		total[name] = sum
	}
}

// unfit says why the Pod cannot be on the node, in the scheduler's words; ""
// means that it can.
func unfit(pod *corev1.Pod, node *corev1.Node, used corev1.ResourceList) string {
	if node.Spec.Unschedulable && !toleratesCordon(pod) {
		return "node(s) were unschedulable"
	}
	if ok, err := nodeaffinity.GetRequiredNodeAffinity(pod).Match(node); err != nil || !ok {
		return "node(s) didn't match Pod's node affinity/selector"
	}
	var short []string
	for name, wanted := range requests(pod) {
		if wanted.IsZero() {
			continue
		}
		left := node.Status.Allocatable[name]
		left.Sub(used[name])
		switch {
		case wanted.Cmp(left) <= 0:
		case name == corev1.ResourcePods:
			short = append(short, "Too many pods")
		default:
			short = append(short, "Insufficient "+string(name))
		}
	}
	slices.Sort(short)
	return strings.Join(short, ", 1 ")
}

func toleratesCordon(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Spec.Tolerations, func(t corev1.Toleration) bool {
		return t.Operator == corev1.TolerationOpExists && (t.Key == "" || t.Key == corev1.TaintNodeUnschedulable)
	})
}

// bind puts the Pod on the node.
func (s *scheduler) bind(ctx context.Context, pod *corev1.Pod) {
	err := s.client.CoreV1().Pods(pod.Namespace).Bind(ctx, &corev1.Binding{
		ObjectMeta: metav1.ObjectMeta{Name: pod.Name, Namespace: pod.Namespace, UID: pod.UID},
		Target:     corev1.ObjectReference{Kind: "Node", Name: Name},
	}, metav1.CreateOptions{})
	switch {
	case err == nil:
		s.events.Eventf(pod, corev1.EventTypeNormal, "Scheduled", "Successfully assigned %s/%s to %s", pod.Namespace, pod.Name, Name)
	case ctx.Err() == nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err):
		s.log.Warn("bind a Pod", "pod", pod.Namespace+"/"+pod.Name, "error", err)
	}
}

// refuse tells, once for each cause, why a Pod has no place.
func (s *scheduler) refuse(ctx context.Context, pod *corev1.Pod, reason string) {
	message := fmt.Sprintf("0/1 nodes are available: 1 %s. preemption: 0/1 nodes are available: "+
		"1 Preemption is not helpful for scheduling.", reason)
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Message == message {
			return
		}
	}
	update := pod.DeepCopy()
	update.Status.Conditions = slices.DeleteFunc(update.Status.Conditions, func(c corev1.PodCondition) bool { return c.Type == corev1.PodScheduled })
	update.Status.Conditions = append(update.Status.Conditions, corev1.PodCondition{
		Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable,
		Message: message, LastTransitionTime: metav1.Now(), ObservedGeneration: pod.Generation,
	})
	if _, err := s.client.CoreV1().Pods(pod.Namespace).UpdateStatus(ctx, update, metav1.UpdateOptions{}); err != nil {
		if ctx.Err() == nil && !apierrors.IsConflict(err) && !apierrors.IsNotFound(err) {
			s.log.Warn("say why a Pod has no place", "pod", pod.Namespace+"/"+pod.Name, "error", err)
		}
		return
	}
	s.events.Event(pod, corev1.EventTypeWarning, "FailedScheduling", message)
}
