package cli

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/traffic"
	"github.com/canaryctl/canaryctl/internal/workload"
)

// retirement removes a version that gets no traffic.
type retirement struct {
	wait    bool
	timeout time.Duration
	drain   time.Duration
}

func (r *retirement) addFlags(flags *pflag.FlagSet) {
	flags.BoolVar(&r.wait, "wait", true, "wait until the Pods of the removed version are gone")
	flags.DurationVar(&r.timeout, "timeout", 2*time.Minute, "longest wait for that")
	flags.DurationVar(&r.drain, "drain", 0, "first wait, at most so long, until no request is open on that version; then cut those that are")
}

func (r *retirement) checkDrain() error {
	if r.drain < 0 {
		return usagef("--drain %s: a duration cannot be negative", r.drain)
	}
	return nil
}

// remove lets what is open on a version end, takes it out of the route, deletes its Deployment, and only then
// lets the route forget it: cut short anywhere, a second attempt finds its way.
func (r *retirement) remove(ctx context.Context, m *mutation, router traffic.Router, route traffic.Route, version string) (traffic.Route, error) {
	if err := r.farewell(ctx, m, route, version); err != nil {
		return route, err
	}
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
	return router.Remember(ctx, after, traffic.Change{
		Position: &left, Notes: map[string]string{canary.PlanAnnotation: ""}, // nothing is left to follow it
	}, m.write())
}

func (r *retirement) deleteDeployment(ctx context.Context, m *mutation, route traffic.Route, version string) error {
	deployments, err := m.f.Deployments(route)
	if err != nil {
		return err
	}
	versions, err := deployments.Versions(ctx, route.App)
	if err != nil {
		return err
	}
	retired, err := workload.Pick(versions, route.App, version)
	if errors.Is(err, workload.ErrNotFound) {
		m.tellStays(ctx, deployments, route, version)
		return nil
	}
	if err != nil {
		return err
	}
	scaling, err := deployments.Scaling(ctx, retired)
	if err != nil { // no reason to keep the version
		m.note("what looks after %s and stays is not known: %v", retired.Deployment, err)
	}
	live := retired.Deployment
	w := m.write()
	w.Show("delete", "deployments", live, []byte(`{"apiVersion":"v1","kind":"DeleteOptions","propagationPolicy":"`+r.policy()+`"}`))
	defer tellOfLeft(m, scaling, versions)
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

// tellOfLeft names what looked after a version that is removed, and is not ours to
// remove.
func tellOfLeft(m *mutation, scaling workload.Scaling, versions []workload.Version) {
	for _, o := range scaling.Left(versions) {
		m.note("%s %s looks after %s alone, and stays: kubectl -n %s delete %s %s removes it",
			o.GetKind(), o.GetName(), scaling.Version.Deployment, o.GetNamespace(), strings.ToLower(o.GetKind()), o.GetName())
	}
}
