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

// place is where counts may be read: a Prometheus, or the Pods.
type place struct {
	name     string
	profiles []metrics.Profile
	watch    func(metrics.Profile) (metrics.Stream, error)
	// survey says what is there of each of the profiles. What was found may come
	// with an error about the rest.
	survey func(context.Context) ([][]metrics.Found, error)
}

// places are those that the flags allow, best first.
func (o *analyze) places(client *kube.Client, release metrics.Release) ([]place, error) {
	profiles, err := o.metrics.profiles()
	if err != nil {
		return nil, err
	}
	var all []place
	if o.source != sourcePods {
		for _, server := range o.prometheus.servers(client) {
			all = append(all, o.serverPlace(server, profiles, release))
		}
	}
	if o.source != sourcePrometheus && o.prometheus.url == "" { // who names a server wants what that one counts
		if !o.metrics.chosen() { // a mesh's own metrics name versions that a Pod by itself does not know
			profiles = slices.DeleteFunc(slices.Clone(profiles), func(p metrics.Profile) bool { return !p.Identity.OfPods() })
		}
		all = append(all, o.podsPlace(client, profiles, release))
	}
	return all, nil
}

func (o *analyze) guard() metrics.GuardConfig {
	guard := metrics.DefaultGuard()
	guard.Now = o.Clock.Now
	return guard
}

func (o *analyze) serverPlace(server *prometheus.Server, profiles []metrics.Profile, release metrics.Release) place {
	return place{
		name: server.Name(), profiles: profiles,
		watch: func(p metrics.Profile) (metrics.Stream, error) {
			watcher, err := server.Watch(prometheus.Config{
				Profile: p, Releases: []metrics.Release{release}, Since: o.since,
				WarmUp: o.warmUp, Within: o.within, Guard: o.guard(), Now: o.Clock.Now,
			})
			if err != nil {
				return nil, err
			}
			return watcher.Streams()[0], nil
		},
		survey: func(ctx context.Context) ([][]metrics.Found, error) {
			once := o.guard()
			once.Attempts = 1
			var all [][]metrics.Found
			for _, p := range profiles {
				found, err := server.Survey(ctx, prometheus.SurveyConfig{Profile: p, Release: release, Guard: once, Now: o.Clock.Now})
				if err != nil {
					return all, err
				}
				all = append(all, found)
			}
			return all, nil
		},
	}
}

func (o *analyze) podsPlace(client *kube.Client, profiles []metrics.Profile, release metrics.Release) place {
	config := podscrape.Config{Release: release, WarmUp: o.warmUp, Within: o.within, Guard: o.guard(), Now: o.Clock.Now}
	return place{
		name: "Pods", profiles: profiles,
		watch: func(p metrics.Profile) (metrics.Stream, error) {
			one := config
			one.Profile = p
			return podscrape.New(client, one), nil
		},
		survey: func(ctx context.Context) ([][]metrics.Found, error) {
			return podscrape.New(client, config).Survey(ctx, profiles)
		},
	}
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
