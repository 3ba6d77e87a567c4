package workload

import (
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/canaryctl/canaryctl/internal/canary"
)

// inherit copies of the stable Deployment what a second one may have. It lists
// what is left behind, not what is taken along: a field that nobody here knows
// is a field that the application may need.
func inherit(stable *unstructured.Unstructured) *unstructured.Unstructured {
	old := stable.DeepCopy()
	out := &unstructured.Unstructured{Object: map[string]any{}}
	out.SetAPIVersion(old.GetAPIVersion())
	out.SetKind(old.GetKind())
	out.SetNamespace(old.GetNamespace())
	out.SetLabels(kept(old.GetLabels()))
	out.SetAnnotations(kept(old.GetAnnotations()))
	if spec, ok := old.Object["spec"]; ok {
		out.Object["spec"] = spec
	}
	// A paused Deployment creates no Pods, and the canary is wanted now.
	unstructured.RemoveNestedField(out.Object, "spec", "paused")
	// The template's own metadata: the API server writes a null timestamp there.
	unstructured.RemoveNestedField(out.Object, "spec", "template", "metadata", "creationTimestamp")
	dropKeys(out.Object, "spec", "template", "metadata", "annotations")
	return out
}

func kept(pairs map[string]string) map[string]string {
	out := maps.Clone(pairs)
	maps.DeleteFunc(out, func(key, _ string) bool { return isTheStablesOwn(key) || tracks(key) })
	if len(out) == 0 {
		return nil
	}
	return out
}

func dropKeys(obj map[string]any, path ...string) {
	pairs, found, _ := unstructured.NestedMap(obj, path...)
	if !found {
		return
	}
	maps.DeleteFunc(pairs, func(key string, _ any) bool { return isTheStablesOwn(key) })
	if len(pairs) == 0 {
		unstructured.RemoveNestedField(obj, path...)
		return
	}
	_ = unstructured.SetNestedMap(obj, pairs, path...) // the path was there a moment ago
}

// tracks tells the labels and annotations of an object by which tools that manage it
// find it, or know what to do to it. On Pods they are left alone: a Service may select
// them, and no tool takes a Pod that a ReplicaSet owns for its own.
func tracks(key string) bool {
	if key == "app.kubernetes.io/instance" { // Argo CD's, unless it is told another
		return true
	}
	domain, _, _ := strings.Cut(key, "/")
	return slices.Contains([]string{"helm.sh", "keel.sh", "reloader.stakater.com", "fluxcd.io", "configmap.reloader.stakater.com", "secret.reloader.stakater.com"}, domain)
}

// isTheStablesOwn tells the labels and annotations that describe the one object
// they are on: its history, and the tool that manages it. A GitOps tool that
// found its mark on an object that is not in Git would delete it.
func isTheStablesOwn(key string) bool {
	switch key {
	case "kubectl.kubernetes.io/last-applied-configuration",
		"kubectl.kubernetes.io/restartedAt",
		"deployment.kubernetes.io/revision",
		"kubernetes.io/change-cause",
		"app.kubernetes.io/managed-by",
		canary.AdoptedAnnotation,
		AnnotationDerivedFrom:
		return true
	}
	for _, prefix := range []string{
		"argocd.argoproj.io/",
		"kustomize.toolkit.fluxcd.io/",
		"helm.toolkit.fluxcd.io/",
		"meta.helm.sh/",
		"objectset.rio.cattle.io/",
		"autoscaling.alpha.kubernetes.io/",
	} {
		if strings.HasPrefix(key, prefix) {
			return true
		}
	}
	return false
}
