package workload

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/canaryctl/canaryctl/internal/kube"
)

// The kinds that look after the number of a version's Pods.
const (
	kindAutoscaler   = "HorizontalPodAutoscaler"
	kindScaledObject = "ScaledObject"
	kindBudget       = "PodDisruptionBudget"
)

// Scaling is what looks after the number of a version's Pods.
type Scaling struct {
	Version Version
	// Autoscalers are the HorizontalPodAutoscalers and KEDA's ScaledObjects that
	// scale the Deployment. One that a ScaledObject made is told by that one.
	Autoscalers []*unstructured.Unstructured
	// Budgets are the PodDisruptionBudgets that select the Pods, and maybe others.
	Budgets []*unstructured.Unstructured
	// Unknown says what could not be known, in a sentence each.
	Unknown []string

	// All that were listed, for what is made of them.
	autoscalers, budgets []unstructured.Unstructured
}

// Scaling finds out what looks after a version, in two requests at once, and a
// third where KEDA does. What may not be read is unknown, and no error.
//
// A ScaledObject is found by the autoscaler that KEDA made for it, so that a
// cluster without KEDA is not asked for any. One that is paused has none, scales
// nothing, and is not found.
func (d Deployments) Scaling(ctx context.Context, v Version) (Scaling, error) {
	s := Scaling{Version: v}
	var failed [2]error
	var both sync.WaitGroup
	both.Go(func() { s.autoscalers, failed[0] = d.listIfAllowed(ctx, kube.HorizontalPodAutoscalers()) })
	both.Go(func() { s.budgets, failed[1] = d.listIfAllowed(ctx, kube.PodDisruptionBudgets()) })
	both.Wait()
	var barred []string
	for i, kind := range []string{kindAutoscaler, kindBudget} {
		if apierrors.IsForbidden(failed[i]) {
			barred, failed[i] = append(barred, kind+"s"), nil
		}
	}
	if len(barred) > 0 {
		s.Unknown = append(s.Unknown, v.unknownTo(strings.Join(barred, " and ")))
	}
	if err := errors.Join(failed[:]...); err != nil {
		return Scaling{}, fmt.Errorf("find out what scales %s: %w", d.ref(v.Deployment), err)
	}
	for i := range s.budgets {
		if selects(&s.budgets[i], v.Labels) {
			s.Budgets = append(s.Budgets, &s.budgets[i])
		}
	}
	for i := range s.autoscalers {
		if err := d.addAutoscaler(ctx, &s, &s.autoscalers[i]); err != nil {
			return Scaling{}, err
		}
	}
	return s, nil
}

// unknownTo says what is not known of a version without the right to read
// something, and how to get it.
func (v Version) unknownTo(what string) string {
	return fmt.Sprintf("what looks after the number of Pods of %s is not known: %s may not be read; k8s/rbac/optional/autoscaling.yaml grants that", v.Deployment, what)
}

// addAutoscaler adds an autoscaler of the version, or what made it.
func (d Deployments) addAutoscaler(ctx context.Context, s *Scaling, hpa *unstructured.Unstructured) error {
	if !targets(hpa, s.Version.Deployment) {
		return nil
	}
	made, ok := ownerOfKind(hpa, kindScaledObject)
	if !ok {
		s.Autoscalers = append(s.Autoscalers, hpa)
		return nil
	}
	scaled, err := d.client.Resource(kube.ScaledObjects()).Namespace(d.namespace).Get(ctx, made.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsForbidden(err):
		s.Unknown = append(s.Unknown, s.Version.unknownTo(kindScaledObject+" "+made.Name))
	case apierrors.IsNotFound(err): // it is on its way out
	case err != nil:
		return fmt.Errorf("read ScaledObject %s/%s: %w", d.namespace, made.Name, err)
	default:
		s.Autoscalers = append(s.Autoscalers, scaled)
	}
	return nil
}

// listIfAllowed lists the objects of a resource; a cluster that does not know it
// has none.
func (d Deployments) listIfAllowed(ctx context.Context, r schema.GroupVersionResource) ([]unstructured.Unstructured, error) {
	list, err := d.client.Resource(r).Namespace(d.namespace).List(ctx, metav1.ListOptions{})
	switch {
	case kube.NotServed(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("list %s in namespace %s: %w", r.Resource, d.namespace, err)
	}
	return list.Items, nil
}

// forbiddenWords is the API server's own refusal, without what we were at.
func forbiddenWords(err error) string {
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		return status.Status().Message
	}
	return err.Error()
}

// Autoscaled reports whether something that was found scales the Deployment of
// that name, so that its number of Pods says nothing about who made it.
func (s Scaling) Autoscaled(deployment string) bool {
	for i := range s.autoscalers {
		if targets(&s.autoscalers[i], deployment) {
			return true
		}
	}
	return false
}

// Left returns what looks after this version and nobody else, and stays behind
// when its Deployment is deleted: what is not owned by the Deployment. Others are
// the versions that stay.
func (s Scaling) Left(others []Version) []*unstructured.Unstructured {
	var out []*unstructured.Unstructured
	for _, o := range s.Autoscalers {
		if !ownedBy(o, s.Version.Object.GetUID()) {
			out = append(out, o)
		}
	}
	for _, o := range s.Budgets {
		shared := false
		for _, other := range others {
			shared = shared || other.Deployment != s.Version.Deployment && selects(o, other.Labels)
		}
		if !shared && !ownedBy(o, s.Version.Object.GetUID()) {
			out = append(out, o)
		}
	}
	return out
}

// targets reports whether an autoscaler scales the Deployment of that name. A
// ScaledObject need not say the kind: it means a Deployment then
// (https://keda.sh/docs/latest/reference/scaledobject-spec/#scaletargetref).
func targets(o *unstructured.Unstructured, deployment string) bool {
	kind, found, _ := unstructured.NestedString(o.Object, "spec", "scaleTargetRef", "kind")
	name, _, _ := unstructured.NestedString(o.Object, "spec", "scaleTargetRef", "name")
	return name == deployment && (kind == "Deployment" || !found)
}

// selects reports whether the selector of a PodDisruptionBudget, or of a Deployment,
// means Pods of these labels.
func selects(o *unstructured.Unstructured, pod map[string]string) bool {
	raw, found, _ := unstructured.NestedMap(o.Object, "spec", "selector")
	if !found {
		return false
	}
	var by metav1.LabelSelector
	if runtime.DefaultUnstructuredConverter.FromUnstructured(raw, &by) != nil {
		return false
	}
	selector, err := metav1.LabelSelectorAsSelector(&by)
	return err == nil && selector.Matches(labels.Set(pod))
}

func ownedBy(o *unstructured.Unstructured, uid types.UID) bool {
	for _, owner := range o.GetOwnerReferences() {
		if owner.UID == uid {
			return true
		}
	}
	return false
}

func ownerOfKind(o *unstructured.Unstructured, kind string) (metav1.OwnerReference, bool) {
	for _, owner := range o.GetOwnerReferences() {
		if owner.Kind == kind {
			return owner, true
		}
	}
	return metav1.OwnerReference{}, false
}
