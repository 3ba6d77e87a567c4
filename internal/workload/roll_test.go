package workload

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/kube"
	"github.com/canaryctl/canaryctl/internal/kube/kubetest"
	"github.com/canaryctl/canaryctl/internal/workload/diagnosis"
)

// TestRolledTemplate takes back every derivation there is a case of: the stable
// Deployment keeps its labels and where it may run, and gets the new containers.
func TestRolledTemplate(t *testing.T) {
	files, err := filepath.Glob("testdata/derive/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var stable, from unstructured.Unstructured
			decode(t, member(t, archive, "stable.yaml").Data, &stable.Object)
			decode(t, member(t, archive, "canary.yaml").Data, &from.Object)
			want := templateOf(&stable)
			canary := templateOf(&from)
			for _, list := range []string{"containers", "initContainers"} {
				if containers, ok := child(canary, "spec")[list]; ok {
					child(want, "spec")[list] = containers
				}
			}
			for _, kind := range []string{"labels", "annotations"} { // those that were asked for
				pairs := child(child(want, "metadata"), kind)
				for key, value := range child(child(canary, "metadata"), kind) {
					if pairs[key] == nil {
						pairs[key] = value
					}
				}
				if len(pairs) > 0 {
					child(want, "metadata")[kind] = pairs
				}
			}

			got, err := rolledTemplate(&stable, &from)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("template (-want +got):\n%s", diff)
			}
			rolled := stable.DeepCopy()
			rolled.Object["spec"].(map[string]any)["template"] = got
			again, err := rolledTemplate(rolled, &from)
			if diff := cmp.Diff(got, again); err != nil || diff != "" {
				t.Errorf("rolled twice: %v\n%s", err, diff)
			}
		})
	}
}

// TestRolledTemplateOfAnEditedCanary has a person change the canary, selectors
// included, after it was derived.
func TestRolledTemplateOfAnEditedCanary(t *testing.T) {
	stable, from := object(t, stableYAML), canaryOf(t, "shop:v2")
	affinity := func(version string) map[string]any {
		return map[string]any{"podAntiAffinity": map[string]any{"requiredDuringSchedulingIgnoredDuringExecution": []any{
			map[string]any{"labelSelector": map[string]any{"matchLabels": map[string]any{"app": "shop", "version": version}}},
		}}}
	}
	set := func(o *unstructured.Unstructured, value any, path ...string) {
		t.Helper()
		if err := unstructured.SetNestedField(o.Object, value, append([]string{"spec", "template"}, path...)...); err != nil {
			t.Fatal(err)
		}
	}
	set(from, affinity("v2"), "spec", "affinity")
	set(from, "gold", "metadata", "labels", "tier")
	set(from, "yes", "metadata", "annotations", "prometheus.io/scrape")
	set(stable, "now", "metadata", "annotations", "kubectl.kubernetes.io/restartedAt")
	got, err := rolledTemplate(stable, from)
	if err != nil {
		t.Fatal(err)
	}
	want := templateOf(from)
	want["metadata"] = map[string]any{
		"labels":      map[string]any{"app": "shop", "version": "v1", "tier": "gold"},
		"annotations": map[string]any{"prometheus.io/scrape": "yes", "kubectl.kubernetes.io/restartedAt": "now"},
	}
	child(want, "spec")["affinity"] = affinity("v1")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("template (-want +got):\n%s", diff)
	}
}

