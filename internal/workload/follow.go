package workload

import (
	"context"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/canaryctl/canaryctl/internal/kube"
)

// watches lets one loop hear what several watches tell, so that what they tell
// needs no lock: each change is a function that the loop calls.
type watches struct {
	changes chan func()
	running sync.WaitGroup
}

func newWatches() *watches { return &watches{changes: make(chan func())} }

// tell hands a change to the loop, or drops it when the loop is over.
func (w *watches) tell(ctx context.Context, change func()) {
	select {
	case w.changes <- change:
	case <-ctx.Done():
	}
}

// next waits for a change, or the tick, applies all changes that are there, and
// reports whether the loop goes on.
func (w *watches) next(ctx context.Context, tick <-chan time.Time) bool {
	select {
	case change := <-w.changes:
		change()
	case <-tick:
	case <-ctx.Done():
		return false
	}
	for {
		select {
		case change := <-w.changes:
			change()
		default:
			return ctx.Err() == nil
		}
	}
}

// selection says which objects of a resource are followed.
type selection struct {
	resource       schema.GroupVersionResource
	labels, fields string
}

func selected(resource schema.GroupVersionResource, by *metav1.LabelSelector) (selection, error) {
	selector, err := metav1.LabelSelectorAsSelector(by)
	if err != nil {
		return selection{}, err
	}
	return selection{resource: resource, labels: selector.String()}, nil
}

// follow begins to tell the loop of the objects of a selection: as they came, and
// typed. It ends with the context.
func follow[T any](ctx context.Context, w *watches, d Deployments, s selection, into func([]*unstructured.Unstructured, []T, error)) {
	known := map[version]T{}
	w.running.Go(func() {
		kube.Watch{
			Client: d.client, Resource: s.resource, Namespace: d.namespace,
			Labels: s.labels, Fields: s.fields, Clock: d.clock,
		}.Run(ctx, func(objects []*unstructured.Unstructured, err error) {
			var items []T
			if err == nil {
				items, known, err = typedOnce(objects, known)
			}
			w.tell(ctx, func() { into(objects, items, err) })
		})
	})
}

// version is one object at one moment.
type version struct {
	uid      types.UID
	resource string
}

// typedOnce reads objects, save those that were read before.
func typedOnce[T any](objects []*unstructured.Unstructured, known map[version]T) ([]T, map[version]T, error) {
	out, now := make([]T, 0, len(objects)), make(map[version]T, len(objects))
	for _, o := range objects {
		v := version{o.GetUID(), o.GetResourceVersion()}
		item, ok := known[v]
		if !ok {
			read, err := typed[T]([]unstructured.Unstructured{*o})
			if err != nil {
				return nil, known, err
			}
			item = read[0]
		}
		out, now[v] = append(out, item), item
	}
	return out, now, nil
}
