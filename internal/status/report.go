// Package status says how an application and its release do: what a terminal shows, a
// script reads and a dashboard draws. It changes nothing.
package status

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/dynamic"
	"k8s.io/utils/clock"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/metrics"
	"github.com/canaryctl/canaryctl/internal/source"
	"github.com/canaryctl/canaryctl/internal/traffic"
	"github.com/canaryctl/canaryctl/internal/workload"
)

// The roles of a version.
const (
	RoleStable   = "stable"
	RoleCanary   = "canary"
	RolePrevious = "previous" // stable before the last promotion, and kept
	RoleNone     = "none"     // not in the route
)

// Report is how an application does at a moment. Its JSON is documented in the help of
// canaryctl status.
type Report struct {
	App       string    `json:"app"`
	Namespace string    `json:"namespace"`
	Route     Route     `json:"route"`
	Versions  []Version `json:"versions"`
	Release   *Release  `json:"release,omitempty"`
	Metrics   Metrics   `json:"metrics"`
	Notes     []string  `json:"notes,omitempty"`

	// At is when it was made, and Found the route that it is of.
	At    time.Time     `json:"-"`
	Found traffic.Route `json:"-"`

	measured, noted time.Time
	observation     metrics.Observation
	open            map[string]uint64 // requests under way, of the versions of which anything tells
}

// Route names the object that splits the traffic.
type Route struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
	Host string `json:"host"`
}

// Version is one that is in the route or in the namespace.
type Version struct {
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

// Metrics says where the observed figures are from.
type Metrics struct {
	Source string `json:"source,omitempty"`
	Window string `json:"window"`
	Reason string `json:"reason,omitempty"`
	Open   string `json:"openSource,omitempty"`
}

// Reader makes reports.
type Reader struct {
	Client dynamic.Interface
	Clock  clock.WithTicker
	Router traffic.Router
	// Sources observe the shares over the last Window, and Open looks at what is open.
	Sources []metrics.Source
	Window  time.Duration
	Open    *source.OpenReader
}

// Every is how often metrics and notes are read anew: they move slowly, and cost more
// than the rest.
const Every = 5 * time.Second

// Read looks at once at the Deployments, the Pods and the metrics of a route. What the
// last report, nil for none, read a moment ago is taken from it.
func (r Reader) Read(ctx context.Context, route traffic.Route, last *Report) (*Report, error) {
	backends, err := r.Router.Backends(ctx, route, route.Versions()...)
	if err != nil {
		return nil, err
	}
	deployments := workload.New(workload.Config{Client: r.Client, Namespace: route.Namespace, App: route.App, Backends: backends, Clock: r.Clock})
	report := &Report{
		Found: route, App: route.App, Namespace: route.Namespace,
		Route: Route{Kind: route.Kind, Name: route.Name, Host: route.Host},
	}
	var versions []workload.Version
	var restarts map[string]int
	var errVersions, errRestarts error
	var wg sync.WaitGroup
	wg.Go(func() { versions, errVersions = deployments.Versions(ctx) })
	wg.Go(func() { restarts, errRestarts = deployments.Restarts(ctx) })
	wg.Go(func() { r.measure(ctx, report, last) })
	wg.Go(func() {
		if report.Release = ReleaseOf(route); report.Release != nil && !report.Release.Phase.Over() {
			report.Release.driven(DriverOf(ctx, r.Client, r.Clock, route))
		}
	})
	wg.Wait()
	if err := errors.Join(errVersions, errRestarts); err != nil {
		return nil, err
	}
	report.At = r.Clock.Now()
	report.Versions = versionsOf(route, versions)
	r.takeNotes(ctx, deployments, report, last)
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
func (r Reader) measure(ctx context.Context, report, last *Report) {
	now := r.Clock.Now()
	if last != nil && now.Sub(last.measured) < Every {
		report.measured, report.observation, report.open, report.Metrics = last.measured, last.observation, last.open, last.Metrics
		return
	}
	report.measured = now
	var where string
	var both sync.WaitGroup
	both.Go(func() {
		report.observation = metrics.Observed(ctx, metrics.Query{
			Namespace: report.Namespace, Service: report.Route.Host, App: report.App, Window: r.Window,
		}, r.Sources...)
	})
	both.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, metrics.Patience)
		defer cancel()
		named := source.Named(report.Found)
		named.Canary = cmp.Or(named.Canary, report.Found.Previous())
		report.open, where = r.Open.OfVersions(ctx, named)
	})
	both.Wait()
	report.Metrics = Metrics{
		Source: report.observation.Source, Window: r.Window.String(), Reason: report.observation.Reason, Open: where,
	}
}

// versionsOf lists what the route names, stable first, Deployment or not, and then the
// Deployments that it does not name.
func versionsOf(route traffic.Route, live []workload.Version) []Version {
	weights := map[string]canary.Percent{route.Stable: route.Weights.Stable}
	out := []Version{{Version: route.Stable, Role: RoleStable}}
	if route.Canary != "" {
		weights[route.Canary] = route.Weights.Canary
		out = append(out, Version{Version: route.Canary, Role: RoleCanary})
	}
	if previous := route.Previous(); previous != "" && previous != route.Canary {
		weights[previous] = 0
		out = append(out, Version{Version: previous, Role: RolePrevious})
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
			out = append(out, Version{Version: v.Version, Role: RoleNone})
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
