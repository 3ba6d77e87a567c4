package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/kube"
	"github.com/canaryctl/canaryctl/internal/metrics"
	"github.com/canaryctl/canaryctl/internal/metrics/podscrape"
	"github.com/canaryctl/canaryctl/internal/metrics/prometheus"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

// Where the counts come from.
const (
	sourceAuto       = "auto"
	sourcePrometheus = "prometheus"
	sourcePods       = "pods"
)

// candidate is a source that may know the release.
type candidate struct {
	name   string
	stream metrics.Stream
}

// anySource reads the first of its candidates that knows the release, and stays
// with it: counts of two sources are not those of one.
type anySource struct {
	candidates []candidate
	chosen     *candidate
}

// Next implements metrics.Stream.
func (s *anySource) Next(ctx context.Context) ([]metrics.Interval, error) {
	if s.chosen != nil {
		return s.chosen.stream.Next(ctx)
	}
	var reasons []error
	for i := range s.candidates {
		c := &s.candidates[i]
		intervals, err := c.stream.Next(ctx)
		switch {
		case err == nil:
			s.chosen = c
			return intervals, nil
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case !errors.Is(err, metrics.ErrAbsent):
			reasons = append(reasons, err)
		}
	}
	if len(reasons) == 0 {
		return nil, fmt.Errorf("%w: there is no Prometheus in the cluster", metrics.ErrUnavailable)
	}
	// The last is the Pods themselves, where those are asked: it knows best.
	return nil, reasons[len(reasons)-1]
}

func (s *anySource) name() string {
	if s.chosen == nil {
		return ""
	}
	return s.chosen.name
}

// sources are those that the flags allow, best first.
func (o *analyze) sources(client *kube.Client, route traffic.Route) (*anySource, error) {
	release := releaseOf(route)
	profiles, err := o.metrics.profiles()
	if err != nil {
		return nil, err
	}
	guard := metrics.DefaultGuard()
	guard.Now = o.Clock.Now
	all := new(anySource)
	if o.source != sourcePods {
		for _, server := range o.prometheus.servers(client) {
			for _, p := range profiles {
				watcher, err := server.Watch(prometheus.Config{
					Profile: p, Releases: []metrics.Release{release}, Since: o.since,
					WarmUp: o.warmUp, Guard: guard, Now: o.Clock.Now,
				})
				if err != nil {
					return nil, err
				}
				all.candidates = append(all.candidates, candidate{server.Name() + ", profile " + p.Name, watcher.Streams()[0]})
			}
		}
	}
	if o.source != sourcePrometheus {
		for _, p := range profiles {
			if !p.Identity.OfPods() && !o.metrics.chosen() {
				continue // a mesh's own metrics name versions that a Pod by itself does not know
			}
			all.candidates = append(all.candidates, candidate{"Pods, profile " + p.Name, podscrape.New(client, podscrape.Config{
				Profile: p, Release: release, WarmUp: o.warmUp, Guard: guard, Now: o.Clock.Now,
			})})
		}
	}
	return all, nil
}

func releaseOf(route traffic.Route) metrics.Release {
	service, _, _ := strings.Cut(route.Host, ".")
	return metrics.Release{
		Namespace: route.Namespace, App: route.App, Service: service,
		Stable: route.Stable, Canary: route.Canary,
	}
}

// checkSource is a usage error for flags that contradict each other.
func (o *analyze) checkSource(flags *pflag.FlagSet) error {
	known := []string{sourceAuto, sourcePrometheus, sourcePods}
	switch {
	case !slices.Contains(known, o.source):
		return usagef("--metrics-source %s: say %s", o.source, strings.Join(known, ", "))
	case o.source == sourcePods && o.prometheus.url != "":
		return usagef("--prometheus-url names a Prometheus, and --metrics-source pods asks none")
	case o.since < 0 || o.wait < 0 || o.warmUp < 0:
		return usagef("--since, --wait and --warm-up cannot be negative")
	}
	if _, err := o.metrics.profiles(); err != nil {
		return err
	}
	return o.prometheus.complete(flags)
}

// noCanary is the error for a route with nothing to compare.
func noCanary(route traffic.Route) error {
	return hint.Wrap(fmt.Errorf("analyse %s: %w: only %s is in it", route, traffic.ErrNotSplit, route.Stable),
		"start a canary with canaryctl create-canary, then give it traffic with canaryctl set-traffic")
}

// silent reports whether an error is the silence of a source that may speak again.
func silent(err error) bool {
	return errors.Is(err, metrics.ErrNoData) || errors.Is(err, metrics.ErrUnavailable)
}

// lookTimeout bounds one reading of the route.
const lookTimeout = 5 * time.Second
