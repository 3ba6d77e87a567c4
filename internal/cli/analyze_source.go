package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/kube"
	"github.com/canaryctl/canaryctl/internal/metrics"
	"github.com/canaryctl/canaryctl/internal/metrics/prometheus"
	"github.com/canaryctl/canaryctl/internal/source"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

// Where the counts come from.
const (
	sourceAuto       = "auto"
	sourcePrometheus = "prometheus"
	sourcePods       = "pods"
)

// places are where the flags allow to read a release, best first.
func (o *analyze) places(client *kube.Client, release metrics.Release) ([]source.Place, error) {
	profiles, err := o.metrics.profiles()
	if err != nil {
		return nil, err
	}
	c := source.Config{
		Client: client, Profiles: profiles, Named: o.metrics.chosen(),
		Pods:  o.source != sourcePrometheus && o.prometheus.url == "", // who names a server wants what that one counts
		Since: o.since, WarmUp: o.warmUp, Within: o.within, Now: o.Clock.Now,
	}
	if o.source != sourcePods {
		c.Servers = o.prometheus.servers(client)
	}
	return c.Places(release), nil
}

// measured is a route as metrics know it. Who may not see whose Pods are whose gets the
// names that canaryctl itself gives.
func (f *Factory) measured(ctx context.Context, router traffic.Router, route traffic.Route) (metrics.Release, error) {
	client, err := f.Dynamic()
	if err != nil {
		return metrics.Release{}, err
	}
	found, err := source.Find(ctx, client, f.Clock, router, route)
	if apierrors.IsForbidden(err) {
		fmt.Fprintf(f.Err, "the versions are taken to be the Deployments %s-VERSION, with the labels app and version: %v\n", route.App, err)
		return source.Named(route), nil
	}
	return found, err
}

// openReader looks at what is open on a version, by the servers that a cluster may have.
func (f *Factory) openReader(servers ...*prometheus.Server) (*source.OpenReader, error) {
	client, err := f.Client()
	if err != nil {
		return nil, err
	}
	if servers == nil {
		servers = prometheus.Find(client)
	}
	return source.NewOpenReader(client, servers, f.Clock.Now)
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
