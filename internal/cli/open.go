package cli

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/canaryctl/canaryctl/internal/metrics"
	"github.com/canaryctl/canaryctl/internal/metrics/podscrape"
	"github.com/canaryctl/canaryctl/internal/metrics/prometheus"
)

// openCount is how many requests are open on a version, and who says so: nobody, where
// that is empty.
type openCount struct {
	n     uint64
	where string
	// live says that it was read just now, and not when a Prometheus last scraped.
	live bool
}

func (c openCount) seen() bool { return c.where != "" }

// on says how many there are, of a version.
func (c openCount) on(version string) string {
	if c.n == 1 {
		return fmt.Sprintf("1 request is open on %s (%s)", version, c.where)
	}
	return fmt.Sprintf("%d requests are open on %s (%s)", c.n, version, c.where)
}

// openPatience bounds a look at what is open that nobody asked for.
const openPatience = time.Second

// openReader looks at what is open, by the gauges that the profiles name.
type openReader struct {
	f        *Factory
	profiles []metrics.Profile
	servers  []*prometheus.Server
}

// openReader reads the servers that a cluster may have.
func (f *Factory) openReader() (*openReader, error) {
	client, err := f.Client()
	if err != nil {
		return nil, err
	}
	return newOpenReader(f, prometheus.Find(client))
}

// newOpenReader prefers what Pods say of themselves to what others sent them.
func newOpenReader(f *Factory, servers []*prometheus.Server) (*openReader, error) {
	all, err := metrics.Profiles()
	if err != nil {
		return nil, err
	}
	r := &openReader{f: f, servers: servers}
	for _, name := range []string{"app", "istio"} {
		p, err := metrics.PickProfile(all, name)
		if err != nil {
			return nil, err
		}
		r.profiles = append(r.profiles, p)
	}
	return r, nil
}

// read asks the servers, until one knows what is wanted.
func (o *openReader) read(ctx context.Context, r metrics.Release, wanted func(map[string]uint64) bool) (map[string]uint64, string) {
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

// of looks at one version: at its Pods, where they may be read, else by the servers.
// Each may take its time.
func (o *openReader) of(ctx context.Context, alone metrics.Release) openCount {
	if c, ok := o.ofPods(ctx, alone); ok {
		return c
	}
	return o.ofServers(ctx, alone)
}

// ofServers asks the servers alone.
func (o *openReader) ofServers(ctx context.Context, r metrics.Release) openCount {
	ctx, cancel := context.WithTimeout(ctx, openPatience)
	defer cancel()
	open, where := o.read(ctx, r, func(open map[string]uint64) bool { _, ok := open[r.Stable]; return ok })
	return openCount{n: open[r.Stable], where: where}
}

// ofPods is known when all Pods answered.
func (o *openReader) ofPods(ctx context.Context, r metrics.Release) (openCount, bool) {
	client, err := o.f.Client()
	if err != nil {
		return openCount{}, false
	}
	p := o.profiles[slices.IndexFunc(o.profiles, func(p metrics.Profile) bool { return p.Identity.OfPods() })]
	ctx, cancel := context.WithTimeout(ctx, openPatience)
	defer cancel()
	once := metrics.DefaultGuard()
	once.Attempts, once.Deadline = 1, openPatience
	open, err := podscrape.New(client, podscrape.Config{Profile: p, Release: r, Guard: once, Now: o.f.Clock.Now}).Open(ctx)
	n, ok := open[r.Stable]
	return openCount{n: n, where: "its Pods, profile " + p.Name, live: true}, ok && err == nil
}
