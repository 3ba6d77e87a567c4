package workload

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/hint"
)

// Spec says how the canary differs from the stable version.
type Spec struct {
	App       string
	Version   string
	Image     string
	Container string // the application's container; empty: found by itself
	Replicas  *int   // nil: as many as the stable version has
	Env       []Env  // set in the application's container
	// Images are those of other containers, by name. Those that have the image of the
	// application's follow it all the same.
	Images map[string]string
	// Labels and Annotations are set on the Deployment and on its Pods.
	Labels, Annotations map[string]string
	// Stable and Canary are where the route sends the requests for the two: the labels in
	// which they differ are those that the canary's Pods need.
	Stable, Canary canary.Backend
}

// Env is one environment variable.
type Env struct{ Name, Value string }

// Derive returns the canary's Deployment: the stable one's, with what Spec
// says, and without what belongs to the stable one alone. It works on the raw
// object, so that fields this program has never heard of are inherited too.
func Derive(stable *unstructured.Unstructured, s Spec) (*unstructured.Unstructured, error) {
	if _, err := parseImage(s.Image); err != nil {
		return nil, err
	}
	d := &derivation{Spec: s, renaming: renamingTo(stable, s), out: inherit(stable)}
	d.out.SetName(Name(s.App, s.Version))
	d.annotate(stable.GetName())
	d.relabel()
	if s.Replicas != nil {
		d.set(int64(*s.Replicas), "spec", "replicas")
	} else {
		d.share(stable)
	}
	d.mark()
	d.containers()
	if d.err == nil && len(s.Canary.Service) > 0 {
		d.err = errors.Join(s.reached(podLabels(d.out)), s.apart(podLabels(d.out)))
	}
	if d.err != nil {
		return nil, fmt.Errorf("derive the canary from Deployment %s/%s: %w", stable.GetNamespace(), stable.GetName(), d.err)
	}
	return d.out, nil
}

// derivation carries the first error, so that the steps read as a list.
type derivation struct {
	Spec
	renaming
	out *unstructured.Unstructured
	err error
}

func (d *derivation) set(value any, path ...string) {
	if d.err == nil {
		d.err = unstructured.SetNestedField(d.out.Object, value, path...)
	}
}

func (d *derivation) annotate(stable string) {
	annotations := d.out.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[AnnotationDerivedFrom] = stable
	d.out.SetAnnotations(annotations)
}

// share gives the canary as many Pods as the stable version has now, where an
// autoscaler decides and the Deployment asks for no number.
func (d *derivation) share(stable *unstructured.Unstructured) {
	_, asks, _ := unstructured.NestedFieldNoCopy(stable.Object, "spec", "replicas")
	if has, _, _ := unstructured.NestedInt64(stable.Object, "status", "replicas"); !asks && has > 0 {
		d.set(has, "spec", "replicas")
	}
}

// reached is an error unless the Service selects Pods with such labels.
func (s Spec) reached(labels map[string]string) error {
	for _, key := range slices.Sorted(maps.Keys(s.Canary.Service)) {
		if want := s.Canary.Service[key]; labels[key] != want {
			return hint.Wrap(fmt.Errorf("%w: the Service selects %s=%s, and the Pods of %s have %s=%s", ErrNotSelected, key, want, s.Version, key, cmp.Or(labels[key], "nothing")),
				"take %s out of the Service's selector: the subsets tell the versions apart; nothing was changed", key)
		}
	}
	return nil
}

// apart is an error where requests for the stable version would reach Pods with such
// labels: the canary would answer some before it is given any.
func (s Spec) apart(labels map[string]string) error {
	if !s.Stable.Selects(labels) {
		return nil
	}
	return hint.Wrap(fmt.Errorf("%w: subset %s selects the Pods of %s, too", ErrNotApart, s.Stable.Version, s.Version),
		"give subset %s of the DestinationRule a label that only its Pods have, version say: canaryctl adopt does; nothing was changed", s.Stable.Version)
}

