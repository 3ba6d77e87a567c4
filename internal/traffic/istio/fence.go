package istio

import (
	"fmt"
	"reflect"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/kube"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

// fence is the guard of a change that holds only as long as nobody else changed
// what it was decided on. The API server refuses it after any change at all; of
// each fresh copy this says whether it was one that matters. Without a fence it
// guards nothing.
func fence(c traffic.Change, decided traffic.Route, vs *unstructured.Unstructured) (patch, error) {
	if !c.Fence {
		return nil, nil
	}
	if what := changed(standOf(raw(decided), decided), standOf(vs, decided)); what != "" {
		return nil, hint.Wrap(fmt.Errorf("%s: %w: %s, by %s", decided, traffic.ErrConflict, what, kube.Author(vs)),
			"look at it with canaryctl status, and decide again; nothing was changed")
	}
	return untouched(vs), nil
}

// stand is what a fenced change is decided on.
type stand struct {
	weights  []canary.Weights // of every rule that names both versions
	headers  []any            // the header rules
	mirrors  []any            // the mirrors to the canary
	position string
}

func standOf(vs *unstructured.Unstructured, route traffic.Route) stand {
	s := stand{position: vs.GetAnnotations()[stateOf(vs, route.Host).name(canary.Annotation)], headers: headerRules(vs, route)}
	for _, r := range rulesOf(vs) {
		w, ok := r.split(route)
		if !ok {
			continue
		}
		s.weights = append(s.weights, w)
		mirrors, _ := r.entry["mirrors"].([]any)
		for _, m := range mirrors {
			if mirrorTo(m, route, route.Canary) {
				s.mirrors = append(s.mirrors, m)
			}
		}
	}
	return s
}

// shares are the different weights that rules have.
func (s stand) shares() []string {
	var all []string
	for _, w := range s.weights {
		if !slices.Contains(all, w.String()) {
			all = append(all, w.String())
		}
	}
	return all
}

// changed says in words what differs, or "".
func changed(before, after stand) string {
	switch {
	case len(after.weights) == 0 && len(before.weights) > 0:
		return "no rule names both versions now"
	case !slices.Equal(before.weights, after.weights):
		return "the weights are " + listed(after.shares()) + " now"
	case !reflect.DeepEqual(before.headers, after.headers):
		return "requests with a header go elsewhere now"
	case !reflect.DeepEqual(before.mirrors, after.mirrors):
		return "requests are mirrored otherwise now"
	case after.position == "" && before.position != "":
		return "the position of the release is gone"
	case before.position != after.position:
		return "the release is at another position now"
	}
	return ""
}
