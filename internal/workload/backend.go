package workload

import (
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/canaryctl/canaryctl/internal/canary"
)

// names says of which version each Deployment is, or "" of one that is none of the
// application's. What the requests for a version reach is that version, whatever its
// labels say; only where they reach none is one taken that is labelled so. One that is
// labelled with the name of a version that others are goes by its own. What is behind
// another Service or none, the application's workers say, is no version of the route, but
// for what was made for it.
func (d Deployments) names(all []*unstructured.Unstructured) []string {
	names, reached := make([]string, len(all)), map[string]bool{}
	for i, o := range all {
		if version, ok := d.backends.VersionOf(podLabels(o)); ok {
			names[i], reached[version] = version, true
		}
	}
	for i, o := range all {
		if names[i] != "" || !d.labelled(o) || !d.behindService(o) {
			continue
		}
		if names[i] = versionOf(o); reached[names[i]] {
			names[i] = o.GetName()
		}
	}
	return names
}

// backendOf is that of the requests that a Deployment's Pods get.
func (d Deployments) backendOf(o *unstructured.Unstructured) canary.Backend {
	version, _ := d.backends.VersionOf(podLabels(o))
	b, _ := d.backends.Find(version)
	return b
}

// behindService reports whether the Service of a version selects a Deployment's Pods, or
// it was derived for one.
func (d Deployments) behindService(o *unstructured.Unstructured) bool {
	if _, derived := o.GetAnnotations()[AnnotationDerivedFrom]; derived || len(d.backends) == 0 {
		return true
	}
	return slices.ContainsFunc(d.backends, func(b canary.Backend) bool {
		b.Subset = nil
		return b.Selects(podLabels(o))
	})
}

// labelled reports whether a Deployment has the application's label.
func (d Deployments) labelled(o *unstructured.Unstructured) bool {
	return d.app != "" && (o.GetLabels()[LabelApp] == d.app || podLabels(o)[LabelApp] == d.app)
}

func podLabels(deployment *unstructured.Unstructured) map[string]string {
	all, _, _ := unstructured.NestedStringMap(deployment.Object, "spec", "template", "metadata", "labels")
	return all
}

// versionOfPod is that of the backend whose requests it gets.
func (d Deployments) versionOfPod(pod map[string]string) string {
	if len(d.backends) == 0 {
		return pod[LabelVersion]
	}
	version, _ := d.backends.VersionOf(pod)
	return version
}

// podsOf selects the Pods of some versions, and perhaps a few more.
func (d Deployments) podsOf(versions []string) *metav1.LabelSelector {
	if common := d.backends.Only(versions...).Common(); len(common) > 0 {
		return &metav1.LabelSelector{MatchLabels: common}
	}
	return &metav1.LabelSelector{
		MatchLabels: map[string]string{LabelApp: d.app},
		MatchExpressions: []metav1.LabelSelectorRequirement{
			{Key: LabelVersion, Operator: metav1.LabelSelectorOpIn, Values: versions},
		},
	}
}

// told is what tells a version's Deployment and Pods, in words.
func (d Deployments) told(version string) string {
	b, ok := d.backends.Find(version)
	if !ok {
		b = canary.Backend{Service: map[string]string{LabelApp: d.app}, Subset: map[string]string{LabelVersion: version}}
	}
	text := labels.FormatLabels
	if len(b.Subset) == 0 {
		return text(b.Service)
	}
	extra := maps.Clone(b.Subset)
	maps.DeleteFunc(extra, func(key, value string) bool { return b.Service[key] == value })
	return strings.Join(slices.DeleteFunc([]string{text(b.Service), text(extra)}, func(s string) bool { return s == "<none>" }), " and ")
}
