// Package istio moves traffic by the weights of an Istio VirtualService between
// the subsets of a DestinationRule.
//
// spec.http, the route lists in it and DestinationRule's subsets are atomic
// lists to the API server: who applies one of their fields owns them whole. So
// every write here is a JSON patch that tests the lists it read and then changes
// single fields; what it does not name survives byte for byte.
package istio

import (
	"context"
	"math/rand/v2"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/utils/clock"

	"github.com/canaryctl/canaryctl/internal/kube"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

// Config is what a Router works with.
type Config struct {
	Client dynamic.Interface
	// Clock paces retries; nil is the system's.
	Clock clock.Clock
	// Jitter spreads the retries of writers that collide: a number from 0 to 1.
	// nil is random.
	Jitter func() float64
}

// Router is a traffic.Router on VirtualServices.
type Router struct {
	client dynamic.Interface
	clock  clock.Clock
	jitter func() float64
}

var _ traffic.Router = (*Router)(nil)

// New returns a router on Istio.
func New(c Config) *Router {
	r := &Router{client: c.Client, clock: c.Clock, jitter: c.Jitter}
	if r.clock == nil {
		r.clock = clock.RealClock{}
	}
	if r.jitter == nil {
		r.jitter = rand.Float64
	}
	return r
}

// target is one object of the API server.
type target struct {
	kind      string
	resource  schema.GroupVersionResource
	namespace string
	name      string
}

func (t target) String() string { return t.kind + " " + t.namespace + "/" + t.name }

func virtualService(namespace, name string) target {
	return target{"VirtualService", kube.VirtualServices(), namespace, name}
}

func destinationRule(namespace, name string) target {
	return target{"DestinationRule", kube.DestinationRules(), namespace, name}
}

func (r *Router) in(t target) dynamic.ResourceInterface {
	return r.client.Resource(t.resource).Namespace(t.namespace)
}

// wait pauses before the nth retry: 10 ms, doubled each time up to 320 ms, of
// which a random half, so that writers that collided once do not do so again.
func (r *Router) wait(ctx context.Context, n int) error {
	pause := 10 * time.Millisecond << min(n, 5)
	pause = pause/2 + time.Duration(r.jitter()*float64(pause/2))
	select {
	case <-r.clock.After(pause):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// read reads one object.
func (r *Router) read(ctx context.Context, t target) (*unstructured.Unstructured, error) {
	return r.in(t).Get(ctx, t.name, metav1.GetOptions{})
}
