package istio

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/canaryctl/canaryctl/internal/canary"
)

// place is one destination of a VirtualService that leads to a host: the JSON pointer of
// it, and the subset that it names, or "". Copies of requests have destinations, too.
type place struct{ pointer, subset string }

func placesOf(vs *unstructured.Unstructured, host string) []place {
	var all []place
	add := func(pointer string, destination any) {
		m, _ := destination.(map[string]any)
		if to, _ := m["host"].(string); to != "" && sameHost(to, host, vs.GetNamespace()) {
			subset, _ := m["subset"].(string)
			all = append(all, place{pointer, subset})
		}
	}
	for _, r := range rulesOf(vs) {
		for i := range r.list {
			m, _ := r.list[i].(map[string]any)
			add(fmt.Sprintf("%s/%d/destination", r.path(), i), m["destination"])
		}
		if r.protocol != "http" {
			continue
		}
		at := fmt.Sprintf("/spec/http/%d", r.index)
		add(at+"/mirror", r.entry["mirror"])
		several, _ := r.entry["mirrors"].([]any)
		for i := range several {
			m, _ := several[i].(map[string]any)
			add(fmt.Sprintf("%s/mirrors/%d/destination", at, i), m["destination"])
		}
	}
	return all
}

// adoptedFor is what adopt did to an object for a host; nil for nothing. What cannot be
// read was not written by adopt.
func adoptedFor(o *unstructured.Unstructured, host string) *canary.Adopted {
	all, err := canary.ParseAdoptions(o.GetAnnotations()[canary.AdoptedAnnotation])
	if one, ok := all[host]; ok && err == nil {
		return &one
	}
	return nil
}

// adopt records what was done to an object for a host.
func adopt(o *unstructured.Unstructured, host string, one canary.Adopted) patch {
	all, _ := canary.ParseAdoptions(o.GetAnnotations()[canary.AdoptedAnnotation])
	return annotate(o, map[string]string{canary.AdoptedAnnotation: all.With(host, one).Encode()})
}

// disown takes annotations off, and the record of what was done for a host. Where that
// leaves no annotation, the object had none: they all go.
func disown(o *unstructured.Unstructured, host string, names ...string) patch {
	all, _ := canary.ParseAdoptions(o.GetAnnotations()[canary.AdoptedAnnotation])
	values := map[string]string{canary.AdoptedAnnotation: all.Without(host).Encode()}
	for _, name := range names {
		values[name] = ""
	}
	left := o.GetAnnotations()
	for name, value := range values {
		if value == "" {
			delete(left, name)
		}
	}
	if len(left) == 0 {
		return patch{remove("/metadata/annotations")}
	}
	return annotate(o, values)
}
