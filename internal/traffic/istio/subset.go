package istio

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/kube"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

// addedSubsets is the annotation by which a DestinationRule remembers, in the
// same write, which of its subsets canaryctl put in.
const addedSubsets = "canaryctl.io/added-subsets"

// ruleFor finds the DestinationRule that defines the subsets of a host.
func (r *Router) ruleFor(ctx context.Context, route traffic.Route) (*unstructured.Unstructured, error) {
	list, err := r.client.Resource(kube.DestinationRules()).Namespace(route.Namespace).List(ctx, metav1.ListOptions{})
	if kube.NotServed(err) {
		return nil, notInstalled(route.Namespace)
	}
	if err != nil {
		return nil, fmt.Errorf("list DestinationRules in namespace %s: %w", route.Namespace, err)
	}
	var fitting []unstructured.Unstructured
	for _, o := range list.Items {
		if host, _, _ := unstructured.NestedString(o.Object, "spec", "host"); sameHost(host, route.Host, route.Namespace) {
			fitting = append(fitting, o)
		}
	}
	// Several rules of one host are merged by Istio; the one that defines the
	// stable version is where another version belongs.
	for i := range fitting {
		if _, ok := subsetsOf(&fitting[i]).labels(route.Stable); ok || len(fitting) == 1 {
			return &fitting[i], nil
		}
	}
	return nil, hint.Wrap(fmt.Errorf("%s: %w: no DestinationRule in namespace %s defines subset %s of host %s", route, errNoRule, route.Namespace, route.Stable, route.Host),
		"%s", adoptHint(route.Namespace, route.Host))
}

// errNoRule marks a route whose subsets are not defined.
var errNoRule = errors.New("subsets are not defined")

// subsets is the list of a DestinationRule as it was read.
type subsets struct {
	list    []any
	present bool
}

func subsetsOf(dr *unstructured.Unstructured) subsets {
	v, present, _ := unstructured.NestedFieldNoCopy(dr.Object, "spec", "subsets")
	list, _ := v.([]any)
	return subsets{list, present}
}

// index is where a subset stands in the list, or -1.
func (s subsets) index(version string) int {
	return slices.IndexFunc(s.list, func(v any) bool {
		m, _ := v.(map[string]any)
		return m["name"] == version
	})
}

// labels are the labels that select a subset's Pods, besides the Service's.
func (s subsets) labels(version string) (map[string]string, bool) {
	i := s.index(version)
	if i < 0 {
		return nil, false
	}
	m, _ := s.list[i].(map[string]any)
	labels, _, _ := unstructured.NestedStringMap(m, "labels")
	return labels, true
}

// twin is a subset like the stable one's, with all that it says of how its Pods are
// called: a comparison under other conditions would be none.
func (s subsets) twin(stable, version string) map[string]any {
	subset := map[string]any{}
	if i := s.index(stable); i >= 0 {
		if like, ok := runtime.DeepCopyJSONValue(s.list[i]).(map[string]any); ok {
			subset = like
		}
	}
	like, _ := s.labels(stable)
	labels := map[string]any{}
	for name, value := range subsetLabels(like, stable, version) {
		labels[name] = value
	}
	subset["name"], subset["labels"] = version, labels
	return subset
}

// addSubset defines a version's subset, if it is not there. Where it was there when the
// route was found, and that is not a moment ago, it is looked for again: no write would
// notice that it is gone.
func (r *Router) addSubset(ctx context.Context, route traffic.Route, version string, justFound bool, w traffic.Write) error {
	found, err := r.ruleAtHand(ctx, route)
	if err == nil && subsetsOf(found).index(version) >= 0 && !justFound {
		found, err = r.ruleFor(ctx, route)
	}
	if err != nil {
		return err
	}
	t := destinationRule(route.Namespace, found.GetName())
	_, err = r.write(ctx, t, found, w, func(dr *unstructured.Unstructured) (patch, error) {
		if err := r.owned(ctx, t, dr); err != nil {
			return nil, err
		}
		s := subsetsOf(dr)
		if s.index(version) >= 0 {
			return nil, nil
		}
		subset := s.twin(route.Stable, version)
		p := annotate(dr, map[string]string{addedSubsets: strings.Join(append(added(dr), version), ",")})
		if !s.present {
			return append(p, test("/spec/subsets", nil), add("/spec/subsets", []any{subset})), nil
		}
		return append(p, test("/spec/subsets", s.list), add("/spec/subsets/-", subset)), nil
	})
	return err
}

// added lists the subsets that canaryctl put in.
func added(dr *unstructured.Unstructured) []string {
	text := dr.GetAnnotations()[addedSubsets]
	if text == "" {
		return nil
	}
	return strings.Split(text, ",")
}

// removeSubset takes a version's subset away, unless another VirtualService
// routes to it. A subset that canaryctl did not add goes only with whole.
func (r *Router) removeSubset(ctx context.Context, route traffic.Route, version string, whole bool, others []unstructured.Unstructured, w traffic.Write) error {
	found, err := r.ruleFor(ctx, route)
	if errors.Is(err, errNoRule) {
		return nil
	}
	if err != nil {
		return err
	}
	if subsetsOf(found).index(version) < 0 || !whole && !slices.Contains(added(found), version) {
		return nil
	}
	if namedByOthers(others, route, version) {
		return nil
	}
	t := destinationRule(route.Namespace, found.GetName())
	_, err = r.write(ctx, t, found, w, func(dr *unstructured.Unstructured) (patch, error) {
		s := subsetsOf(dr)
		i := s.index(version)
		if i < 0 {
			return nil, nil
		}
		if err := r.owned(ctx, t, dr); err != nil {
			return nil, err
		}
		left := slices.DeleteFunc(added(dr), func(v string) bool { return v == version })
		p := annotate(dr, map[string]string{addedSubsets: strings.Join(left, ",")})
		return append(p, test("/spec/subsets", s.list), remove(fmt.Sprintf("/spec/subsets/%d", i))), nil
	})
	return err
}

// namedByOthers reports whether another VirtualService names the version.
func namedByOthers(others []unstructured.Unstructured, route traffic.Route, version string) bool {
	return slices.ContainsFunc(others, func(vs unstructured.Unstructured) bool {
		return slices.Contains(versionsOf(rulesOf(&vs), route.Host, route.Namespace), version)
	})
}
