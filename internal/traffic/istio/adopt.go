package istio

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/kube"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

// Define gives a version a subset in the DestinationRule of the host: in the one that has
// it already, else in the oldest, else in a new one.
func (r *Router) Define(ctx context.Context, s traffic.Survey, version string, labels map[string]string, w traffic.Write) (traffic.Object, error) {
	raw := s.Raw.(*surveyed)
	name := ""
	for _, d := range s.Definitions {
		if _, has := d.Versions[version]; has || name == "" {
			name = d.Name
		}
	}
	selected := map[string]any{}
	for key, value := range labels {
		selected[key] = value
	}
	subset := map[string]any{"name": version, "labels": selected}
	if name == "" {
		return r.make(ctx, destinationRule(s.Namespace, free(s.Host, raw.rules)), s.Canonical, version,
			map[string]any{"host": s.Host, "subsets": []any{subset}}, w)
	}
	t := destinationRule(s.Namespace, name)
	after, err := r.write(ctx, t, raw.rules[name], w, func(dr *unstructured.Unstructured) (patch, error) {
		if err := r.owned(ctx, t, dr); err != nil {
			return nil, err
		}
		return define(dr, s.Canonical, subset), nil
	})
	return object(t, after), err
}

// define gives a DestinationRule a subset, or the one of that name its labels.
func define(dr *unstructured.Unstructured, host string, subset map[string]any) patch {
	version, _ := subset["name"].(string)
	one := canary.Adopted{Version: version}
	if before := adoptedFor(dr, host); before != nil {
		one.Made = before.Made
	}
	p := untouched(dr)
	all := subsetsOf(dr)
	if i := all.index(version); i >= 0 {
		was, _ := all.list[i].(map[string]any)
		now := maps.Clone(was)
		now["labels"] = subset["labels"]
		if encoded(was) == encoded(now) {
			return nil
		}
		one.Was, one.Subset = json.RawMessage(encoded(was)), digest(encoded(now))
		p = append(p, set(fmt.Sprintf("/spec/subsets/%d", i), now, true))
		return append(p, adopt(dr, host, one)...)
	}
	one.Subset, one.NoList = digest(encoded(subset)), !all.present
	if all.present {
		p = append(p, add("/spec/subsets/-", subset))
	} else {
		p = append(p, add("/spec/subsets", []any{subset}))
	}
	return append(p, adopt(dr, host, one)...)
}

// Name has all destinations of a VirtualService that lead to the host, and name no
// subset, name the version's: a rule that did not would send requests to a canary, too.
func (r *Router) Name(ctx context.Context, s traffic.Survey, sender, version string, w traffic.Write) (traffic.Object, error) {
	raw := s.Raw.(*surveyed)
	if sender == "" {
		return r.make(ctx, virtualService(s.Namespace, free(s.Host, raw.routes)), s.Canonical, version, map[string]any{
			"hosts": []any{s.Host},
			"http": []any{map[string]any{"route": []any{
				map[string]any{"destination": map[string]any{"host": s.Host, "subset": version}, "weight": int64(canary.Total)},
			}}},
		}, w)
	}
	t := virtualService(s.Namespace, sender)
	after, err := r.write(ctx, t, raw.routes[sender], w, func(vs *unstructured.Unstructured) (patch, error) {
		if err := r.owned(ctx, t, vs); err != nil {
			return nil, err
		}
		return name(vs, s.Canonical, version), nil
	})
	return object(t, after), err
}

func name(vs *unstructured.Unstructured, host, version string) patch {
	one := canary.Adopted{Version: version}
	before := adoptedFor(vs, host)
	if before != nil {
		one.Made, one.Kept = before.Made, before.Kept
	}
	p, bare := untouched(vs), false
	for _, at := range placesOf(vs, host) {
		switch {
		case at.subset == "":
			bare = true
			p = append(p, add(at.pointer+"/subset", version))
			one.Named = append(one.Named, at.pointer)
		case at.subset != version || slices.Contains(one.Kept, at.pointer):
		case before != nil:
			one.Named = append(one.Named, at.pointer)
		default:
			one.Kept = append(one.Kept, at.pointer)
		}
	}
	if !bare {
		return nil
	}
	return append(p, adopt(vs, host, one)...)
}

// make makes an object, which says of itself that adopt did.
func (r *Router) make(ctx context.Context, t target, host, version string, spec map[string]any, w traffic.Write) (traffic.Object, error) {
	one := canary.Adopted{Version: version, Made: digest(encoded(spec))}
	o := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": t.resource.GroupVersion().String(), "kind": t.kind, "spec": spec,
		"metadata": map[string]any{
			"name": t.name, "namespace": t.namespace,
			"annotations": map[string]any{canary.AdoptedAnnotation: canary.Adoptions{}.With(host, one).Encode()},
		},
	}}
	body, err := json.MarshalIndent(o, "", "  ")
	if err != nil {
		return traffic.Object{}, fmt.Errorf("print %s: %w", t, err)
	}
	if w.Show != nil {
		w.Show("create", t.resource.Resource, t.name, body)
	}
	if w.DryRun == traffic.DryRunClient {
		return object(t, o), nil
	}
	made, err := r.in(t).Create(ctx, o, metav1.CreateOptions{FieldManager: kube.FieldManager, DryRun: options(w).DryRun})
	if apierrors.IsAlreadyExists(err) { // an attempt before this one was cut short while its request was under way
		if there, errGet := r.read(ctx, t); errGet == nil {
			if before := adoptedFor(there, host); before != nil && before.Made == one.Made {
				return object(t, there), nil
			}
		}
	}
	if err != nil {
		return traffic.Object{}, fmt.Errorf("create %s: %w", t, err)
	}
	return object(t, made), nil
}

// free is a name that no object of a kind has.
func free(host string, taken map[string]*unstructured.Unstructured) string {
	name := host
	for n := 1; taken[name] != nil; n++ {
		if name = host + "-versions"; n > 1 {
			name = fmt.Sprintf("%s-versions-%d", host, n)
		}
	}
	return name
}

func object(t target, o *unstructured.Unstructured) traffic.Object {
	if o == nil {
		return traffic.Object{Kind: t.kind, Name: t.name}
	}
	return traffic.Object{Kind: t.kind, Name: t.name, Body: o.Object}
}

// encoded is JSON with sorted keys.
func encoded(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("encode %v: %v", v, err)) // it was JSON
	}
	return string(data)
}

// adoptHint is the next step where a host's versions have no names, or no subsets.
func adoptHint(namespace, host string) string {
	return fmt.Sprintf("canaryctl adopt -n %s --host %s names the version that runs, and adds what else is missing; --dry-run=client shows it first", namespace, host)
}
