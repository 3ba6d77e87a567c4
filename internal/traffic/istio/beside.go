package istio

import (
	"fmt"
	"maps"
	"reflect"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

// besides are the edits of spec.http that make it lead to a version besides the
// weights, or no longer. They are in places of the list as it was read.
type besides struct {
	http    []any
	drop    func(entry any) bool // the header rules of before
	headers map[int]any          // header rules, by the rule that each goes before
	mirrors map[int][]any        // mirrors, by the rule that they are of
	last    bool                 // nobody takes away afterwards what came since
}

// httpOf is spec.http as it was read.
func httpOf(vs *unstructured.Unstructured) []any {
	v, _, _ := unstructured.NestedFieldNoCopy(vs.Object, "spec", "http")
	list, _ := v.([]any)
	return list
}

// besideOf reads what leads to the canary besides the weights.
func besideOf(vs *unstructured.Unstructured, rules []rule, route traffic.Route) traffic.Beside {
	var b traffic.Beside
	for _, entry := range headerRules(vs, route) {
		if h, ok := headerOf(entry); ok && b.Header == nil {
			b.Header = &h
		}
	}
	for _, r := range httpRules(rules, route) {
		if percent, ok := mirrorOf(r.entry, route, route.Canary); ok && b.Mirror == 0 {
			b.Mirror = percent
		}
	}
	return b
}

// httpRules are the rules with two versions that know headers and mirrors.
func httpRules(rules []rule, route traffic.Route) []rule {
	return slices.DeleteFunc(slices.Clone(rules), func(r rule) bool {
		return r.protocol != "http" || !r.both(route)
	})
}

// wanted is what the change wants beside the weights; nil keeps what there is.
func wanted(c traffic.Change) *traffic.Beside {
	if c.Beside == nil && (c.Weights == canary.AllStable() || c.Weights == canary.AllCanary()) {
		return &traffic.Beside{}
	}
	return c.Beside
}

// lead says how spec.http comes to lead to the canary as wanted, and no other
// way besides the weights.
func lead(vs *unstructured.Unstructured, rules []rule, route traffic.Route, b traffic.Beside) (besides, error) {
	s := besides{http: httpOf(vs), headers: map[int]any{}, mirrors: map[int][]any{}}
	s.drop = func(entry any) bool { return oursOf(entry, route) }
	split := httpRules(rules, route)
	for _, r := range split {
		if h := b.Header; h != nil {
			if rule, ok := r.withHeader(route, *h); ok {
				s.headers[r.index] = rule
			}
		}
		mirrors, err := r.withMirror(route, b.Mirror)
		if err != nil {
			return besides{}, err
		}
		s.mirrors[r.index] = mirrors
	}
	switch {
	case b.Header != nil && len(s.headers) == 0:
		return besides{}, hint.Wrap(fmt.Errorf("%s: no http rule that names %s and %s can get a request with header %s: %s",
			route, route.Stable, route.Canary, b.Header.Name, b.Header.Value),
			"use another header; a header step needs an http rule, and tcp and tls have none")
	case b.Mirror > 0 && len(split) == 0:
		return besides{}, hint.Wrap(fmt.Errorf("%s: no http rule names %s and %s, and no other can mirror", route, route.Stable, route.Canary),
			"leave the mirror step out of the plan")
	}
	return s, nil
}

// leave says how spec.http no longer leads to the version besides the weights.
func leave(vs *unstructured.Unstructured, rules []rule, route traffic.Route, version string) besides {
	s := besides{http: httpOf(vs), mirrors: map[int][]any{}, last: true}
	s.drop = func(entry any) bool { return ours(entry) && leadsTo(entry, route, version) }
	for _, r := range rules {
		if _, ok := r.to(route.Host, route.Namespace, version); ok && r.protocol == "http" {
			s.mirrors[r.index] = mirrorsBut(r.entry, route, version)
		}
	}
	return s
}

// after puts the edits after others of the same rules. Rules move when one is put
// before them, so whatever else is to change comes first, the list is worked off
// from its end, and the object must be the one that was read.
func (s besides) after(others patch, vs *unstructured.Unstructured) patch {
	p := append(s.remirror(), s.rehead()...)
	if len(p) == 0 && (len(others) == 0 || !s.last) {
		return others
	}
	return slices.Concat(untouched(vs), others, p)
}

func (s besides) remirror() patch {
	var p patch
	for _, i := range slices.Sorted(maps.Keys(s.mirrors)) {
		m, _ := s.http[i].(map[string]any)
		old, present := m["mirrors"].([]any)
		next := s.mirrors[i]
		path := fmt.Sprintf("/spec/http/%d/mirrors", i)
		switch {
		case len(old) == 0 && len(next) == 0 || reflect.DeepEqual(old, next):
		case len(next) == 0:
			p = append(p, remove(path))
		default:
			p = append(p, set(path, next, present))
		}
	}
	return p
}

func (s besides) rehead() patch {
	have := map[int]any{}
	for i, entry := range s.http {
		if s.drop(entry) {
			have[i+1] = entry
		}
	}
	if len(have) == 0 && len(s.headers) == 0 || reflect.DeepEqual(have, s.headers) {
		return nil
	}
	var p patch
	for i := len(s.http) - 1; i >= 0; i-- {
		path := fmt.Sprintf("/spec/http/%d", i)
		if rule, ok := s.headers[i]; ok {
			p = append(p, add(path, rule))
		}
		if s.drop(s.http[i]) {
			p = append(p, remove(path))
		}
	}
	return p
}
