package source

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/canaryctl/canaryctl/internal/kube"
	"github.com/canaryctl/canaryctl/internal/metrics"
	"github.com/canaryctl/canaryctl/internal/metrics/podscrape"
	"github.com/canaryctl/canaryctl/internal/metrics/prometheus"
)

// Open is how many requests are open on a version, and who says so: nobody, where that
// is empty.
type Open struct {
	Requests uint64
	Where    string
	// Live says that it was read just now, and not when a Prometheus last scraped.
	Live bool
}

// Known reports whether anything tells.
func (o Open) Known() bool { return o.Where != "" }

// None reports whether it is known that nothing is open.
func (o Open) None() bool { return o.Known() && o.Requests == 0 }

// On says how many there are, of a version.
func (o Open) On(version string) string {
	if o.Requests == 1 {
		return fmt.Sprintf("1 request is open on %s (%s)", version, o.Where)
	}
	return fmt.Sprintf("%d requests are open on %s (%s)", o.Requests, version, o.Where)
}

// openPatience bounds a look at what is open that nobody asked for.
const openPatience = time.Second

// OpenReader looks at what is open, by the gauges that the profiles name.
type OpenReader struct {
	client   *kube.Client
	now      func() time.Time
	profiles []metrics.Profile
	servers  []*prometheus.Server
}

// NewOpenReader reads the Pods, and the servers, best first. It prefers what Pods say of
// themselves to what others sent them.
func NewOpenReader(client *kube.Client, servers []*prometheus.Server, now func() time.Time) (*OpenReader, error) {
	all, err := metrics.Profiles()
	if err != nil {
		return nil, err
	}
	r := &OpenReader{client: client, now: now, servers: servers}
	for _, name := range []string{"app", "istio"} {
		p, err := metrics.PickProfile(all, name)
		if err != nil {
			return nil, err
		}
		r.profiles = append(r.profiles, p)
	}
	return r, nil
}

// OfStable looks at the stable version of a release: at its Pods, where they may be read,
// else by the servers. Each may take a second.
func (o *OpenReader) OfStable(ctx context.Context, r metrics.Release) Open {
	if open, ok := o.ofPods(ctx, r); ok {
		return open
	}
	return o.OfStableByServers(ctx, r)
}

// OfStableByServers asks the servers alone.
func (o *OpenReader) OfStableByServers(ctx context.Context, r metrics.Release) Open {
	ctx, cancel := context.WithTimeout(ctx, openPatience)
	defer cancel()
	open, where := o.read(ctx, r, func(open map[string]uint64) bool { _, ok := open[r.Stable]; return ok })
	return Open{Requests: open[r.Stable], Where: where}
}

// OfVersions is what is open on the versions of a release, of those on which the first
// server that knows any of them sees it.
func (o *OpenReader) OfVersions(ctx context.Context, r metrics.Release) (open map[string]uint64, where string) {
	return o.read(ctx, r, func(open map[string]uint64) bool { return len(open) > 0 })
}

// read asks the servers, until one knows what is wanted.
func (o *OpenReader) read(ctx context.Context, r metrics.Release, wanted func(map[string]uint64) bool) (map[string]uint64, string) {
	for _, server := range o.servers {
		for _, p := range o.profiles {
			open, err := server.Open(ctx, p, r)
			if err != nil {
				break // the next profile would fare no better
			}
			if wanted(open) {
				return open, server.Name() + ", profile " + p.Name
			}
		}
	}
	return nil, ""
}

// ofPods is known when all Pods answered.
func (o *OpenReader) ofPods(ctx context.Context, r metrics.Release) (Open, bool) {
	p := o.profiles[slices.IndexFunc(o.profiles, func(p metrics.Profile) bool { return p.Identity.OfPods() })]
	ctx, cancel := context.WithTimeout(ctx, openPatience)
	defer cancel()
	once := metrics.DefaultGuard()
	once.Attempts, once.Deadline = 1, openPatience
	open, err := podscrape.New(o.client, podscrape.Config{Profile: p, Release: r, Guard: once, Now: o.now}).Open(ctx)
	n, ok := open[r.Stable]
	return Open{Requests: n, Where: "its Pods, profile " + p.Name, Live: true}, ok && err == nil
}
