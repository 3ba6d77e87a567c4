package istio

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/kube"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

// attempts is how often a write is tried. In every round of colliding writers
// one gets through, so this is more than ten writers at once can need.
const attempts = 20

// write changes one object by the patch that build makes of it, beginning with
// the copy at hand. When somebody else was faster it reads the object anew and
// lets build decide again.
func (r *Router) write(ctx context.Context, t target, o *unstructured.Unstructured, w traffic.Write, build func(*unstructured.Unstructured) (patch, error)) (*unstructured.Unstructured, error) {
	for n := range attempts {
		p, err := build(o)
		if err != nil {
			return nil, err
		}
		if !p.changes() {
			return o, nil
		}
		body := p.body()
		if w.Show != nil && n == 0 {
			w.Show("patch", t.resource.Resource, t.name, body)
		}
		if w.DryRun == traffic.DryRunClient {
			return p.apply(o)
		}
		after, err := r.in(t).Patch(ctx, t.name, types.JSONPatchType, body, options(w))
		switch {
		case err == nil:
			return after, nil
		case !apierrors.IsConflict(err) && !apierrors.IsInvalid(err):
			return nil, fmt.Errorf("patch %s: %w", t, err)
		}
		if o, err = r.reread(ctx, t, o, n, err); err != nil {
			return nil, err
		}
	}
	return nil, outrun(t, o)
}

// reread waits and reads an object again after the refusal of the nth patch. The
// API server answers 422 to a failed test and to an invalid object alike
// (k8s.io/apiserver/pkg/endpoints/handlers/patch.go): where nobody changed the
// object since, no test can have failed, and the refusal is final.
func (r *Router) reread(ctx context.Context, t target, o *unstructured.Unstructured, n int, refusal error) (*unstructured.Unstructured, error) {
	if err := r.wait(ctx, n); err != nil {
		return nil, fmt.Errorf("patch %s: %w", t, err)
	}
	fresh, err := r.in(t).Get(ctx, t.name, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("read %s again after a conflict: %w", t, err)
	}
	if apierrors.IsInvalid(refusal) && fresh.GetResourceVersion() == o.GetResourceVersion() {
		return nil, fmt.Errorf("patch %s: %w", t, refusal)
	}
	return fresh, nil
}

func options(w traffic.Write) metav1.PatchOptions {
	o := metav1.PatchOptions{FieldManager: kube.FieldManager}
	if w.DryRun == traffic.DryRunServer {
		o.DryRun = []string{metav1.DryRunAll}
	}
	return o
}

// outrun is the error of a write that others kept overtaking.
func outrun(t target, o *unstructured.Unstructured) error {
	return hint.Wrap(fmt.Errorf("patch %s: %w %d times while this was tried; last by %s", t, traffic.ErrConflict, attempts, kube.Author(o)),
		"stop the other writer, then run the same command again; nothing was changed")
}

// change writes the VirtualService of a route. The edit sees a fresh snapshot;
// the write is given up when that snapshot calls other versions stable or on
// trial than the one that the caller decided on.
func (r *Router) change(ctx context.Context, route traffic.Route, w traffic.Write, edit func(*unstructured.Unstructured, traffic.Route) (patch, error)) (traffic.Route, error) {
	t := virtualService(route.Namespace, route.Name)
	after, err := r.write(ctx, t, raw(route), w, func(vs *unstructured.Unstructured) (patch, error) {
		if err := r.owned(ctx, t, vs); err != nil {
			return nil, err
		}
		fresh, err := asDecided(route, vs)
		if err != nil {
			return nil, err
		}
		return edit(vs, fresh)
	})
	if err != nil {
		return traffic.Route{}, err
	}
	return view(after, route.Host, route.App)
}

// asDecided is the route as its object is now. It is an ErrConflict where that calls
// other versions stable or on trial than the snapshot that was decided on.
func asDecided(route traffic.Route, vs *unstructured.Unstructured) (traffic.Route, error) {
	decided, err := view(raw(route), route.Host, route.App)
	if err != nil {
		return traffic.Route{}, err
	}
	fresh, err := view(vs, route.Host, route.App)
	if err != nil { // the snapshot was readable
		return traffic.Route{}, fmt.Errorf("%w, by %s: %w", traffic.ErrConflict, kube.Author(vs), err)
	}
	if roleOf(fresh) != roleOf(decided) {
		return traffic.Route{}, hint.Wrap(fmt.Errorf("%s: %w: %s is stable now, by %s", virtualService(route.Namespace, route.Name), traffic.ErrConflict, roleOf(fresh), kube.Author(vs)),
			"look at it with canaryctl status, and decide again; nothing was changed")
	}
	return fresh, nil
}

// role is who is who in a route.
type role struct{ stable, canary, previous string }

func roleOf(r traffic.Route) role { return role{r.Stable, r.Canary, r.Previous()} }

func (r role) String() string {
	text := r.stable
	if r.canary != "" {
		text += ", with canary " + r.canary + ","
	}
	return text
}
