package cli

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/metrics"
	"github.com/canaryctl/canaryctl/internal/traffic"
	"github.com/canaryctl/canaryctl/internal/workload"
)

// The roles of a version.
const (
	roleStable   = "stable"
	roleCanary   = "canary"
	rolePrevious = "previous" // stable before the last promotion, and kept
	roleNone     = "none"     // not in the route
)

// statusReport is what status shows; its JSON is documented in the command's help.
type statusReport struct {
	App       string          `json:"app"`
	Namespace string          `json:"namespace"`
	Route     statusRoute     `json:"route"`
	Versions  []statusVersion `json:"versions"`
	Release   *statusRelease  `json:"release,omitempty"`
	Metrics   statusMetrics   `json:"metrics"`
	Notes     []string        `json:"notes,omitempty"`

	at          time.Time
	route       traffic.Route
	measured    time.Time
	noted       time.Time
	observation metrics.Observation
	open        map[string]uint64 // requests under way, of the versions of which anything tells
}

type statusRoute struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
	Host string `json:"host"`
}

type statusVersion struct {
	Version    string          `json:"version"`
	Role       string          `json:"role"`
	Deployment string          `json:"deployment,omitempty"`
	Image      string          `json:"image,omitempty"`
	Desired    int             `json:"desired"`
	Ready      int             `json:"ready"`
	Restarts   int             `json:"restarts"`
	Weight     *canary.Percent `json:"weight,omitempty"`
	Share      *float64        `json:"observedShare,omitempty"`
	Requests   *float64        `json:"observedRequests,omitempty"`
	Open       *uint64         `json:"openRequests,omitempty"`
}

type statusMetrics struct {
	Source string `json:"source,omitempty"`
	Window string `json:"window"`
	Reason string `json:"reason,omitempty"`
	Open   string `json:"openSource,omitempty"`
}

// gather reads the route, and then at once the Deployments, the Pods and the
// metrics. Metrics that the last report measured a moment ago are taken from it.
func (o *status) gather(ctx context.Context, last *statusReport) (*statusReport, error) {
	route, err := o.route(ctx)
	if err != nil {
		return nil, err
	}
	router, err := o.f.Router()
	if err != nil {
		return nil, err
	}
	backends, err := router.Backends(ctx, route, route.Versions()...)
	if err != nil {
		return nil, err
	}
	deployments, err := o.f.reached(route, backends)
	if err != nil {
		return nil, err
	}
	report := &statusReport{
		route: route,
		App:   route.App, Namespace: route.Namespace,
		Route: statusRoute{Kind: route.Kind, Name: route.Name, Host: route.Host},
	}
	var versions []workload.Version
	var restarts map[string]int
	var errVersions, errRestarts error
	var wg sync.WaitGroup
	wg.Go(func() { versions, errVersions = deployments.Versions(ctx) })
	wg.Go(func() { restarts, errRestarts = deployments.Restarts(ctx) })
	wg.Go(func() { o.measure(ctx, report, last) })
	wg.Go(func() { report.Release = o.statusOf(ctx, route) })
	wg.Wait()
	if err := errors.Join(errVersions, errRestarts); err != nil {
		return nil, err
	}
	report.at = o.f.Clock.Now()
	report.Versions = statusVersions(route, versions)
	o.takeNotes(ctx, router, deployments, report, last)
	for i := range report.Versions {
		v := &report.Versions[i]
		v.Restarts = restarts[v.Version]
		counted := countedAs(v.Version, versions)
		if share, ok := report.observation.Share(counted); ok {
			requests := report.observation.Requests[counted]
			v.Share, v.Requests = &share, &requests
		}
		if n, ok := report.open[v.Version]; ok {
			v.Open = &n
		}
	}
	return report, nil
}

// countedAs is what metrics call a version: by the label of its Pods.
func countedAs(version string, live []workload.Version) string {
	for _, v := range live {
		if v.Version == version {
			return cmp.Or(v.Labels[workload.LabelVersion], version)
		}
	}
	return version
}

// measure asks for what versions answered, and for what is open on them.
func (o *status) measure(ctx context.Context, report, last *statusReport) {
	now := o.f.Clock.Now()
	if last != nil && now.Sub(last.measured) < measureEvery {
		report.measured, report.observation, report.open, report.Metrics = last.measured, last.observation, last.open, last.Metrics
		return
	}
	report.measured = now
	var where string
	var both sync.WaitGroup
	both.Go(func() {
		report.observation = metrics.Observed(ctx, metrics.Query{
			Namespace: report.Namespace, Service: report.Route.Host, App: report.App, Window: o.window,
		}, o.sources...)
	})
	both.Go(func() { report.open, where = o.seeOpen(ctx, report.route) })
	both.Wait()
	report.Metrics = statusMetrics{
		Source: report.observation.Source, Window: o.window.String(), Reason: report.observation.Reason, Open: where,
	}
}

// seeOpen is what is open on the versions of a route, of those on which it is seen.
func (o *status) seeOpen(ctx context.Context, route traffic.Route) (map[string]uint64, string) {
	reader, err := newOpenReader(o.f, o.servers)
	if err != nil {
		return nil, ""
	}
	ctx, cancel := context.WithTimeout(ctx, metrics.Patience)
	defer cancel()
	r := releaseOf(route)
	r.Canary = cmp.Or(r.Canary, route.Previous())
	return reader.read(ctx, r, func(open map[string]uint64) bool { return len(open) > 0 })
}

// statusVersions lists what the route names, stable first, Deployment or not,
// and then the Deployments that it does not name.
func statusVersions(route traffic.Route, live []workload.Version) []statusVersion {
	weights := map[string]canary.Percent{route.Stable: route.Weights.Stable}
	out := []statusVersion{{Version: route.Stable, Role: roleStable}}
	if route.Canary != "" {
		weights[route.Canary] = route.Weights.Canary
		out = append(out, statusVersion{Version: route.Canary, Role: roleCanary})
	}
	if previous := route.Previous(); previous != "" && previous != route.Canary {
		weights[previous] = 0
		out = append(out, statusVersion{Version: previous, Role: rolePrevious})
	}
	routed := len(out)
	for _, v := range live {
		at := -1
		for i := range out[:routed] {
			if out[i].Version == v.Version && out[i].Deployment == "" {
				at = i
			}
		}
		if at < 0 {
			out = append(out, statusVersion{Version: v.Version, Role: roleNone})
			at = len(out) - 1
		}
		out[at].Deployment, out[at].Desired, out[at].Ready = v.Deployment, v.Desired, v.Ready
		out[at].Image = v.Image
		if v.Image == "" {
			out[at].Image = strings.Join(v.Images, ",")
		}
	}
	for i := range out[:routed] {
		weight := weights[out[i].Version]
		out[i].Weight = &weight
	}
	return out
}