// relabel makes every label and selector that said the stable version say the
// canary's: a selector that still named the stable version would match nothing,
// and an anti-affinity that did would spread the wrong Pods.
func (d *derivation) relabel() {
	labels, _, _ := unstructured.NestedMap(d.out.Object, "metadata", "labels")
	d.labels(labels)
	if labels == nil {
		labels = map[string]any{}
	}
	labels[LabelVersion] = d.renaming[LabelVersion].to
	d.set(labels, "metadata", "labels")
	for _, path := range [][]string{
		{"spec", "selector", "matchLabels"},
		{"spec", "template", "metadata", "labels"},
	} {
		labels, _, _ := unstructured.NestedMap(d.out.Object, path...)
		d.set(d.on(labels), path...)
	}
	for _, path := range [][]string{
		{"spec", "selector"},
		{"spec", "template", "spec", "affinity"},
		{"spec", "template", "spec", "topologySpreadConstraints"},
	} {
		node, _, _ := unstructured.NestedFieldNoCopy(d.out.Object, path...)
		d.selectors(node)
	}
}

// mark sets labels and annotations that somebody asked for. Those that select the Pods
// are not to be had: the Deployment would lose them.
func (d *derivation) mark() {
	selector, _, _ := unstructured.NestedMap(d.out.Object, "spec", "selector", "matchLabels")
	for _, key := range slices.Sorted(maps.Keys(d.Labels)) {
		if _, taken := selector[key]; taken || key == LabelApp || key == LabelVersion {
			d.err = errors.Join(d.err, fmt.Errorf("label %s: it says which Pods are the canary's", key))
		}
	}
	for _, at := range [][]string{{"metadata"}, {"spec", "template", "metadata"}} {
		for kind, pairs := range map[string]map[string]string{"labels": d.Labels, "annotations": d.Annotations} {
			for key, value := range pairs {
				d.set(value, slices.Concat(at, []string{kind, key})...)
			}
		}
	}
}

// containers gives the application's container its image and environment, and the
// image to all others that had the same: what prepares the database, say.
func (d *derivation) containers() {
	path := []string{"spec", "template", "spec", "containers"}
	containers, _, err := unstructured.NestedSlice(d.out.Object, path...)
	if d.err = errors.Join(d.err, err); d.err != nil {
		return
	}
	initPath := []string{"spec", "template", "spec", "initContainers"}
	inits, _, err := unstructured.NestedSlice(d.out.Object, initPath...)
	if d.err = errors.Join(d.err, err); d.err != nil {
		return
	}
	declared, _, _ := unstructured.NestedString(d.out.Object,
		"spec", "template", "metadata", "annotations", annotationDefaultContainer)
	i, err := pickContainer(namesOf(containers), d.Container, declared, d.App)
	if err != nil {
		d.err = err
		return
	}
	app, ok := containers[i].(map[string]any)
	if !ok {
		d.err = fmt.Errorf("container %d is not an object", i)
		return
	}
	old := app["image"]
	unknown := maps.Clone(d.Images)
	for _, c := range slices.Concat(containers, inits) {
		container, _ := c.(map[string]any)
		name, _ := container["name"].(string)
		if image, asked := d.Images[name]; asked {
			container["image"] = image
			delete(unknown, name)
		} else if container["image"] == old {
			container["image"] = d.Image
		}
	}
	app["image"] = d.Image
	app["env"] = setEnv(app["env"], d.environment(app["env"]))
	d.set(containers, path...)
	if len(inits) > 0 {
		d.set(inits, initPath...)
	}
	for _, name := range slices.Sorted(maps.Keys(unknown)) {
		d.err = errors.Join(d.err, fmt.Errorf("%w: there is no container %q; the Pods have: %s",
			ErrContainer, name, strings.Join(namesOf(slices.Concat(containers, inits)), ", ")))
	}
}

// OtherImages are the containers of a derived Deployment that do not have the image of
// their namesake in the stable one.
func OtherImages(stable, canary *unstructured.Unstructured) []string {
	var all []string
	for _, list := range []string{"initContainers", "containers"} {
		was, _, _ := unstructured.NestedSlice(stable.Object, "spec", "template", "spec", list)
		is, _, _ := unstructured.NestedSlice(canary.Object, "spec", "template", "spec", list)
		for i, name := range namesOf(is) {
			container, _ := is[i].(map[string]any)
			before := map[string]any{}
			if k := indexByName(was, name); k >= 0 {
				before, _ = was[k].(map[string]any)
			}
			if container["image"] != before["image"] {
				all = append(all, name)
			}
		}
	}
	return all
}

// environment is what the canary's process is told. A stable version that takes
// its version from its own labels needs no telling.
func (d *derivation) environment(inherited any) []Env {
	if followsLabel(inherited) {
		return d.Env
	}
	return append([]Env{{EnvVersion, d.Version}}, d.Env...)
}
