package istio

import (
	"context"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/kube"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

const (
	// managedByRollouts marks the DestinationRules and Services that Argo Rollouts
	// writes, by the Rollout's name
	// (https://argo-rollouts.readthedocs.io/en/stable/features/traffic-management/istio/).
	managedByRollouts = "argo-rollouts.argoproj.io/managed-by-rollouts"
	// rolloutsManager is its controller's field manager. VirtualServices it does not
	// mark: only the record of who wrote the spec last tells.
	rolloutsManager = "rollouts-controller"
	// flaggerGroup is the API group of Flagger, whose Canaries own the routes that
	// they write.
	flaggerGroup = "flagger.app/"
)

// Owned looks at the VirtualService, its DestinationRule and its Service.
func (r *Router) Owned(ctx context.Context, route traffic.Route) error {
	if err := r.owned(ctx, virtualService(route.Namespace, route.Name), raw(route)); err != nil {
		return err
	}
	return r.ownedBeside(ctx, route)
}

// owned refuses an object that another tool writes. It asks the API server only
// where the object gives a cause.
func (r *Router) owned(ctx context.Context, t target, o *unstructured.Unstructured) error {
	if rollout, ok := o.GetAnnotations()[managedByRollouts]; ok {
		return ofRollout(t, rollout, t.namespace)
	}
	for _, ref := range o.GetOwnerReferences() {
		if ref.Kind == "Canary" && strings.HasPrefix(ref.APIVersion, flaggerGroup) {
			return ofFlagger(t, ref.Name)
		}
	}
	if t.resource == kube.VirtualServices() && slices.ContainsFunc(o.GetManagedFields(), byRollouts) {
		return r.ofSomeRollout(ctx, t)
	}
	return nil
}

// ownedBeside refuses a route whose DestinationRule or Service another tool
// writes. What cannot be read says nothing: whatever needs it tells why.
func (r *Router) ownedBeside(ctx context.Context, route traffic.Route) error {
	if dr, err := r.ruleAtHand(ctx, route); err == nil {
		if err := r.owned(ctx, destinationRule(route.Namespace, dr.GetName()), dr); err != nil {
			return err
		}
	}
	if otherNamespace(route.Host, route.Namespace) != "" {
		return nil
	}
	o, err := r.serviceAtHand(ctx, route)
	if err != nil {
		return nil //nolint:nilerr // what cannot be read says nothing
	}
	return r.owned(ctx, service(route.Namespace, o.GetName()), o)
}

// admitted reports whether canaryctl let the canary in, which looked at whose
// route it is: there is no need to look again at every step.
func admitted(route traffic.Route) bool {
	p := route.Position
	return p != nil && (p.Canary == route.Canary || p.Previous == route.Canary)
}

// byRollouts reports whether Argo Rollouts wrote the spec, or a part of it that
// the API server does not name. Who changes it afterwards takes its place.
func byRollouts(e metav1.ManagedFieldsEntry) bool {
	return e.Manager == rolloutsManager && e.Subresource == "" &&
		(e.FieldsV1 == nil || strings.Contains(string(e.FieldsV1.GetRawBytes()), `"f:spec"`))
}

// ofSomeRollout refuses an object that some Rollout writes. The record outlives
// the Rollout: where none names the object any more it is free.
func (r *Router) ofSomeRollout(ctx context.Context, t target) error {
	rollouts, err := r.rollouts(ctx, t.namespace)
	if err != nil {
		return hint.Wrap(fmt.Errorf("%s: %w: Argo Rollouts wrote it last (field manager %q), and of which Rollout cannot be looked up", t, traffic.ErrForeign, rolloutsManager),
			"move traffic with: kubectl argo rollouts promote|abort NAME -n %s; to tell whether that Rollout is still there, canaryctl needs the verb \"list\" on rollouts.argoproj.io (k8s/rbac/optional/explain.yaml)", t.namespace)
	}
	for i := range rollouts {
		if rollout := &rollouts[i]; routesBy(rollout, t) {
			return ofRollout(t, rollout.GetName(), rollout.GetNamespace())
		}
	}
	return nil
}

// rollouts are those of the cluster, or where that is not allowed, of the
// namespace. None of another namespace than the route's is common.
func (r *Router) rollouts(ctx context.Context, namespace string) ([]unstructured.Unstructured, error) {
	list, err := r.client.Resource(kube.Rollouts()).List(ctx, metav1.ListOptions{})
	if err != nil && !kube.NotServed(err) {
		list, err = r.client.Resource(kube.Rollouts()).Namespace(namespace).List(ctx, metav1.ListOptions{})
	}
	switch {
	case kube.NotServed(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("list Rollouts in namespace %s: %w", namespace, err)
	}
	return list.Items, nil
}

// routesBy reports whether a Rollout moves traffic by the VirtualService. One of
// another namespace it calls NAME.NAMESPACE.
func routesBy(rollout *unstructured.Unstructured, t target) bool {
	istio, _, _ := unstructured.NestedMap(rollout.Object, "spec", "strategy", "canary", "trafficRouting", "istio")
	several, _ := istio["virtualServices"].([]any)
	for _, v := range append([]any{istio["virtualService"]}, several...) {
		m, _ := v.(map[string]any)
		text, _ := m["name"].(string)
		name, namespace, qualified := strings.Cut(text, ".")
		if !qualified {
			namespace = rollout.GetNamespace()
		}
		if name == t.name && namespace == t.namespace {
			return true
		}
	}
	return false
}

func service(namespace, name string) target {
	return target{"Service", kube.Services(), namespace, name}
}

// written is what others write of an object.
func (t target) written() string {
	switch t.resource {
	case kube.DestinationRules():
		return "subsets"
	case kube.Services():
		return "selector"
	}
	return "weights"
}

func ofRollout(t target, rollout, namespace string) error {
	return hint.Wrap(fmt.Errorf("%s: %w: the Argo Rollout %q writes its %s", t, traffic.ErrForeign, rollout, t.written()),
		"move traffic with: kubectl argo rollouts promote|abort %s -n %s", rollout, namespace)
}

func ofFlagger(t target, name string) error {
	return hint.Wrap(fmt.Errorf("%s: %w: Flagger's Canary %q writes its %s", t, traffic.ErrForeign, name, t.written()),
		"Flagger moves the traffic: kubectl describe canaries.flagger.app %s -n %s says where it stands; with spec.skipAnalysis there it promotes at once", name, t.namespace)
}
