package istio

import (
	"context"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/canaryctl/canaryctl/internal/traffic"
)

// objects are what a snapshot of a route was made from, and what was read beside it. A
// write that begins with one of these copies is guarded by what it read, and reads anew
// where somebody was faster.
type objects struct {
	route *unstructured.Unstructured

	mu            sync.Mutex
	rule, service *unstructured.Unstructured // nil: not read yet
	others        []unstructured.Unstructured
	listed        bool // others are known
}

func of(r traffic.Route) *objects {
	if o, ok := r.Raw.(*objects); ok {
		return o
	}
	return &objects{}
}

// raw is the VirtualService that a snapshot was made from.
func raw(r traffic.Route) *unstructured.Unstructured { return of(r).route }

// ruleAtHand is the DestinationRule of a route as it was read already, or is now.
func (r *Router) ruleAtHand(ctx context.Context, route traffic.Route) (*unstructured.Unstructured, error) {
	o := of(route)
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.rule != nil {
		return o.rule, nil
	}
	rule, err := r.ruleFor(ctx, route)
	if err == nil {
		o.rule = rule
	}
	return rule, err
}

// othersAtHand are the other VirtualServices of the namespace, likewise.
func (r *Router) othersAtHand(ctx context.Context, route traffic.Route) ([]unstructured.Unstructured, error) {
	o := of(route)
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.listed {
		return o.others, nil
	}
	others, err := r.others(ctx, route)
	if err == nil {
		o.others, o.listed = others, true
	}
	return others, err
}

// serviceAtHand is likewise the Service of a route's host.
func (r *Router) serviceAtHand(ctx context.Context, route traffic.Route) (*unstructured.Unstructured, error) {
	o := of(route)
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.service != nil {
		return o.service, nil
	}
	t := service(route.Namespace, short(canonical(route.Host, route.Namespace)))
	found, err := r.read(ctx, t)
	if err == nil {
		o.service = found
	}
	return found, err
}
