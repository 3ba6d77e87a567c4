// Package source knows where the counts of a release may be read, a Prometheus or the
// Pods themselves, and which of them to read. What analyses a canary asks for a stream
// of counts and need not know whose they are.
package source

import (
	"context"
	"slices"
	"time"

	"github.com/canaryctl/canaryctl/internal/kube"
	"github.com/canaryctl/canaryctl/internal/metrics"
	"github.com/canaryctl/canaryctl/internal/metrics/podscrape"
	"github.com/canaryctl/canaryctl/internal/metrics/prometheus"
)

// Config says what may be read, and how.
type Config struct {
	Client *kube.Client
	// Servers are the Prometheus servers that may be read, best first.
	Servers []*prometheus.Server
	// Pods says that they may be read, where no server knows the release.
	Pods bool
	// Profiles are those to try, best first. Named ones were chosen by a person, and are
	// all tried everywhere.
	Profiles []metrics.Profile
	Named    bool
	// Since is how far back a server is asked for what was before.
	Since time.Duration
	// WarmUp and Within are as metrics has them.
	WarmUp, Within time.Duration
	Now            func() time.Time
}

// Place is where counts may be read: a Prometheus, or the Pods.
type Place struct {
	Name     string
	Profiles []metrics.Profile
	// Watch streams the counts of a profile.
	Watch func(metrics.Profile) (metrics.Stream, error)
	// Survey says what is there of each of the profiles. What was found may come with an
	// error about the rest.
	Survey func(context.Context) ([][]metrics.Found, error)
}

// Places are where the counts of a release may be read, best first. Nothing is sent.
func (c Config) Places(release metrics.Release) []Place {
	var all []Place
	for _, server := range c.Servers {
		all = append(all, c.server(server, release))
	}
	if c.Pods {
		all = append(all, c.pods(release))
	}
	return all
}

func (c Config) guard() metrics.GuardConfig {
	guard := metrics.DefaultGuard()
	guard.Now = c.Now
	return guard
}

func (c Config) server(server *prometheus.Server, release metrics.Release) Place {
	return Place{
		Name: server.Name(), Profiles: c.Profiles,
		Watch: func(p metrics.Profile) (metrics.Stream, error) {
			watcher, err := server.Watch(prometheus.Config{
				Profile: p, Releases: []metrics.Release{release}, Since: c.Since,
				WarmUp: c.WarmUp, Within: c.Within, Guard: c.guard(), Now: c.Now,
			})
			if err != nil {
				return nil, err
			}
			return watcher.Streams()[0], nil
		},
		Survey: func(ctx context.Context) ([][]metrics.Found, error) {
			once := c.guard()
			once.Attempts = 1
			var all [][]metrics.Found
			for _, p := range c.Profiles {
				found, err := server.Survey(ctx, prometheus.SurveyConfig{Profile: p, Release: release, Guard: once, Now: c.Now})
				if err != nil {
					return all, err
				}
				all = append(all, found)
			}
			return all, nil
		},
	}
}

func (c Config) pods(release metrics.Release) Place {
	profiles := c.Profiles
	if !c.Named { // a mesh's own metrics name versions that a Pod by itself does not know
		profiles = slices.DeleteFunc(slices.Clone(profiles), func(p metrics.Profile) bool { return !p.Identity.OfPods() })
	}
	config := podscrape.Config{Release: release, WarmUp: c.WarmUp, Within: c.Within, Guard: c.guard(), Now: c.Now}
	return Place{
		Name: "Pods", Profiles: profiles,
		Watch: func(p metrics.Profile) (metrics.Stream, error) {
			one := config
			one.Profile = p
			return podscrape.New(c.Client, one), nil
		},
		Survey: func(ctx context.Context) ([][]metrics.Found, error) {
			return podscrape.New(c.Client, config).Survey(ctx, profiles)
		},
	}
}
