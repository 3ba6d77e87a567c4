package cli

import (
	"context"
	"fmt"

	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/traffic"
	"github.com/canaryctl/canaryctl/internal/workload"
)

// unsupported is an error where a route cannot be released.
func unsupported(ctx context.Context, router traffic.Router, route traffic.Route) error {
	if err := router.Owned(ctx, route); err != nil {
		return err
	}
	return away(route)
}

// away is an error where a route's Pods are in another namespace than the route.
// The weights can be moved all the same.
func away(route traffic.Route) error {
	if route.Elsewhere == "" {
		return nil
	}
	return hint.Wrap(fmt.Errorf("%s: the Pods of %s are in namespace %s, and a route in another namespace than its Pods %w", route, route.Host, route.Elsewhere, traffic.ErrUnsupported),
		"move it into namespace %s, with its gateways named as NAMESPACE/NAME, or let it delegate to a VirtualService there", route.Elsewhere)
}

// tellStays says which Pods of a removed version stay, because no Deployment of the
// namespace runs them.
func (m *mutation) tellStays(ctx context.Context, deployments workload.Deployments, route traffic.Route, version string) {
	if err := away(route); err != nil {
		m.note("the Pods of %s stay: they are in namespace %s", version, route.Elsewhere)
		return
	}
	if err := deployments.Explain(ctx, version); err != nil {
		m.note("the Pods of %s stay: %v", version, err)
	}
}
