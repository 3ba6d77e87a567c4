package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/canaryctl/canaryctl/internal/release"
	"github.com/canaryctl/canaryctl/internal/traffic"
	"github.com/canaryctl/canaryctl/internal/workload"
)

// stops is how the canary's Pods end once it is rolled back because requests hang on
// them; nil where they are to stay.
func (d *runner) stops(deployments workload.Deployments, route traffic.Route) func(context.Context) error {
	if d.keepCanary {
		return nil
	}
	return func(ctx context.Context) error {
		versions, err := deployments.Versions(ctx)
		if err != nil {
			return err
		}
		v, err := deployments.Pick(versions, route.Place().Canary)
		if errors.Is(err, workload.ErrNotFound) {
			return nil // somebody removed it
		}
		if err != nil {
			return err
		}
		return deployments.Stop(ctx, v.Deployment)
	}
}

// stays is what a person can do about a canary that was rolled back.
func (*runner) stays(route traffic.Route, r release.Result) string {
	switch {
	case r.Stopped:
		return "its Pods are stopped, because requests hung on them; --keep-canary leaves them. canaryctl delete-canary removes the rest"
	case r.Hung:
		return fmt.Sprintf("requests hang on its Pods until these end: canaryctl delete-canary, or kubectl -n %s scale deployment %s-%s --replicas=0",
			route.Namespace, route.App, route.Place().Canary)
	}
	return "the canary stays for inspection, without traffic; canaryctl delete-canary removes it"
}

// tellRolled says whom the roll of the stable Deployment cuts. That it is not known
// stops nothing.
func (*runner) tellRolled(ctx context.Context, deployments workload.Deployments, route traffic.Route, out *tellers) {
	stable := route.Place().Stable
	if ending, err := deployments.Ending(ctx, stable); err == nil && ending.Pods > 0 {
		out.view.note(fmt.Sprintf("the Pods of %s are replaced one after the other: what is open on them %s", stable, ending))
	}
}
