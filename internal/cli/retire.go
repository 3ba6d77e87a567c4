package cli

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/metrics"
	"github.com/canaryctl/canaryctl/internal/provision"
	"github.com/canaryctl/canaryctl/internal/source"
	"github.com/canaryctl/canaryctl/internal/traffic"
	"github.com/canaryctl/canaryctl/internal/workload"
)

// retirement removes a version that gets no traffic.
type retirement struct {
	wait    bool
	timeout time.Duration
	drain   time.Duration
	missing bool // no Deployment of the version was found
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

// remove lets what is open on a version end, takes it out of the route, and deletes its
// Deployment. Only then go the subset, by which that is found, and what the route
// remembers: cut short anywhere, a second attempt finds its way.
func (r *retirement) remove(ctx context.Context, m *mutation, router traffic.Router, route traffic.Route, version string) (traffic.Route, error) {
	measured, deployments, err := r.reach(ctx, m, router, route, version)
	if err != nil {
		return route, err
	}
	if err := r.farewell(ctx, m, deployments, measured, version); err != nil {
		return route, err
	}
	after, err := router.Withdraw(ctx, route, version, m.write())
	if err != nil {
		return route, err
	}
	if err := r.deleteDeployment(ctx, m, deployments, route, version); err != nil {
		return route, err
	}
	if after, err = router.Dismiss(ctx, after, version, m.write()); err != nil {
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

// reach finds the Pods and the Deployment of a version while the route still names it.
func (r *retirement) reach(ctx context.Context, m *mutation, router traffic.Router, route traffic.Route, version string) (metrics.Release, workload.Deployments, error) {
	backends, err := router.Backends(ctx, route, append(route.Versions(), version)...)
	if err != nil {
		return metrics.Release{}, workload.Deployments{}, err
	}
	deployments, err := m.f.reached(route, backends)
	measured := source.Named(route)
	measured.Stable, measured.Canary, measured.Backends = version, "", backends
	return measured, deployments, err
}

func (r *retirement) deleteDeployment(ctx context.Context, m *mutation, deployments workload.Deployments, route traffic.Route, version string) error {
	versions, err := deployments.Versions(ctx)
	if err != nil {
		return err
	}
	retired, err := deployments.Pick(versions, version)
	if r.missing = errors.Is(err, workload.ErrNotFound); r.missing {
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

// gone says what became of a version.
func (r *retirement) gone(version string) string {
	if r.missing {
		return version + " is out of the route, and no Deployment of it was found"
	}
	return version + " is removed"
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

// tellStays says which Pods of a removed version stay, because no Deployment of the
// namespace runs them.
func (m *mutation) tellStays(ctx context.Context, deployments workload.Deployments, route traffic.Route, version string) {
	if err := provision.Elsewhere(route); err != nil {
		m.note("the Pods of %s stay: they are in namespace %s", version, route.Elsewhere)
		return
	}
	if err := deployments.Explain(ctx, version); err != nil {
		m.note("the Pods of %s stay: %v", version, err)
	}
}
