package workload

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/canaryctl/canaryctl/internal/kube"
)

// InheritScaling has the canary's Deployment, as it is in the cluster, looked
// after as the stable version is: by copies of its autoscalers and disruption
// budgets that belong to the canary. It returns a sentence for each that was made,
// for what may not be, and for what goes by the canary's Pods as if they were
// stable's. What is there already is left alone, so that it can be cut short and done
// again.
func (d Deployments) InheritScaling(ctx context.Context, s Scaling, canary *unstructured.Unstructured, o Options) (notes []string, err error) {
	notes = s.mixed(canary)
	for _, want := range s.copies(canary) {
		if s.has(want) {
			continue
		}
		note, err := d.createCopy(ctx, want, o)
		if err != nil {
			return notes, fmt.Errorf("have %s looked after as %s is: %w", d.ref(canary.GetName()), s.Version.Deployment, err)
		}
		if note != "" {
			notes = append(notes, note)
		}
	}
	return notes, nil
}

// mixed warns of autoscalers of the stable version that go by the canary's Pods, too.
// They count those that the Deployment's selector means, whoever owns them:
// https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/#how-does-a-horizontalpodautoscaler-work
func (s Scaling) mixed(canary *unstructured.Unstructured) (notes []string) {
	if s.Version.Object == nil || !selects(s.Version.Object, podLabels(canary)) {
		return nil
	}
	for _, a := range s.Autoscalers {
		notes = append(notes, fmt.Sprintf("%s %s also counts the canary's Pods, as the selector of %s means them, too: it goes by the load of both",
			a.GetKind(), a.GetName(), s.Version.Deployment))
	}
	return notes
}

// has reports whether a copy was there when the versions' scaling was read.
func (s Scaling) has(want *unstructured.Unstructured) bool {
	in := s.autoscalers
	if want.GetKind() == kindBudget {
		in = s.budgets
	}
	for i := range in {
		if in[i].GetName() == want.GetName() && in[i].GetKind() == want.GetKind() && heir(&in[i], want) {
			return true
		}
	}
	return false
}

// heir reports whether an object belongs to whom the copy would belong to.
func heir(have, want *unstructured.Unstructured) bool {
	owner := want.GetOwnerReferences()[0].UID
	return owner != "" && ownedBy(have, owner)
}

// createCopy creates a copy and says so. Who may not create it goes on without.
func (d Deployments) createCopy(ctx context.Context, want *unstructured.Unstructured, o Options) (note string, err error) {
	name, resource := want.GetKind()+" "+want.GetName(), resourceOf(want)
	body, err := json.MarshalIndent(want, "", "  ")
	if err != nil {
		return "", fmt.Errorf("print %s: %w", name, err)
	}
	o.show("create", resource.Resource, want.GetName(), body)
	done := fmt.Sprintf("%s: created from %s", name, want.GetAnnotations()[AnnotationDerivedFrom])
	if o.ClientDryRun {
		return done, nil
	}
	deadline := d.clock.Now().Add(patienceWithGarbage)
	err = d.poll(ctx, func() (bool, error) {
		_, err := d.client.Resource(resource).Namespace(d.namespace).Create(ctx, want,
			metav1.CreateOptions{DryRun: o.dryRun(), FieldManager: kube.FieldManager})
		if !apierrors.IsAlreadyExists(err) {
			note = done
			return true, err
		}
		var passes bool
		note, passes, err = d.inTheWay(ctx, resource, want)
		return !passes || !d.clock.Now().Before(deadline), err
	})
	switch {
	case apierrors.IsForbidden(err):
		return fmt.Sprintf("%s: not created, so that the canary goes without: %s", name, forbiddenWords(err)), nil
	case kube.NotServed(err):
		return fmt.Sprintf("%s: not created: the cluster does not know its kind", name), nil
	case err != nil:
		return "", fmt.Errorf("create %s: %w", name, err)
	}
	return note, nil
}

// patienceWithGarbage is how long an object of a Deployment that was deleted may
// still be there: the garbage collector takes a moment.
const patienceWithGarbage = 10 * time.Second

// inTheWay says what has the name that a copy was to have, nothing where that is
// the copy, and whether it will go by itself.
func (d Deployments) inTheWay(ctx context.Context, r schema.GroupVersionResource, want *unstructured.Unstructured) (note string, passes bool, err error) {
	name := want.GetKind() + " " + want.GetName()
	have, err := d.client.Resource(r).Namespace(d.namespace).Get(ctx, want.GetName(), metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return name + ": not created: others create and delete one of that name", true, nil
	case err != nil:
		return "", false, fmt.Errorf("read %s, which is there already: %w", name, err)
	case heir(have, want):
		return "", false, nil
	}
	for _, owner := range have.GetOwnerReferences() {
		if mine := want.GetOwnerReferences()[0]; owner.Kind == mine.Kind && owner.Name == mine.Name {
			return name + ": not created: an earlier canary's is not gone yet; run the same command again", true, nil
		}
	}
	return name + ": not created: there is one that is not the canary's, which is left alone", false, nil
}

// resourceOf is the resource of a copy.
func resourceOf(o *unstructured.Unstructured) schema.GroupVersionResource {
	switch o.GetKind() {
	case kindScaledObject:
		return kube.ScaledObjects()
	case kindBudget:
		return kube.PodDisruptionBudgets()
	}
	return kube.HorizontalPodAutoscalers()
}
