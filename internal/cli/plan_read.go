package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/canaryctl/canaryctl/internal/analysis"
	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/metrics"
	"github.com/canaryctl/canaryctl/internal/metrics/podscrape"
	"github.com/canaryctl/canaryctl/internal/planfile"
	"github.com/canaryctl/canaryctl/internal/stats"
)

// readingsApart is the time between two readings of the Pods, which remember
// nothing: long enough for some requests, and short enough to wait for.
const readingsApart = 10 * time.Second

// usual is the traffic of today.
type usual struct {
	rate         float64 // requests per second, of all versions
	stable       analysis.Arm
	every        time.Duration // between two looks
	dispersion   float64       // 0 where Pods are not told apart
	from, within string        // in words
}

// checkSource is a usage error for flags of the source that contradict each other.
func (o *plan) checkSource(flags *pflag.FlagSet) error {
	known := []string{sourceAuto, sourcePrometheus, sourcePods}
	given := o.stored.given(flags)
	switch {
	case !slices.Contains(known, o.source):
		return usagef("--metrics-source %s: say %s", o.source, strings.Join(known, ", "))
	case given != "" && flags.Changed("rate") && flags.Changed("error-share"):
		return usagef("--%s says where to read, and --rate and --error-share leave nothing to read", given)
	case o.source == sourcePods && o.stored.prometheus.url != "":
		return usagef("--prometheus-url names a Prometheus, and --metrics-source pods asks none")
	}
	return o.stored.complete(flags, o.Clock.Now())
}

// read fills in what the flags do not say.
func (o *plan) read(ctx context.Context, flags *pflag.FlagSet) error {
	u, err := o.look(ctx, flags)
	if err != nil || flags.Changed("error-share") {
		return err
	}
	if u.stable.Bad == 0 || u.stable.Bad == u.stable.Requests {
		limits := stats.ClopperPearson(int(u.stable.Bad), int(u.stable.Requests), 0.95)
		return hint.Wrap(fmt.Errorf("plan: %s of stable's requests were bad, and every plan is a multiple of that", armText(u.stable)),
			"look further back with --since, or say a share with --error-share; it is between %s and %s",
			percentText(analysis.Number(limits.Low)), percentText(analysis.Number(limits.High)))
	}
	return nil
}

// look reads the traffic of today, tells of it, and fills in what the flags do not
// say, be it good for a plan or not.
func (o *plan) look(ctx context.Context, flags *pflag.FlagSet) (usual, error) {
	release, err := o.stored.release(ctx, o.Factory, false)
	if err != nil {
		return usual{}, hint.Wrap(fmt.Errorf("read the traffic: %w", err), "say it instead: --rate and --error-share")
	}
	u, err := o.usual(ctx, release)
	if err != nil {
		err = fmt.Errorf("read the traffic of %s: %w", release.App, err)
		if hint.Of(err) == "" {
			err = hint.Wrap(err, "say it instead: --rate and --error-share")
		}
		return u, err
	}
	fmt.Fprintf(o.Err, "%s, %s: %s requests/s, %s of stable's bad, counted every %s", u.from, u.within,
		figure(analysis.Number(u.rate)), armText(u.stable), brisk(u.every))
	if u.dispersion > 0 {
		fmt.Fprintf(o.Err, ", dispersion %s", figure(analysis.Number(u.dispersion)))
	}
	fmt.Fprintln(o.Err)
	if !flags.Changed("rate") {
		o.planned.Rate = u.rate
	}
	if !flags.Changed("interval") {
		o.planned.Interval = u.every
	}
	if !flags.Changed("dispersion") && u.dispersion > 0 {
		o.method.Dispersion = planfile.Dispersion(u.dispersion)
	}
	if !flags.Changed("error-share") {
		o.planned.BadShare = float64(u.stable.Bad) / float64(u.stable.Requests)
	}
	return u, nil
}