func TestRoll(t *testing.T) {
	s := running(t, "shop:v2")
	d, ctx := connect(t, s), t.Context()
	read := func() *unstructured.Unstructured { return s.Get(kube.Deployments(), "default", "shop-v1") }
	before := read()
	for _, o := range []Options{{ServerDryRun: true}, {ClientDryRun: true}} {
		shown := 0
		o.Show = func(verb, resource, name string, _ []byte) {
			if shown++; verb+" "+resource+"/"+name != "patch deployments/shop-v1" {
				t.Errorf("shown: %s %s/%s", verb, resource, name)
			}
		}
		if changed, err := d.Roll(ctx, "shop-v2", "shop-v1", o); err != nil || !changed || shown != 1 {
			t.Errorf("dry: changed %t, shown %d times, %v", changed, shown, err)
		}
		if diff := cmp.Diff(before.Object, read().Object); diff != "" {
			t.Fatalf("a dry run changed it:\n%s", diff)
		}
	}
	scale := func() { // by somebody else, before our write
		o := read()
		if err := unstructured.SetNestedField(o.Object, int64(5), "spec", "replicas"); err != nil {
			t.Error(err)
		}
		s.Put(o)
	}
	s.Conflict(2, "deployments", scale)
	for _, want := range []bool{true, false} {
		if changed, err := d.Roll(ctx, "shop-v2", "shop-v1", Options{}); err != nil || changed != want {
			t.Errorf("changed %t, %v; want %t", changed, err, want)
		}
	}
	want, got := before.DeepCopy(), read()
	containers, _, _ := unstructured.NestedSlice(s.Get(kube.Deployments(), "default", "shop-v2").Object, "spec", "template", "spec", "containers")
	if err := errors.Join(
		unstructured.SetNestedSlice(want.Object, containers, "spec", "template", "spec", "containers"),
		unstructured.SetNestedField(want.Object, int64(5), "spec", "replicas"),
	); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"spec"} {
		if diff := cmp.Diff(want.Object[part], got.Object[part]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", part, diff)
		}
	}
	if diff := cmp.Diff(want.GetLabels(), got.GetLabels()); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
}

// TestUnroll takes a roll back, and only that: whoever gave the Deployment another
// template since knows better.
func TestUnroll(t *testing.T) {
	s := running(t, "shop:v2")
	d, ctx := connect(t, s), t.Context()
	read := func() *unstructured.Unstructured { return s.Get(kube.Deployments(), "default", "shop-v1") }
	before := read()
	if err := d.Unroll(ctx, "shop-v1", Options{}); !errors.Is(err, ErrNotRolled) || !strings.Contains(hint.Of(err), "rollout undo deployment shop-v1") {
		t.Errorf("one that was never rolled: %v (%s)", err, hint.Of(err))
	}
	roll := func() {
		t.Helper()
		if _, err := d.Roll(ctx, "shop-v2", "shop-v1", Options{}); err != nil || former(read()) == nil {
			t.Fatalf("rolled, and undoable %t: %v", former(read()) != nil, err)
		}
	}
	roll()
	if err := d.Unroll(ctx, "shop-v1", Options{ClientDryRun: true}); err != nil || former(read()) == nil {
		t.Errorf("a dry run: %v", err)
	}
	s.Conflict(2, "deployments", func() {})
	if err := d.Unroll(ctx, "shop-v1", Options{}); err != nil {
		t.Fatal(err)
	}
	after := read()
	if diff := cmp.Diff(templateOf(before), templateOf(after)); diff != "" || len(after.GetAnnotations()) != len(before.GetAnnotations()) {
		t.Errorf("annotations %v, template (-want +got):\n%s", after.GetAnnotations(), diff)
	}

	roll()
	edited := read()
	if err := unstructured.SetNestedField(edited.Object, "now", "spec", "template", "metadata", "annotations", "restarted"); err != nil {
		t.Fatal(err)
	}
	s.Put(edited)
	if err := d.Unroll(ctx, "shop-v1", Options{}); !errors.Is(err, ErrNotRolled) {
		t.Errorf("one that somebody else has changed since: %v", err)
	}
	for range 2 {
		if err := d.Settle(ctx, "shop-v1"); err != nil || read().GetAnnotations()[annotationBefore] != "" {
			t.Errorf("settled with %v: %v", read().GetAnnotations(), err)
		}
	}
}

// A Pod template that is too large to be kept is rolled all the same.
func TestRollOfALargeTemplate(t *testing.T) {
	stable := object(t, stableYAML)
	if err := unstructured.SetNestedField(stable.Object, strings.Repeat("x", beforeMost), "spec", "template", "metadata", "annotations", "large"); err != nil {
		t.Fatal(err)
	}
	if got := remember(stable, templateOf(stable)); got != nil {
		t.Errorf("kept: %v", got)
	}
}

