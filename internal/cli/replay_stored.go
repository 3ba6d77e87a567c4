package cli

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/canaryctl/canaryctl/internal/analysis"
	"github.com/canaryctl/canaryctl/internal/metrics"
)

// runStored decides about what a Prometheus has of a release.
func (o *replay) runStored(ctx context.Context, configs []analysis.Config, limits []analysis.Threshold) error {
	release, err := o.stored.release(ctx, o.Factory, true)
	if err != nil {
		return err
	}
	began := func(intervals []metrics.Interval) error {
		if len(sinceCanary(intervals)) == 0 {
			return fmt.Errorf("%w: no request of %s was counted %s", metrics.ErrNoData, release.Canary, o.stored.span())
		}
		return tellsOf(&o.method, intervals)
	}
	found, err := o.stored.read(ctx, o.Factory, release, o.method.latencies(), began)
	if err != nil {
		return fmt.Errorf("replay %s against %s: %w", release.Canary, release.Stable, err)
	}
	if configs, err = o.method.settledAll(configs, found.intervals); err != nil {
		return fmt.Errorf("replay %s against %s: %w", release.Canary, release.Stable, err)
	}
	intervals := sinceCanary(found.intervals)
	fmt.Fprintf(o.Err, "%s: %s against %s, the canary's first request after %s\n",
		found.from, release.Canary, release.Stable, intervals[0].Start.UTC().Format(time.RFC3339))
	r, err := decide(intervals, analysis.Versions{Stable: release.Stable, Canary: release.Canary}, configs, limits)
	if err != nil {
		return fmt.Errorf("replay %s against %s: %w", release.Canary, release.Stable, err)
	}
	from, to := intervals[0].Start.UTC(), intervals[len(intervals)-1].End.UTC()
	r.Source, r.From, r.To = found.from, &from, &to
	r.Release = release.Canary + " against " + release.Stable
	if o.output != "" {
		return printData(o.Out, o.output, []replayed{r})
	}
	return printReplays(o.Out, []replayed{r})
}

// sinceCanary are the intervals from the canary's first request on.
func sinceCanary(intervals []metrics.Interval) []metrics.Interval {
	intervals = slices.SortedStableFunc(slices.Values(intervals), func(a, b metrics.Interval) int { return a.End.Compare(b.End) })
	for _, i := range intervals {
		for _, c := range i.Strata {
			if c.CanaryTotal > 0 {
				first := slices.IndexFunc(intervals, func(j metrics.Interval) bool { return !j.Start.Before(i.Start) })
				return intervals[first:]
			}
		}
	}
	return nil
}
