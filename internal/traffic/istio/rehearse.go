package istio

import (
	"context"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

// Rehearse has the route, and each that follows it, computed as it would be with the
// version and each of these.
func (r *Router) Rehearse(ctx context.Context, route traffic.Route, version string, besides ...traffic.Beside) error {
	if len(besides) == 0 {
		return nil
	}
	followers, err := r.companions(ctx, route, version)
	if err != nil {
		return err
	}
	computed := traffic.Write{DryRun: traffic.DryRunClient}
	for _, one := range append(followers, route) {
		with, err := r.admitTo(ctx, one, traffic.Admission{Version: version}, computed, func(*kept) {})
		if err != nil {
			return err
		}
		for _, b := range besides {
			if err := valid(b); err != nil {
				return err
			}
			if _, err := r.splitOne(ctx, with, traffic.Change{Weights: canary.AllStable(), Beside: &b}, computed); err != nil {
				return err
			}
		}
	}
	return nil
}