func TestRollRefuses(t *testing.T) {
	for _, c := range []struct {
		name       string
		harm       func(*kubetest.Server)
		is         error
		want, hint string
	}{
		{"no canary", func(s *kubetest.Server) { s.Delete(kube.Deployments(), "default", "shop-v2") },
			ErrNotFound, "there is no Deployment default/shop-v2", "get deployments"},
		{"no stable version", func(s *kubetest.Server) { s.Delete(kube.Deployments(), "default", "shop-v1") },
			ErrNotFound, "there is no Deployment default/shop-v1", "get deployments"},
		{"a paused one", func(s *kubetest.Server) {
			o := s.Get(kube.Deployments(), "default", "shop-v1")
			if err := unstructured.SetNestedField(o.Object, true, "spec", "paused"); err != nil {
				t.Error(err)
			}
			s.Put(o)
		}, nil, "is paused, and would never take the new template", "kubectl -n default rollout resume deployment shop-v1"},
		{"one that may not be changed", func(s *kubetest.Server) { s.Forbid("patch", "deployments") },
			nil, `cannot patch resource "deployments"`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := running(t, "shop:v2")
			c.harm(s)
			changed, err := connect(t, s).Roll(t.Context(), "shop-v2", "shop-v1", Options{})
			if changed || err == nil || !strings.Contains(err.Error(), c.want) || c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("changed %t, %v; want %s", changed, err, c.want)
			}
			if got := hint.Of(err); !strings.Contains(got, c.hint) {
				t.Errorf("hint %q, want %q", got, c.hint)
			}
		})
	}
}

func TestRolled(t *testing.T) {
	from := Deployed{Object: canaryOf(t, "shop:v2")}
	status := func(generation, updated, available int64, condition map[string]any) map[string]any {
		return map[string]any{
			"observedGeneration": generation, "replicas": int64(2), "updatedReplicas": updated, "availableReplicas": available,
			"conditions": []any{condition},
		}
	}
	late := map[string]any{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
	fine := map[string]any{"type": "Progressing", "status": "True"}
	for _, c := range []struct {
		name    string
		status  map[string]any
		undone  bool
		problem *diagnosis.Problem
		want    canary.Roll
	}{
		{name: "the controller has not looked", status: status(1, 2, 2, late), want: canary.Rolling},
		{name: "one Pod is new", status: status(2, 1, 2, fine), want: canary.Rolling},
		{name: "all are, and not ready", status: status(2, 2, 1, fine), want: canary.Rolling},
		{name: "all are ready", status: status(2, 2, 2, fine), want: canary.RolledOut},
		{name: "over its deadline", status: status(2, 1, 1, late), want: canary.RollFailed},
		{name: "with a problem that lasts", status: status(2, 1, 1, fine), problem: &diagnosis.Problem{}, want: canary.RollFailed},
		{name: "somebody set it back", status: status(2, 2, 2, fine), undone: true, want: ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			stable := object(t, stableYAML)
			if !c.undone {
				template, err := rolledTemplate(stable, from.Object)
				if err != nil {
					t.Fatal(err)
				}
				stable.Object["spec"].(map[string]any)["template"] = template
			}
			stable.SetGeneration(2)
			stable.Object["status"] = c.status
			if got := Rolled(Deployed{Object: stable, Problem: c.problem}, from); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
	if got := Rolled(Deployed{Gone: true}, from); got != "" {
		t.Errorf("one that is gone: %q", got)
	}
}

// A canary that somebody else made may be told from the stable version by a label that no
// selector of a Deployment names, only the subset does.
func TestRolledTemplateKeepsTheSubsetsLabels(t *testing.T) {
	deployment := func(name, role, image string) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{
			"metadata": map[string]any{"name": name},
			"spec": map[string]any{
				"selector": map[string]any{"matchLabels": map[string]any{"name": name}},
				"template": map[string]any{
					"metadata": map[string]any{"labels": map[string]any{"name": name, "app": "shop", "role": role}},
					"spec":     map[string]any{"containers": []any{map[string]any{"name": "shop", "image": image}}},
				},
			},
		}}
	}
	backend := func(role string) canary.Backend {
		return canary.Backend{Version: role, Service: map[string]string{"app": "shop"}, Subset: map[string]string{"role": role}}
	}
	stable, from := deployment("a", "primary", "shop:1"), deployment("b", "canary", "shop:2")
	got, err := rolledTemplate(stable, from, backend("primary"), backend("canary"))
	if err != nil {
		t.Fatal(err)
	}
	want := templateOf(deployment("a", "primary", "shop:2"))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
