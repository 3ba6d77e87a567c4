package istio

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// patch is an RFC 6902 JSON patch.
type patch []operation

type operation struct {
	Op    string           `json:"op"`
	Path  string           `json:"path"`
	Value *json.RawMessage `json:"value,omitempty"`
}

// op makes an operation whose value is JSON; what comes out of a decoded
// document can always be encoded again.
func op(name, path string, value any) operation {
	data, err := json.Marshal(value)
	if err != nil {
		panic(fmt.Sprintf("encode the value of %s %s: %v", name, path, err))
	}
	return operation{name, path, (*json.RawMessage)(&data)}
}

func test(path string, value any) operation { return op("test", path, value) }
func add(path string, value any) operation  { return op("add", path, value) }
func remove(path string) operation          { return operation{Op: "remove", Path: path} }

// set writes an object's member, which is there already or not.
func set(path string, value any, present bool) operation {
	if present {
		return op("replace", path, value)
	}
	return op("add", path, value)
}

// changes reports whether the patch does more than test.
func (p patch) changes() bool {
	for _, o := range p {
		if o.Op != "test" {
			return true
		}
	}
	return false
}

func (p patch) body() []byte {
	data, err := json.Marshal(p)
	if err != nil {
		panic(fmt.Sprintf("encode a JSON patch: %v", err)) // its values are JSON already
	}
	return data
}

// apply is what the API server would make of the object.
func (p patch) apply(o *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	decoded, err := jsonpatch.DecodePatch(p.body())
	if err != nil {
		return nil, err
	}
	before, err := o.MarshalJSON()
	if err != nil {
		return nil, err
	}
	after, err := decoded.Apply(before)
	if err != nil {
		return nil, err
	}
	out := &unstructured.Unstructured{}
	return out, out.UnmarshalJSON(after)
}

// pointer is the JSON pointer of an annotation (RFC 6901, section 3).
func pointer(annotation string) string {
	return "/metadata/annotations/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(annotation)
}

// annotate sets annotations by name, or takes one off where its value is "". It
// tests what was read in any case: whoever changes one of them meanwhile makes
// the patch fail.
func annotate(o *unstructured.Unstructured, values map[string]string) patch {
	all := o.GetAnnotations()
	if all == nil {
		values = maps.Clone(values)
		maps.DeleteFunc(values, func(_, value string) bool { return value == "" })
		p := patch{test("/metadata/annotations", nil)}
		if len(values) > 0 {
			p = append(p, add("/metadata/annotations", values))
		}
		return p
	}
	var p patch
	for _, name := range slices.Sorted(maps.Keys(values)) {
		old, present := all[name]
		value := values[name]
		if !present {
			p = append(p, test(pointer(name), nil))
			if value != "" {
				p = append(p, add(pointer(name), value))
			}
			continue
		}
		p = append(p, test(pointer(name), old))
		switch value {
		case old:
		case "":
			p = append(p, remove(pointer(name)))
		default:
			p = append(p, set(pointer(name), value, true))
		}
	}
	return p
}

// keep is annotate without a change: a guard.
func keep(o *unstructured.Unstructured, name string) patch {
	return annotate(o, map[string]string{name: o.GetAnnotations()[name]})
}

// untouched is the guard that nobody changed anything of the object. A test of
// whole rules would be a narrower one, but gopkg.in/evanphx/json-patch.v4, which
// is the API server's, panics where a tested value holds a null.
func untouched(o *unstructured.Unstructured) patch {
	return patch{test("/metadata/resourceVersion", o.GetResourceVersion())}
}
