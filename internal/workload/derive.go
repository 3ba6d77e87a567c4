package workload

import (
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Spec says how the canary differs from the stable version.
type Spec struct {
	App       string
	Version   string
	Image     string
	Container string // the application's container; empty: found by itself
	Replicas  *int   // nil: as many as the stable version has
	Env       []Env  // set in the application's container
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
	d := &derivation{Spec: s, old: versionOf(stable), out: inherit(stable)}
	d.out.SetName(Name(s.App, s.Version))
	d.annotate(stable.GetName())
	d.relabel()
	if s.Replicas != nil {
		d.set(int64(*s.Replicas), "spec", "replicas")
	}
	d.container()
	if d.err != nil {
		return nil, fmt.Errorf("derive the canary from Deployment %s/%s: %w", stable.GetNamespace(), stable.GetName(), d.err)
	}
	return d.out, nil
}

// derivation carries the first error, so that the steps read as a list.
type derivation struct {
	Spec
	old string // the stable version
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

// relabel makes every label and selector that said the stable version say the
// canary's: a selector that still named the stable version would match nothing,
// and an anti-affinity that did would spread the wrong Pods. Labels of other
// names count as well when their value is the version: subsets may select them.
func (d *derivation) relabel() {
	for _, path := range [][]string{
		{"metadata", "labels"},
		{"spec", "selector", "matchLabels"},
		{"spec", "template", "metadata", "labels"},
	} {
		labels, _, _ := unstructured.NestedMap(d.out.Object, path...)
		d.renaming().labels(labels)
		for key, value := range labels {
			d.set(value, append(path, key)...)
		}
		d.set(d.Version, append(path, LabelVersion)...)
	}
	for _, path := range [][]string{
		{"spec", "selector"},
		{"spec", "template", "spec", "affinity"},
		{"spec", "template", "spec", "topologySpreadConstraints"},
	} {
		node, _, _ := unstructured.NestedFieldNoCopy(d.out.Object, path...)
		d.renaming().selectors(node)
	}
}

func (d *derivation) renaming() renaming { return renaming{from: d.old, to: d.Version} }

// container gives the application's container its image and environment.
func (d *derivation) container() {
	path := []string{"spec", "template", "spec", "containers"}
	containers, _, err := unstructured.NestedSlice(d.out.Object, path...)
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
	app["image"] = d.Image
	app["env"] = setEnv(app["env"], d.environment(app["env"]))
	d.set(containers, path...)
}

// environment is what the canary's process is told. A stable version that takes
// its version from its own labels needs no telling.
func (d *derivation) environment(inherited any) []Env {
	if followsLabel(inherited) {
		return d.Env
	}
	return append([]Env{{EnvVersion, d.Version}}, d.Env...)
}
