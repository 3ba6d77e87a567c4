package workload

import (
	"context"
	"fmt"
	"maps"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/kube"
)

// Roll gives a stable Deployment, to, the Pod template of its canary, from, and
// says whether that changed anything. What makes the Pods those of the stable
// version stays: the labels that its selector and the subset select. Nothing but
// the template is touched, the number of Pods least of all; what it was is kept
// beside it, for Unroll. Rolling twice is rolling once.
//
// The strategy does not matter, not even Recreate or a maxUnavailable of 100%:
// while the stable Deployment is rolled, all traffic goes to the canary, so that
// a moment without a ready Pod of the stable version answers no request with an
// error. What matters is that the traffic stays there until Rolled says
// canary.RolledOut, which is the caller's to see to.
func (d Deployments) Roll(ctx context.Context, from, to string, o Options) (changed bool, err error) {
	source, err := d.present(ctx, from)
	if err != nil {
		return false, fmt.Errorf("roll %s to the template of %s: %w", d.ref(to), from, err)
	}
	err = d.retry(ctx, func() (err error) {
		changed, err = d.rollOnce(ctx, source, to, o)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("roll %s to the template of %s: %w", d.ref(to), from, err)
	}
	return changed, nil
}

func (d Deployments) rollOnce(ctx context.Context, source *unstructured.Unstructured, to string, o Options) (bool, error) {
	stable, err := d.present(ctx, to)
	if err != nil {
		return false, err
	}
	want, err := rolledTemplate(stable, source, d.backendOf(stable), d.backendOf(source))
	if err != nil || equality.Semantic.DeepEqual(want, templateOf(stable)) {
		return false, err
	}
	if paused, _, _ := unstructured.NestedBool(stable.Object, "spec", "paused"); paused {
		return false, hint.Wrap(fmt.Errorf("%s is paused, and would never take the new template", d.ref(to)),
			"kubectl -n %s rollout resume deployment %s", d.namespace, to)
	}
	err = d.patch(ctx, stable, o, append(remember(stable, want), map[string]any{"op": "replace", "path": "/spec/template", "value": want})...)
	return err == nil, err
}

// collided tells a failed test from an invalid object: the API server answers
// both with 422 (k8s.io/apiserver/pkg/endpoints/handlers/patch.go). Where nobody
// changed the object since, no test can have failed.
func (d Deployments) collided(ctx context.Context, was *unstructured.Unstructured, refusal error) error {
	now, err := d.present(ctx, was.GetName())
	if err != nil || now.GetResourceVersion() == was.GetResourceVersion() {
		return refusal
	}
	return apierrors.NewConflict(kube.Deployments().GroupResource(), was.GetName(), refusal)
}

// present reads a Deployment that must be there to stay.
func (d Deployments) present(ctx context.Context, name string) (*unstructured.Unstructured, error) {
	obj, err := d.get(ctx, name)
	switch {
	case err != nil:
		return nil, err
	case obj == nil:
		return nil, hint.Wrap(fmt.Errorf("%w: there is no %s", ErrNotFound, d.ref(name)),
			"kubectl -n %s get deployments shows those there are", d.namespace)
	case obj.GetDeletionTimestamp() != nil:
		return nil, hint.Wrap(fmt.Errorf("%w: %s is being deleted", ErrNotFound, d.ref(name)),
			"wait until it is gone, and apply it again")
	}
	return obj, nil
}

func (d Deployments) pause(ctx context.Context, length time.Duration) error {
	timer := d.clock.NewTimer(length)
	defer timer.Stop()
	select {
	case <-timer.C():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Rolled says how far a stable Deployment is on its way to its canary's template:
// not begun while it has another, which it has once more when somebody sets it
// back. Its status counts only where it is about the present template.
func Rolled(stable, from Deployed) canary.Roll {
	if stable.Object == nil || from.Object == nil {
		return ""
	}
	want, err := rolledTemplate(stable.Object, from.Object, stable.Backend, from.Backend)
	if err != nil || !equality.Semantic.DeepEqual(want, templateOf(stable.Object)) {
		return ""
	}
	typed, err := typedDeployment(stable.Object)
	switch {
	case err != nil:
		return ""
	case rolledOut(typed):
		return canary.RolledOut
	case observed(typed) && (stable.Problem != nil || overDeadline(typed)):
		return canary.RollFailed
	}
	return canary.Rolling
}

func overDeadline(d *appsv1.Deployment) bool {
	for _, c := range d.Status.Conditions {
		if c.Type == appsv1.DeploymentProgressing {
			return c.Status == corev1.ConditionFalse && c.Reason == "ProgressDeadlineExceeded"
		}
	}
	return false
}

// rolledTemplate is the template that a stable Deployment gets from its canary:
// the canary's, with what Derive changed for the canary's sake changed back, and with the
// labels by which the backends tell the two, whoever made the canary.
func rolledTemplate(stable, from *unstructured.Unstructured, backends ...canary.Backend) (map[string]any, error) {
	old, want := templateOf(stable), templateOf(from)
	if old == nil || want == nil {
		return nil, fmt.Errorf("one of the Deployments %s and %s has no Pod template", stable.GetName(), from.GetName())
	}
	names := renamingBetween(stable, from)
	for _, b := range backends {
		for key := range b.Subset {
			if was, is := podLabels(stable)[key], podLabels(from)[key]; was != is {
				names[key] = change{was, is}
			}
		}
	}
	metadata, wanted := child(old, "metadata"), child(want, "metadata")
	wanted["labels"] = names.undoLabels(child(metadata, "labels"), child(wanted, "labels"))
	selected, _, _ := unstructured.NestedMap(stable.Object, "spec", "selector", "matchLabels")
	maps.Copy(child(wanted, "labels"), selected)
	annotations := child(metadata, "annotations") // its own, and what admission put there
	maps.Copy(annotations, child(wanted, "annotations"))
	setOrDrop(wanted, "annotations", annotations, len(annotations) > 0)
	timestamp, stamped := metadata["creationTimestamp"]
	setOrDrop(wanted, "creationTimestamp", timestamp, stamped)
	want["metadata"] = wanted
	oldSpec, spec := child(old, "spec"), child(want, "spec")
	for _, field := range []string{"affinity", "topologySpreadConstraints"} {
		value, found := names.undoSelectors(oldSpec[field], spec[field])
		setOrDrop(spec, field, value, found)
	}
	return want, nil
}

// undoLabels gives back to each label that the renaming changed its value from
// before. Canaries that were derived by what labels say, not by which they are, have
// theirs given back, too.
func (r renaming) undoLabels(before, after map[string]any) map[string]any {
	renamed, version := r.on(before), r[LabelVersion]
	for key, value := range after {
		was, ok := before[key]
		if ok && (renamed[key] == value || was == version.from && value == version.to) {
			after[key] = was
		}
	}
	for key := range r {
		if was, ok := before[key]; ok {
			after[key] = was
		} else {
			delete(after, key)
		}
	}
	return after
}

// undoSelectors is the tree from before where only the renaming changed it;
// else the one from after with the renaming reversed.
func (r renaming) undoSelectors(before, after any) (any, bool) {
	renamed := map[string]any{"": before}
	renamed = (&unstructured.Unstructured{Object: renamed}).DeepCopy().Object
	r.selectors(renamed[""])
	if equality.Semantic.DeepEqual(renamed[""], after) {
		return before, before != nil
	}
	r.back().selectors(after)
	return after, after != nil
}

// templateOf returns a copy of a Deployment's Pod template, nil for none.
func templateOf(deployment *unstructured.Unstructured) map[string]any {
	template, _, _ := unstructured.NestedMap(deployment.Object, "spec", "template")
	return template
}

// child returns the map at a key, an empty one where there is none.
func child(of map[string]any, key string) map[string]any {
	if m, ok := of[key].(map[string]any); ok {
		return m
	}
	return map[string]any{}
}

func setOrDrop(in map[string]any, key string, value any, set bool) {
	if set {
		in[key] = value
	} else {
		delete(in, key)
	}
}