// usual reads a Prometheus; where there is none that knows, the Pods.
func (o *plan) usual(ctx context.Context, release metrics.Release) (usual, error) {
	var reason error
	if o.source != sourcePods {
		found, err := o.stored.read(ctx, o.Factory, release, false, enough)
		if err == nil {
			u, err := usualOf(found.intervals, release.Stable)
			u.from, u.within = found.from, o.stored.span()
			return u, err
		}
		if o.source == sourcePrometheus || o.stored.prometheus.url != "" || ctx.Err() != nil {
			return usual{}, err
		}
		reason = err
	}
	profiles, err := o.stored.metrics.profiles()
	if err != nil {
		return usual{}, err
	}
	client, err := o.Client()
	if err != nil {
		return usual{}, err
	}
	for _, p := range profiles {
		if !p.Identity.OfPods() && !o.stored.metrics.chosen() {
			continue // a mesh's own metrics name versions that a Pod by itself does not know
		}
		guard := metrics.DefaultGuard()
		guard.Now = o.Clock.Now
		pods := podscrape.New(client, podscrape.Config{Profile: p, Release: release, Guard: guard, Now: o.Clock.Now})
		u, err := o.twoReadings(ctx, pods, release.Stable)
		if err == nil {
			u.from = "Pods, profile " + p.Name
			return u, nil
		}
		if ctx.Err() != nil {
			return usual{}, ctx.Err()
		}
		reason = err // the Pods know best
	}
	return usual{}, reason
}

// twoReadings is what the Pods answer in between. Whoever analyses by the Pods looks
// at them more often than that.
func (o *plan) twoReadings(ctx context.Context, pods metrics.Stream, stable string) (usual, error) {
	if _, err := pods.Next(ctx); err != nil {
		return usual{}, err
	}
	fmt.Fprintf(o.Err, "Pods remember nothing: they are read twice, %s apart\n", readingsApart)
	timer := o.Clock.NewTimer(readingsApart)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return usual{}, ctx.Err()
	case <-timer.C():
	}
	intervals, err := pods.Next(ctx)
	if err != nil {
		return usual{}, err
	}
	u, err := usualOf(intervals, stable)
	u.every, u.within, u.dispersion = liveInterval, "in "+readingsApart.String(), 0
	return u, err
}

// enough is nil where something was counted.
func enough(intervals []metrics.Interval) error {
	_, err := usualOf(intervals, "")
	return err
}

// usualOf leaves out the time before there was traffic, and the first of several
// intervals: it begins when somebody asked, or when the traffic began, in its midst.
func usualOf(intervals []metrics.Interval, stable string) (usual, error) {
	var u usual
	var all uint64
	var seconds float64
	var dispersion stats.Dispersion
	intervals = slices.DeleteFunc(slices.Clone(intervals), func(i metrics.Interval) bool { return i.Metric != analysis.Errors })
	intervals = intervals[max(0, slices.IndexFunc(intervals, hasRequests)):]
	if slices.ContainsFunc(intervals[min(1, len(intervals)):], hasRequests) {
		intervals = intervals[1:]
	}
	for _, i := range intervals {
		seconds += i.End.Sub(i.Start).Seconds()
		for _, c := range i.Strata {
			u.stable.Requests, u.stable.Bad = u.stable.Requests+c.StableTotal, u.stable.Bad+c.StableBad
			all += c.StableTotal + c.CanaryTotal
		}
		if err := dispersion.Update(i.Pods[stable]); err != nil {
			return u, err
		}
		if len(i.Pods[stable]) > 1 {
			u.dispersion = dispersion.Phi()
		}
	}
	if u.stable.Requests == 0 {
		return u, fmt.Errorf("%w: no request of the stable version was counted", metrics.ErrNoData)
	}
	u.rate, u.every = float64(all)/seconds, metrics.TypicalLength(intervals)
	return u, nil
}

func hasRequests(i metrics.Interval) bool {
	return slices.ContainsFunc(i.Strata, func(c stats.Counts) bool { return c.StableTotal+c.CanaryTotal > 0 })
}
