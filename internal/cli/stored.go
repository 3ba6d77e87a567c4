package cli

import (
	"cmp"
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
	"github.com/canaryctl/canaryctl/internal/metrics/prometheus"
)

// storedDeadline is how long one query for an hour of samples may take.
const storedDeadline = 30 * time.Second

// stored is a stretch of time that a Prometheus has of a release.
type stored struct {
	target         target
	prometheus     prometheusFlags
	metrics        metricFlags
	stable, canary string
	since          time.Duration
	from, to       string

	begin, end time.Time // once complete
}

// storedNames are the flags that addFlags defines, besides those of a Prometheus.
func storedNames() []string {
	return []string{"vs", "host", "stable", "canary", "since", "from", "to"}
}

// addFlags defines the flags of a release and of a time that ends now.
func (s *stored) addFlags(flags *pflag.FlagSet, since time.Duration) {
	s.target.addFlags(flags)
	flags.StringVar(&s.stable, "stable", "", "stable version (default: the route's)")
	flags.StringVar(&s.canary, "canary", "", "canary version (default: the route's)")
	flags.DurationVar(&s.since, "since", since, "how far back to begin in a Prometheus")
	flags.StringVar(&s.from, "from", "", "when to begin, as 2026-01-01T10:00:00Z, instead of --since")
	flags.StringVar(&s.to, "to", "", "when to end (default: now)")
	s.prometheus.addFlags(flags)
	s.metrics.addFlags(flags)
}

// given is the first flag of these on the command line, or "".
func (s *stored) given(flags *pflag.FlagSet) string {
	for _, name := range slices.Concat(storedNames(), s.metrics.names(), s.prometheus.given(flags)) {
		if flag := flags.Lookup(name); flag != nil && flag.Changed {
			return name
		}
	}
	return ""
}

// complete checks the flags, with nothing sent.
func (s *stored) complete(flags *pflag.FlagSet, now time.Time) error {
	var err error
	if s.end, err = moment("to", s.to, now); err != nil {
		return err
	}
	if s.begin, err = moment("from", s.from, s.end.Add(-s.since)); err != nil {
		return err
	}
	switch {
	case s.from != "" && flags.Changed("since"):
		return usagef("--from and --since both say where to begin; name one")
	case s.from == "" && s.since <= 0:
		return usagef("--since %s: say how far back to begin", s.since)
	case !s.begin.Before(s.end):
		return usagef("--from %s is not before --to %s", s.begin.Format(time.RFC3339), s.end.Format(time.RFC3339))
	case s.end.After(now):
		return usagef("--to %s is in the future", s.end.Format(time.RFC3339))
	case s.stable != "" && s.stable == s.canary:
		return usagef("--stable and --canary both name %s", s.stable)
	}
	if _, err := s.metrics.profiles(); err != nil {
		return err
	}
	return s.prometheus.complete(flags)
}

// moment parses the time that a flag names.
func moment(flag, text string, otherwise time.Time) (time.Time, error) {
	if text == "" {
		return otherwise, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, usagef("--%s %q: want a time such as 2026-01-01T10:00:00Z", flag, text)
	}
	return t, nil
}

// release is what the flags name, and the rest what the route says. Where the flags
// say all of it, no cluster is asked. The canary may be "".
func (s *stored) release(ctx context.Context, f *Factory, canary bool) (metrics.Release, error) {
	if s.stable != "" && (s.canary != "" || !canary) && cmp.Or(f.App(), s.target.host) != "" {
		host, _, _ := strings.Cut(s.target.host, ".")
		r := metrics.Release{Namespace: f.config.Namespace, App: cmp.Or(f.App(), host), Service: cmp.Or(host, f.App()), Stable: s.stable, Canary: s.canary}
		var err error
		if r.Namespace == "" {
			r.Namespace, err = f.Namespace()
		}
		return r, err
	}
	router, route, err := s.target.find(ctx, f, false)
	if err != nil {
		return metrics.Release{}, err
	}
	r, err := f.measured(ctx, router, route)
	if err != nil {
		return metrics.Release{}, err
	}
	r.Stable, r.Canary = cmp.Or(s.stable, r.Stable), cmp.Or(s.canary, r.Canary)
	if canary && r.Canary == "" {
		return r, hint.Wrap(noCanary(route), "name the versions of a release that is over with --stable and --canary")
	}
	return r, nil
}

// told is what a Prometheus had, and where that was.
type told struct {
	intervals []metrics.Interval
	from      string
}

// read reads the first Prometheus and profile whose intervals suffice, which the
// caller says with nil. Where none do, the error is what the best of them lacks.
func (s *stored) read(ctx context.Context, f *Factory, r metrics.Release, latency bool, suffice func([]metrics.Interval) error) (told, error) {
	profiles, err := s.metrics.profiles()
	if err != nil {
		return told{}, err
	}
	var client *kube.Client // nil where a Prometheus is named
	if s.prometheus.named == nil {
		if client, err = f.Client(); err != nil {
			return told{}, err
		}
	}
	reason := fmt.Errorf("%w: there is no Prometheus in the cluster", metrics.ErrAbsent)
	for _, server := range s.prometheus.servers(client) {
		for _, p := range profiles {
			intervals, err := s.history(ctx, f, server, prometheus.HistoryConfig{Profile: p, Release: r, Latency: latency})
			if err == nil {
				from := server.Name() + ", profile " + p.Name
				if err = suffice(intervals); err == nil {
					return told{intervals, from}, nil
				}
				err = fmt.Errorf("%s: %w", from, err)
			}
			if ctx.Err() != nil {
				return told{}, ctx.Err()
			}
			if came(err) > came(reason) {
				reason = err
			}
			if came(err) < answered {
				break // whatever the profile
			}
		}
	}
	return told{}, hint.Wrap(reason, "name a Prometheus with --prometheus-url, another time with --since, or the metrics with --profile")
}

// tellsOf is nil where intervals tell of the latencies that are asked for, if any is.
func tellsOf(m *method, intervals []metrics.Interval) error {
	known := slices.ContainsFunc(intervals, func(i metrics.Interval) bool { _, ok := metrics.EdgeOf(i.Metric); return ok })
	if m.latencies() && !known {
		return fmt.Errorf("%w: no histogram of latencies was counted", metrics.ErrNoData)
	}
	return m.fits(intervals)
}

// came is how far a reading came: the further, the more its error says.
func came(err error) int {
	switch {
	case errors.Is(err, metrics.ErrAbsent):
		return 0
	case errors.Is(err, metrics.ErrUnavailable):
		return 1
	case errors.Is(err, metrics.ErrNoData):
		return answered
	}
	return answered + 1
}

const answered = 2 // and has nothing of the release

// history reads one server by one profile; a terminal is told how far it is.
func (s *stored) history(ctx context.Context, f *Factory, server *prometheus.Server, c prometheus.HistoryConfig) ([]metrics.Interval, error) {
	c.From, c.To = s.begin, s.end
	c.Guard = metrics.DefaultGuard()
	c.Guard.Deadline, c.Guard.Now = storedDeadline, f.Clock.Now
	if isTerminal(f.Err) {
		progress := newScreen(f.Err)
		defer progress.clear()
		c.Progress = func(done, all time.Duration) {
			progress.show(fmt.Sprintf("%s, profile %s: read %.0f%%", server.Name(), c.Profile.Name, 100*done.Seconds()/all.Seconds()))
		}
	}
	return server.History(ctx, c)
}

// span tells of the time that was read.
func (s *stored) span() string {
	return fmt.Sprintf("from %s to %s", s.begin.Format(time.RFC3339), s.end.Format(time.RFC3339))
}
