package istio

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

// Unname has the destinations that Name changed name no subset again.
func (r *Router) Unname(ctx context.Context, s traffic.Survey, sender string, w traffic.Write) (traffic.Object, error) {
	vs := s.Raw.(*surveyed).routes[sender]
	return r.unadopt(ctx, virtualService(s.Namespace, sender), vs, s.Canonical, w, unname)
}

// Undefine takes the subset away that Define added, or gives it its labels back.
func (r *Router) Undefine(ctx context.Context, s traffic.Survey, definition string, w traffic.Write) (traffic.Object, error) {
	dr := s.Raw.(*surveyed).rules[definition]
	return r.unadopt(ctx, destinationRule(s.Namespace, definition), dr, s.Canonical, w, undefine)
}

// unadopt takes back what was done to an object: one that adopt made, and nobody changed
// since, goes whole.
func (r *Router) unadopt(ctx context.Context, t target, o *unstructured.Unstructured, host string, w traffic.Write,
	back func(o *unstructured.Unstructured, host string, one canary.Adopted) (p patch, left string, err error),
) (traffic.Object, error) {
	if one := adoptedFor(o, host); one != nil && one.Made != "" && digest(encoded(o.Object["spec"])) == one.Made {
		return r.unmake(ctx, t, o, w)
	}
	left := ""
	after, err := r.write(ctx, t, o, w, func(o *unstructured.Unstructured) (patch, error) {
		if err := r.owned(ctx, t, o); err != nil {
			return nil, err
		}
		one := adoptedFor(o, host)
		if one == nil {
			return nil, nil
		}
		p, kept, err := back(o, host, *one)
		if err != nil {
			return nil, err
		}
		if left = kept; one.Made != "" {
			left = "it stays, for somebody changed it since"
		}
		return append(untouched(o), p...), nil
	})
	result := object(t, after)
	result.Left = left
	return result, err
}

// unmake deletes an object as long as it is what was read.
func (r *Router) unmake(ctx context.Context, t target, o *unstructured.Unstructured, w traffic.Write) (traffic.Object, error) {
	result := object(t, o)
	result.Gone = true
	if w.Show != nil {
		w.Show("delete", t.resource.Resource, t.name, []byte(`{"apiVersion":"v1","kind":"DeleteOptions"}`))
	}
	if w.DryRun == traffic.DryRunClient {
		return result, nil
	}
	uid, version := o.GetUID(), o.GetResourceVersion()
	err := r.in(t).Delete(ctx, t.name, metav1.DeleteOptions{
		Preconditions: &metav1.Preconditions{UID: &uid, ResourceVersion: &version}, DryRun: options(w).DryRun,
	})
	switch {
	case apierrors.IsNotFound(err):
		return result, nil
	case apierrors.IsConflict(err):
		return result, hint.Wrap(fmt.Errorf("delete %s: %w", t, traffic.ErrConflict), "run the same command again: it looks at what that is now")
	case err != nil:
		return result, fmt.Errorf("delete %s: %w", t, err)
	}
	return result, nil
}

// unname is about all destinations that name the version, wherever somebody moved them
// since: the subset goes. Where some had named it before, they are told by their places.
func unname(vs *unstructured.Unstructured, host string, one canary.Adopted) (p patch, left string, err error) {
	t := virtualService(vs.GetNamespace(), vs.GetName())
	if route, err := view(vs, host, ""); err == nil && (route.Stable != one.Version || route.Place().Canary != "" && route.Position != nil || route.Weights.Canary > 0) {
		return nil, "", hint.Wrap(fmt.Errorf("%s: %w: somebody began something: %s is stable, and %s the canary", t, traffic.ErrServing, route.Stable, route.Canary),
			"canaryctl status shows what; the parts that were put back stay so, and canaryctl adopt brings them in again")
	}
	s := stateOf(vs, host)
	names := []string{s.name(canary.Annotation), s.name(canary.PlanAnnotation), s.name(canary.HistoryAnnotation)}
	if vs.GetAnnotations()[hostAnnotation] == host {
		names = append(names, hostAnnotation)
	}
	var now []string
	for _, at := range placesOf(vs, host) {
		if at.subset == one.Version {
			now = append(now, at.pointer)
		}
	}
	if known := slices.Sorted(slices.Values(slices.Concat(one.Named, one.Kept))); len(one.Kept) > 0 && !slices.Equal(known, slices.Sorted(slices.Values(now))) {
		return nil, "", hint.Wrap(fmt.Errorf("%s: %w since adopt: some of its destinations named %s before, and which cannot be told any more", t, traffic.ErrConflict, one.Version),
			"take the subset out by hand, and the annotation %s: kubectl -n %s edit virtualservice %s; nothing was changed", canary.AdoptedAnnotation, vs.GetNamespace(), vs.GetName())
	}
	for _, pointer := range now {
		if !slices.Contains(one.Kept, pointer) {
			p = append(p, remove(pointer+"/subset"))
		}
	}
	return append(p, disown(vs, host, names...)...), "", nil
}

// undefine leaves a subset alone that somebody changed since: nothing names it any more.
func undefine(dr *unstructured.Unstructured, host string, one canary.Adopted) (p patch, left string, err error) {
	all := subsetsOf(dr)
	names := []string{}
	if i := all.index(one.Version); i >= 0 {
		switch own := one.Made != "" || digest(encoded(all.list[i])) == one.Subset; {
		case !own:
			left = fmt.Sprintf("subset %s stays, for somebody changed it since", one.Version)
		case one.Was != nil:
			var was any
			if err := json.Unmarshal(one.Was, &was); err != nil {
				return nil, "", fmt.Errorf("DestinationRule %s/%s: read what subset %s was: %w", dr.GetNamespace(), dr.GetName(), one.Version, err)
			}
			p = append(p, set(fmt.Sprintf("/spec/subsets/%d", i), was, true))
		case len(all.list) == 1 && (one.NoList || one.Made != ""):
			p = append(p, remove("/spec/subsets"))
		default:
			p = append(p, remove(fmt.Sprintf("/spec/subsets/%d", i)))
		}
	}
	if strings.Trim(dr.GetAnnotations()[addedSubsets], ",") == "" {
		names = append(names, addedSubsets)
	}
	return append(p, disown(dr, host, names...)...), left, nil
}
