package cli

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/pflag"

	"github.com/canaryctl/canaryctl/internal/traffic"
	"github.com/canaryctl/canaryctl/internal/workload"
)

// retirement removes a version that gets no traffic.
type retirement struct {
	wait    bool
	timeout time.Duration
}

func (r *retirement) addFlags(flags *pflag.FlagSet) {
	flags.BoolVar(&r.wait, "wait", true, "wait until the Pods of the removed version are gone")
	flags.DurationVar(&r.timeout, "timeout", 2*time.Minute, "longest wait for that")
}

// remove takes a version out of the route, deletes its Deployment, and only then
// lets the route forget it: cut short anywhere, a second attempt finds its way.
func (r *retirement) remove(ctx context.Context, m *mutation, router traffic.Router, route traffic.Route, version string) (traffic.Route, error) {
	after, err := router.Dismiss(ctx, route, version, m.write())
	if err != nil {
		return route, err
	}
	if err := r.deleteDeployment(ctx, m, after, version); err != nil {
		return route, err
	}
	if after.Position == nil {
		return after, nil
	}
	left := after.Place().Without(version)
	return router.Remember(ctx, after, traffic.Change{Position: &left}, m.write())
}

func (r *retirement) deleteDeployment(ctx context.Context, m *mutation, route traffic.Route, version string) error {
	client, err := m.f.Dynamic()
	if err != nil {
		return err
	}
	deployments := workload.New(workload.Config{Client: client, Namespace: route.Namespace, Clock: m.f.Clock})
	live, err := deploymentOf(ctx, deployments, route.App, version)
	if live == "" || err != nil {
		return err
	}
	w := m.write()
	w.Show("delete", "deployments", live, []byte(`{"apiVersion":"v1","kind":"DeleteOptions","propagationPolicy":"`+r.policy()+`"}`))
	if w.DryRun == traffic.DryRunClient {
		return nil
	}
	if r.wait && !m.dry() {
		m.note("Deployment %s: waiting until its Pods are gone", live)
	}
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	_, err = deployments.Delete(ctx, live, workload.Options{ServerDryRun: m.dry(), Wait: r.wait})
	if err != nil {
		return err
	}
	m.note("Deployment %s: deleted", live)
	return nil
}

func (r *retirement) policy() string {
	if r.wait {
		return "Foreground"
	}
	return "Background"
}

// deploymentOf is the name of a version's Deployment, or "" where there is none.
func deploymentOf(ctx context.Context, d workload.Deployments, app, version string) (string, error) {
	versions, err := d.Versions(ctx, app)
	if err != nil {
		return "", err
	}
	v, err := workload.Pick(versions, app, version)
	if errors.Is(err, workload.ErrNotFound) {
		return "", nil
	}
	return v.Deployment, err
}
