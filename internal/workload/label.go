package workload

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/kube"
)

// Behind lists the live Deployments whose Pods a Service with such a selector selects, by
// name, in one request. All are of the version "".
func (d Deployments) Behind(ctx context.Context, selector map[string]string) ([]Version, error) {
	list, err := d.resource().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list the Deployments in namespace %s: %w", d.namespace, err)
	}
	by := labels.SelectorFromSet(selector)
	var found []Version
	for i := range list.Items {
		o := &list.Items[i]
		if o.GetDeletionTimestamp() != nil || !by.Matches(labels.Set(podLabels(o))) {
			continue
		}
		v, err := d.describe("", o)
		if err != nil {
			return nil, err
		}
		found = append(found, v)
	}
	slices.SortFunc(found, func(a, b Version) int { return strings.Compare(a.Deployment, b.Deployment) })
	return found, nil
}

// Adopted is what adopt did to a Deployment for a host; nil for nothing.
func (v Version) Adopted(host string) *canary.Adopted {
	all, err := canary.ParseAdoptions(v.Object.GetAnnotations()[canary.AdoptedAnnotation])
	if one, ok := all[host]; ok && err == nil {
		return &one
	}
	return nil
}

// Label gives the Pods of a Deployment labels, by its template: it rolls them once, by its
// own strategy. Its selector is left alone, which cannot be changed, and which the Pods
// fit as before. The Deployment records that in the same write.
func (d Deployments) Label(ctx context.Context, name, host, version string, more map[string]string, o Options) (after *unstructured.Unstructured, err error) {
	after, err = d.relabel(ctx, name, o, func(next *unstructured.Unstructured) error {
		if paused, _, _ := unstructured.NestedBool(next.Object, "spec", "paused"); paused {
			return hint.Wrap(fmt.Errorf("%s is paused, and would never roll its Pods", d.ref(name)),
				"kubectl -n %s rollout resume deployment %s", d.namespace, name)
		}
		own := podLabels(next)
		maps.Copy(own, more)
		all, _ := canary.ParseAdoptions(next.GetAnnotations()[canary.AdoptedAnnotation])
		annotateWith(next, all.With(host, canary.Adopted{Version: version, Labels: more}).Encode())
		return unstructured.SetNestedStringMap(next.Object, own, "spec", "template", "metadata", "labels")
	})
	if err != nil {
		return nil, fmt.Errorf("label the Pods of %s: %w", d.ref(name), err)
	}
	return after, nil
}

// Unlabel takes away the labels that Label added, which rolls the Pods once more. One
// that has another value by now, or by which the Deployment selects its Pods, stays.
func (d Deployments) Unlabel(ctx context.Context, name, host string, o Options) (after *unstructured.Unstructured, err error) {
	after, err = d.relabel(ctx, name, o, func(next *unstructured.Unstructured) error {
		all, err := canary.ParseAdoptions(next.GetAnnotations()[canary.AdoptedAnnotation])
		if err != nil {
			return err
		}
		own, selected := podLabels(next), selectedBy(next)
		maps.DeleteFunc(own, func(key, value string) bool {
			_, needed := selected[key]
			put, ours := all[host].Labels[key]
			return ours && !needed && put == value
		})
		annotateWith(next, all.Without(host).Encode())
		return unstructured.SetNestedStringMap(next.Object, own, "spec", "template", "metadata", "labels")
	})
	if err != nil {
		return nil, fmt.Errorf("take the labels of %s back: %w", d.ref(name), err)
	}
	return after, nil
}

// Bear is an error where the Pods that a Deployment makes have not all of some labels.
func (d Deployments) Bear(ctx context.Context, name string, all map[string]string) error {
	o, err := d.present(ctx, name)
	if err != nil {
		return err
	}
	if own := podLabels(o); !labels.SelectorFromSet(all).Matches(labels.Set(own)) {
		return hint.Wrap(fmt.Errorf("the Pods of %s have not %s any more: last written by %s", d.ref(name), labels.Set(all), kube.SpecAuthor(o)),
			"suspend what writes it meanwhile, and run the same command again; until then no subset is to select these labels")
	}
	return nil
}

// relabel writes what an edit makes of the labels of a Deployment's Pods, and of its own
// annotations.
func (d Deployments) relabel(ctx context.Context, name string, o Options, edit func(*unstructured.Unstructured) error) (after *unstructured.Unstructured, err error) {
	err = d.retry(ctx, func() error {
		was, err := d.present(ctx, name)
		if err != nil {
			return err
		}
		after = was.DeepCopy()
		if err := edit(after); err != nil {
			return err
		}
		operations := []any{map[string]any{"op": "add", "path": "/spec/template/metadata/labels", "value": podLabels(after)}}
		if annotations := after.GetAnnotations(); len(annotations) > 0 {
			operations = append(operations, map[string]any{"op": "add", "path": "/metadata/annotations", "value": annotations})
		} else if len(was.GetAnnotations()) > 0 {
			operations = append(operations, map[string]any{"op": "remove", "path": "/metadata/annotations"})
		}
		return d.patch(ctx, was, o, operations...)
	})
	return after, err
}

// annotateWith sets the record of what adopt did, or takes it off where it is "".
func annotateWith(o *unstructured.Unstructured, record string) {
	all := map[string]string{}
	maps.Copy(all, o.GetAnnotations())
	if all[canary.AdoptedAnnotation] = record; record == "" {
		delete(all, canary.AdoptedAnnotation)
	}
	if len(all) == 0 {
		all = nil
	}
	o.SetAnnotations(all)
}
