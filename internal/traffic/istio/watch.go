package istio

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"

	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/kube"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

// Watch follows the VirtualService, and the DestinationRules of its namespace:
// two requests that stream. Changes that come faster than seen can look at them
// are told as one. The system's clock paces it: what it waits for is the API
// server, and a reflector that waits does not look at its context.
func (r *Router) Watch(ctx context.Context, route traffic.Route, seen func(traffic.Sight)) error {
	v := &vigil{of: route, news: make(chan struct{}, 1)}
	objects := kube.Watch{
		Client: r.client, Resource: kube.VirtualServices(), Namespace: route.Namespace,
		Fields: fields.OneTermEqualSelector("metadata.name", route.Name).String(),
	}
	rules := kube.Watch{Client: r.client, Resource: kube.DestinationRules(), Namespace: route.Namespace}
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { objects.Run(ctx, v.hear(&v.object)) })
	wg.Go(func() { rules.Run(ctx, v.hear(&v.rules)) })
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-v.news:
		}
		for _, s := range v.sights() {
			if ctx.Err() == nil {
				seen(s)
			}
		}
	}
}

// vigil is what a Watch knows, and what of it was told.
type vigil struct {
	of   traffic.Route
	news chan struct{}

	mu            sync.Mutex
	object, rules known
	told          string // of the last sight
	toldRules     string // the last error about the rules
}

// known is what is known of some objects, and why it is not now.
type known struct {
	objects []*unstructured.Unstructured
	ever    bool
	err     error
}

// hear is what a watch tells its news to.
func (v *vigil) hear(k *known) func([]*unstructured.Unstructured, error) {
	return func(objects []*unstructured.Unstructured, err error) {
		v.mu.Lock()
		defer v.mu.Unlock()
		if k.err = err; err == nil {
			k.objects, k.ever = objects, true
		}
		select {
		case v.news <- struct{}{}:
		default: // it has not been looked at since the last
		}
	}
}

// sights are what there is to tell that was not told already. That the subsets
// cannot be seen is told once, and does not keep the route from being seen.
func (v *vigil) sights() []traffic.Sight {
	v.mu.Lock()
	defer v.mu.Unlock()
	var sights []traffic.Sight
	if text := cause(v.rules.err); text != v.toldRules {
		v.toldRules = text
		if v.rules.err != nil {
			sights, v.told = append(sights, traffic.Sight{Err: v.rules.err}), ""
		}
	}
	if !v.complete() {
		return sights
	}
	s := v.sight()
	if key := keyOf(s); key != v.told {
		sights, v.told = append(sights, s), key
	}
	return sights
}

// complete reports whether both watches have said something.
func (v *vigil) complete() bool {
	return v.object.err != nil || v.object.ever && (v.rules.ever || v.rules.err != nil)
}

func (v *vigil) sight() traffic.Sight {
	if v.object.err != nil {
		return traffic.Sight{Err: v.object.err}
	}
	if len(v.object.objects) == 0 {
		return traffic.Sight{Err: hint.Wrap(fmt.Errorf("%s: %w: it was deleted", v.of, traffic.ErrNoRoute),
			"apply it again; until then the proxies send requests to any version")}
	}
	vs := v.object.objects[0]
	route, err := view(vs, v.of.Host, v.of.App)
	if err != nil {
		return traffic.Sight{Err: fmt.Errorf("%w (changed last by %s)", err, kube.Author(vs))}
	}
	route.Subsets, route.SubsetsBy = subsetsSeen(v.rules.objects, route)
	return traffic.Sight{Route: route}
}

// keyOf tells one sight from another.
func keyOf(s traffic.Sight) string {
	if s.Err != nil {
		return cause(s.Err)
	}
	return s.Route.Version + " " + s.Route.Subsets
}

// cause is an error without the request that it is about, which differs from one
// attempt to the next.
func cause(err error) string {
	if err == nil {
		return ""
	}
	if wire, ok := errors.AsType[*url.Error](err); ok {
		return wire.Err.Error()
	}
	return err.Error()
}
