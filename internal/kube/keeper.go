package kube

import (
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Keeper is the tool that applies an object from Git or a chart, or "": what somebody
// changes in the cluster alone it takes back, at once or at its next release. The signs
// are those that the tools document: Argo CD's tracking
// (https://argo-cd.readthedocs.io/en/stable/user-guide/resource_tracking/), Flux's labels
// (https://fluxcd.io/flux/faq/), Helm's annotations
// (https://helm.sh/docs/faq/changes_since_helm_2/).
func Keeper(o *unstructured.Unstructured) string {
	has := func(keys map[string]string, prefix string) bool {
		for key := range keys {
			if strings.HasPrefix(key, prefix) {
				return true
			}
		}
		return false
	}
	labels, annotations := o.GetLabels(), o.GetAnnotations()
	applied := func(manager string) bool {
		return slices.ContainsFunc(o.GetManagedFields(), func(e metav1.ManagedFieldsEntry) bool { return e.Manager == manager })
	}
	switch {
	case has(annotations, "argocd.argoproj.io/tracking-id"), has(labels, "argocd.argoproj.io/instance"),
		applied("argocd-controller"), applied("argocd-application-controller"):
		return "Argo CD"
	case has(labels, "kustomize.toolkit.fluxcd.io/"), has(labels, "helm.toolkit.fluxcd.io/"):
		return "Flux"
	case annotations["meta.helm.sh/release-name"] != "", labels["app.kubernetes.io/managed-by"] == "Helm":
		return "Helm"
	}
	return ""
}
