package workload

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/kube"
)

// annotationBefore is on a Deployment that was rolled: what it was before. It is
// written with the roll, in one write, so that whoever finds the one finds the other.
const (
	annotationBefore = "canaryctl.io/template-before"
	pointerBefore    = "/metadata/annotations/canaryctl.io~1template-before"
)

// beforeMost leaves room for others: annotations may take 256 KiB together.
const beforeMost = 100 << 10 // bytes

// ErrNotRolled says that a Deployment does not know what it was before the template that it has.
var ErrNotRolled = errors.New("no former Pod template is known")

// before is the former template, and a hash of the one that took its place: of any
// other it says nothing.
type before struct {
	Replaced string         `json:"replacedBy"`
	Template map[string]any `json:"template"`
}

// remember is the part of a JSON patch that keeps the template of a Deployment which
// gets another. One that is too large is not kept, and there is no way back to it.
func remember(stable *unstructured.Unstructured, want map[string]any) []any {
	next := stable.DeepCopy()
	next.Object["spec"].(map[string]any)["template"] = want
	text, err := json.Marshal(before{Replaced: templateHash(next), Template: templateOf(stable)})
	if err != nil || len(text) > beforeMost {
		return nil
	}
	if len(stable.GetAnnotations()) == 0 {
		return []any{map[string]any{"op": "add", "path": "/metadata/annotations", "value": map[string]any{annotationBefore: string(text)}}}
	}
	return []any{map[string]any{"op": "add", "path": pointerBefore, "value": string(text)}}
}

// former is the template that a Deployment had before it was rolled to the one that
// it has; nil where that is not known.
func former(stable *unstructured.Unstructured) map[string]any {
	var was before
	err := json.Unmarshal([]byte(stable.GetAnnotations()[annotationBefore]), &was)
	if err != nil || was.Replaced != templateHash(stable) {
		return nil
	}
	return was.Template
}

// Unroll gives a Deployment that Roll has rolled its former Pod template again. Where
// that is not known, or the template is another by now, it is ErrNotRolled and
// nothing is changed.
func (d Deployments) Unroll(ctx context.Context, name string, o Options) error {
	err := d.retry(ctx, func() error {
		stable, err := d.present(ctx, name)
		if err != nil {
			return err
		}
		template := former(stable)
		if template == nil {
			return hint.Wrap(ErrNotRolled, "kubectl -n %s rollout undo deployment %s", d.namespace, name)
		}
		return d.patch(ctx, stable, o,
			map[string]any{"op": "replace", "path": "/spec/template", "value": template},
			map[string]any{"op": "remove", "path": pointerBefore})
	})
	if err != nil {
		return fmt.Errorf("give %s its former template: %w", d.ref(name), err)
	}
	return nil
}

// Settle forgets what a Deployment was before it was rolled.
func (d Deployments) Settle(ctx context.Context, name string) error {
	err := d.retry(ctx, func() error {
		stable, err := d.present(ctx, name)
		if err != nil {
			return err
		}
		if _, keeps := stable.GetAnnotations()[annotationBefore]; !keeps {
			return nil
		}
		return d.patch(ctx, stable, Options{}, map[string]any{"op": "remove", "path": pointerBefore})
	})
	if err != nil {
		return fmt.Errorf("forget the former template of %s: %w", d.ref(name), err)
	}
	return nil
}

// retry repeats what collided. Every status that the controllers write makes another
// version of the object, so that a collision is no sign of somebody who disagrees.
func (d Deployments) retry(ctx context.Context, once func() error) error {
	const attempts = 20
	var err error
	for range attempts {
		if err = once(); !apierrors.IsConflict(err) {
			return err
		}
		if err := d.pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
	return err
}

// patch changes a Deployment as long as it is as it was read.
func (d Deployments) patch(ctx context.Context, was *unstructured.Unstructured, o Options, operations ...any) error {
	body, err := json.Marshal(append([]any{
		map[string]any{"op": "test", "path": "/metadata/resourceVersion", "value": was.GetResourceVersion()},
	}, operations...))
	if err != nil {
		return err
	}
	o.show("patch", "deployments", was.GetName(), body)
	if o.ClientDryRun {
		return nil
	}
	_, err = d.resource().Patch(ctx, was.GetName(), types.JSONPatchType, body, metav1.PatchOptions{DryRun: o.dryRun(), FieldManager: kube.FieldManager})
	if apierrors.IsInvalid(err) {
		return d.collided(ctx, was, err)
	}
	return err
}
