package workload

import (
	"context"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/kube"
)

// Version is a live version of an application: a Deployment.
type Version struct {
	Version    string
	Deployment string   // name of the Deployment
	Images     []string // of the containers, in their order
	// Image is the application's, where it is clear which container that is.
	Image   string
	Labels  map[string]string // of its Pods
	Desired int
	Ready   int
	// Object is the Deployment itself, with every field that it has.
	Object *unstructured.Unstructured
}

// Versions lists the live versions of the application, by name, in one request.
// Deployments that are being deleted are not live.
func (d Deployments) Versions(ctx context.Context) ([]Version, error) {
	list, err := d.resource().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list the Deployments of %s in namespace %s: %w", d.app, d.namespace, err)
	}
	var live []*unstructured.Unstructured
	for i := range list.Items {
		if list.Items[i].GetDeletionTimestamp() == nil {
			live = append(live, &list.Items[i])
		}
	}
	var out []Version
	for i, name := range d.names(live) {
		if name == "" {
			continue
		}
		v, err := d.describe(name, live[i])
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	slices.SortFunc(out, func(a, b Version) int { return strings.Compare(a.Deployment, b.Deployment) })
	return out, nil
}

// Pick returns the one live version of that name.
func (d Deployments) Pick(versions []Version, version string) (Version, error) {
	var found []Version
	var have []string
	for _, v := range versions {
		have = append(have, v.Version)
		if v.Version == version {
			found = append(found, v)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		if len(have) == 0 {
			have = []string{"none"}
		}
		return Version{}, hint.Wrap(
			fmt.Errorf("%w: no Deployment's Pods have the labels %s (live versions: %s)",
				ErrNotFound, d.told(version), strings.Join(have, ", ")),
			"label the Deployment itself so, which restarts no Pod (kubectl label deployment), or name another application with --app; where its Pods lack the label, canaryctl adopt adds it")
	}
	return Version{}, d.duplicate(version, found[0].Deployment, found[1].Deployment)
}

func (d Deployments) duplicate(version, one, other string) error {
	return hint.Wrap(
		fmt.Errorf("%w: %s and %s, whose Pods have the labels %s",
			ErrDuplicate, one, other, d.told(version)),
		"delete or relabel one of them")
}

// versionOf reads the label off the Pods, which the subsets select, and only
// then off the Deployment.
func versionOf(deployment *unstructured.Unstructured) string {
	version, _, _ := unstructured.NestedString(deployment.Object, "spec", "template", "metadata", "labels", LabelVersion)
	if version == "" {
		version = deployment.GetLabels()[LabelVersion]
	}
	return version
}

func (d Deployments) describe(version string, obj *unstructured.Unstructured) (Version, error) {
	typed, err := typedDeployment(obj)
	if err != nil {
		return Version{}, err
	}
	v := Version{
		Version:    version,
		Deployment: obj.GetName(),
		Desired:    int(desired(typed)),
		Ready:      int(typed.Status.ReadyReplicas),
		Labels:     typed.Spec.Template.Labels,
		Object:     obj,
	}
	for _, c := range typed.Spec.Template.Spec.Containers {
		v.Images = append(v.Images, c.Image)
	}
	v.Image = imageOf(d.app, typed)
	return v, nil
}

// imageOf returns the application's image, or "" where it is not clear which
// container that is.
func imageOf(app string, d *appsv1.Deployment) string {
	containers := d.Spec.Template.Spec.Containers
	names := make([]string, len(containers))
	for i, c := range containers {
		names[i] = c.Name
	}
	i, err := pickContainer(names, "", d.Spec.Template.Annotations[annotationDefaultContainer], app)
	if err != nil {
		return ""
	}
	return containers[i].Image
}

func typedDeployment(obj *unstructured.Unstructured) (*appsv1.Deployment, error) {
	var out appsv1.Deployment
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(obj.Object, &out); err != nil {
		return nil, fmt.Errorf("read Deployment %s/%s: %w", obj.GetNamespace(), obj.GetName(), err)
	}
	return &out, nil
}

// Ready reports whether a Deployment has all the Pods it asks for, ready.
func Ready(obj *unstructured.Unstructured) bool {
	typed, err := typedDeployment(obj)
	return err == nil && rolledOut(typed)
}

// Restarts counts how often the containers of each version's present Pods were
// restarted, in one request.
func (d Deployments) Restarts(ctx context.Context) (map[string]int, error) {
	by := d.backends.Common()
	if len(by) == 0 {
		by = map[string]string{LabelApp: d.app}
	}
	pods, err := list[corev1.Pod](ctx, d, kube.Pods(), &metav1.LabelSelector{MatchLabels: by})
	if err != nil {
		return nil, err
	}
	restarts := map[string]int{}
	for _, pod := range pods {
		for _, c := range pod.Status.ContainerStatuses {
			restarts[d.versionOfPod(pod.Labels)] += int(c.RestartCount)
		}
	}
	return restarts, nil
}
