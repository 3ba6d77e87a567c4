// Package istio moves traffic by the weights of Istio VirtualServices, between
// subsets of a DestinationRule.
package istio

import (
	"k8s.io/client-go/dynamic"
	"k8s.io/utils/clock"
)

// Config is what a Router works with.
type Config struct {
	Client dynamic.Interface
	Clock  clock.Clock
}

// Router is a traffic.Router.
type Router struct {
	client dynamic.Interface
	clock  clock.Clock
}

// New returns a router on Istio.
func New(c Config) *Router { return &Router{client: c.Client, clock: c.Clock} }
