package router

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/json"
)

// object is a route object of which we know only the fields that we honour.
type object[Spec any] struct {
	kind      string
	namespace string
	name      string
	created   time.Time
	spec      Spec
	unknown   []string // paths of the fields that Spec does not have
}

// decode reads what Spec has of an object, and notes the paths of the rest: a
// field that is silently ignored would make the lab lie about the cluster.
func decode[Spec any](u *unstructured.Unstructured) (*object[Spec], error) {
	o := &object[Spec]{
		kind:      u.GetKind(),
		namespace: u.GetNamespace(),
		name:      u.GetName(),
		created:   u.GetCreationTimestamp().Time,
	}
	text, err := (&unstructured.Unstructured{Object: map[string]any{"spec": u.Object["spec"]}}).MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", o, err)
	}
	var whole struct {
		Spec *Spec `json:"spec"`
	}
	whole.Spec = &o.spec
	strict, err := json.UnmarshalStrict(text, &whole, json.DisallowUnknownFields)
	if err != nil {
		return nil, fmt.Errorf("decode %s: %w", o, err)
	}
	for _, problem := range strict {
		var field json.FieldError
		if errors.As(problem, &field) {
			o.unknown = append(o.unknown, field.FieldPath())
		}
	}
	return o, nil
}

// String is how problems name the object.
func (o *object[Spec]) String() string { return o.kind + " " + o.namespace + "/" + o.name }

// oldestFirst is the order in which Istio and the Gateway API settle conflicts.
func oldestFirst[Spec any](objects []*object[Spec]) []*object[Spec] {
	sorted := slices.Clone(objects)
	slices.SortStableFunc(sorted, func(a, b *object[Spec]) int {
		return cmp.Or(a.created.Compare(b.created), cmp.Compare(a.namespace, b.namespace), cmp.Compare(a.name, b.name))
	})
	return sorted
}
