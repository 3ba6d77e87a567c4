// Package provision brings a canary about, and takes away a version that is not needed
// any more: its Deployment, what looks after that, and its way into the route.
package provision

import (
	"context"
	"fmt"

	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

// Supported is an error where a route cannot be released: another tool writes it
// (traffic.ErrForeign), or its Pods are elsewhere.
func Supported(ctx context.Context, router traffic.Router, route traffic.Route) error {
	if err := router.Owned(ctx, route); err != nil {
		return err
	}
	return Elsewhere(route)
}

// Elsewhere is a traffic.ErrUnsupported where a route's Pods are in another namespace than
// the route. The weights can be moved all the same.
func Elsewhere(route traffic.Route) error {
	if route.Elsewhere == "" {
		return nil
	}
	return hint.Wrap(fmt.Errorf("%s: the Pods of %s are in namespace %s, and a route in another namespace than its Pods %w", route, route.Host, route.Elsewhere, traffic.ErrUnsupported),
		"move it into namespace %s, with its gateways named as NAMESPACE/NAME, or let it delegate to a VirtualService there", route.Elsewhere)
}
