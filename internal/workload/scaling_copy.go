package workload

import (
	"maps"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// copies returns what the canary gets so that it is looked after as the stable
// version is: each belongs to the canary's Deployment, goes when that goes, and
// stays with it when it is promoted.
func (s Scaling) copies(canary *unstructured.Unstructured) []*unstructured.Unstructured {
	if s.Version.Object == nil {
		return nil // nothing was looked for
	}
	names := renamingBetween(s.Version.Object, canary)
	var out []*unstructured.Unstructured
	for _, source := range s.Autoscalers {
		o := names.copyOf(source, canary)
		for _, field := range []string{"apiVersion", "kind"} {
			if value, found, _ := unstructured.NestedString(source.Object, "spec", "scaleTargetRef", field); found {
				put(o, value, "spec", "scaleTargetRef", field)
			}
		}
		put(o, canary.GetName(), "spec", "scaleTargetRef", "name")
		neverToZero(o)
		out = append(out, o)
	}
	pods := podLabels(canary)
	if s.budgeted(pods, canary) {
		return out
	}
	for _, source := range s.Budgets {
		o := names.copyOf(source, canary)
		// One that is still about the stable version's Pods would be their second,
		// and Pods with two budgets cannot be evicted at all.
		if selects(o, pods) && !selects(o, s.Version.Labels) {
			out = append(out, o)
		}
	}
	return out
}

// budgeted reports whether a budget that the canary does not own is about its
// Pods: one for all versions of the application.
func (s Scaling) budgeted(pods map[string]string, canary *unstructured.Unstructured) bool {
	for i := range s.budgets {
		if b := &s.budgets[i]; selects(b, pods) && (canary.GetUID() == "" || !ownedBy(b, canary.GetUID())) {
			return true
		}
	}
	return false
}

// copyOf is derived as the canary's Deployment is: without what belongs to the
// source alone, and with the canary's version where it said the stable one.
func (r renaming) copyOf(source, canary *unstructured.Unstructured) *unstructured.Unstructured {
	o := inherit(source)
	o.SetName(r.name(source.GetName(), canary))
	if labels := child(child(o.Object, "metadata"), "labels"); len(labels) > 0 {
		r.labels(labels)
	}
	r.selectors(o.Object["spec"])
	annotations := o.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[AnnotationDerivedFrom] = source.GetName()
	o.SetAnnotations(annotations)
	o.SetOwnerReferences([]metav1.OwnerReference{{
		APIVersion: canary.GetAPIVersion(), Kind: canary.GetKind(), Name: canary.GetName(), UID: canary.GetUID(),
	}})
	return o
}

// name calls shop-v1 shop-v2, and shop, which says no version, shop-v2 too.
func (r renaming) name(source string, canary *unstructured.Unstructured) string {
	if versioned, ok := strings.CutSuffix(source, "-"+r[LabelVersion].from); ok {
		source = versioned
	}
	return Name(source, versionOf(canary))
}

// neverToZero keeps an autoscaler from taking the canary's last Pod: a version
// that gets little traffic, or none yet, looks idle, and its route would answer
// 503. A ScaledObject that says nothing of a least number means none
// (https://keda.sh/docs/latest/reference/scaledobject-spec/#minreplicacount).
func neverToZero(o *unstructured.Unstructured) {
	least := "minReplicas"
	if o.GetKind() == kindScaledObject {
		least = "minReplicaCount"
		for _, path := range [][]string{
			{"spec", "idleReplicaCount"},
			// The autoscaler that KEDA makes needs a name of its own.
			{"spec", "advanced", "horizontalPodAutoscalerConfig", "name"},
		} {
			unstructured.RemoveNestedField(o.Object, path...)
		}
		dropKEDAsMarks(o)
	}
	n, found, _ := unstructured.NestedInt64(o.Object, "spec", least)
	if n < 1 && (found || o.GetKind() == kindScaledObject) {
		put(o, int64(1), "spec", least)
	}
}

// dropKEDAsMarks leaves out what says of one ScaledObject that it is paused, or
// whose autoscaler it took over
// (https://keda.sh/docs/latest/reference/scaledobject-spec/).
func dropKEDAsMarks(o *unstructured.Unstructured) {
	annotations, labels := o.GetAnnotations(), o.GetLabels()
	maps.DeleteFunc(annotations, func(key, _ string) bool {
		return strings.HasPrefix(key, "autoscaling.keda.sh/paused") || key == "scaledobject.keda.sh/transfer-hpa-ownership"
	})
	delete(labels, "scaledobject.keda.sh/name")
	o.SetAnnotations(annotations)
	if len(labels) == 0 {
		labels = nil
	}
	o.SetLabels(labels)
}

// put sets a field of an object of ours. The path leads through objects alone.
func put(o *unstructured.Unstructured, value any, path ...string) {
	_ = unstructured.SetNestedField(o.Object, value, path...)
}
