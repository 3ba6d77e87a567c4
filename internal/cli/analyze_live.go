package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/canaryctl/canaryctl/internal/analysis"
	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/metrics"
	"github.com/canaryctl/canaryctl/internal/source"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

// liveInterval is the time between two readings where nobody says.
const liveInterval = 2 * time.Second

// live analyses the canary that a route names, as its counts become known.
type live struct {
	*analyze
	config    analysis.Config
	stream    metrics.Stream
	from      func() (name, unseen string) // where the counts come from, and what they leave out
	route     traffic.Route
	again     func(context.Context) (traffic.Route, error)
	pods      func(context.Context) ([]analysis.Pod, error) // nil for those that nobody may see
	record    io.Writer                                     // nil for none
	analysis  *analysis.Analysis
	out       *verdictView
	told      bool // where the counts come from
	saw       bool // Pods
	latencies bool // the source has told of them
}

// runLive finds the route and the source, and looks.
func (o *analyze) runLive(ctx context.Context, config analysis.Config) error {
	client, err := o.Client()
	if err != nil {
		return err
	}
	router, route, err := o.target.find(ctx, o.Factory, false)
	if err != nil {
		return err
	}
	if route.Canary == "" {
		return noCanary(route)
	}
	measured, err := o.measured(ctx, router, route)
	if err != nil {
		return err
	}
	places, err := o.places(client, measured)
	if err != nil {
		return err
	}
	sources, err := source.NewFirst(places, o.Clock)
	if err != nil {
		return err
	}
	l := &live{
		analyze: o, config: config, route: route, stream: sources, from: func() (name, unseen string) { return sources.Name(), sources.Unseen() },
		again: func(ctx context.Context) (traffic.Route, error) {
			_, now, err := target{vs: route.Name, host: route.Host}.find(ctx, o.Factory, false)
			return now, err
		},
		pods: podsOf(client, route, measured.Backends, o.Clock),
		out:  newVerdictView(o.Out, o.output),
	}
	if o.record != "" {
		file, err := os.OpenFile(o.record, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644) //nolint:gosec // counts are no secret
		if err != nil {
			return hint.Wrap(fmt.Errorf("record: %w", err), "name a file that does not exist yet: what was recorded is not overwritten")
		}
		defer file.Close()
		l.record = file
	}
	return l.run(ctx)
}

// run looks until there is enough: once, until a decision, or until interrupted.
func (l *live) run(ctx context.Context) error {
	var err error
	v := analysis.Versions{Stable: l.route.Stable, Canary: l.route.Canary}
	if l.analysis, err = analysis.New(l.config, v); err != nil {
		return err
	}
	if err := l.expect(l.route); err != nil {
		return err
	}
	l.analysis.WatchPods(l.Clock.Now().Add(-l.since))
	began := l.Clock.Now()
	ticker := l.Clock.NewTicker(l.every())
	defer ticker.Stop()
	for looks := 1; ; looks++ {
		verdict, err := l.look(ctx)
		if err != nil {
			return err
		}
		if l.watch {
			if err := l.out.show(verdict); err != nil {
				return err
			}
		}
		if l.enough(verdict, looks, l.Clock.Since(began)) {
			return l.conclude(verdict)
		}
		select {
		case <-ctx.Done():
			l.out.leave()
			return ctx.Err()
		case <-ticker.C():
			if err := l.readRoute(ctx); err != nil {
				return err
			}
		}
	}
}

// enough ends a watch only when interrupted, a wait with a decision or with its
// time, and one look as soon as there are counts: of Pods that takes two readings.
func (l *live) enough(v analysis.Verdict, looks int, spent time.Duration) bool {
	decided := v.Verdict != analysis.Inconclusive
	switch {
	case l.wait > 0:
		return decided || spent >= l.wait
	case l.watch:
		return false
	}
	return v.Reason != "" || v.Seconds > 0 || looks > 1
}

func (l *live) conclude(v analysis.Verdict) error {
	if !l.watch {
		if err := printVerdict(l.Out, l.output, v); err != nil {
			return err
		}
	}
	return verdictError(v)
}

// look takes what has become known. A source that is silent is a reason to hold,
// and no error: it may speak again.
func (l *live) look(ctx context.Context) (analysis.Verdict, error) {
	intervals, err := l.stream.Next(ctx)
	switch {
	case ctx.Err() != nil:
		return analysis.Verdict{}, ctx.Err()
	case err != nil && !silent(err):
		return analysis.Verdict{}, fmt.Errorf("analyse %s: %w", l.route, err)
	case err != nil:
		l.analysis.Hold(reasonOf(err))
	default:
		l.analysis.Hold("")
		l.analysis.Learn(intervals)
		l.tell()
	}
	if err == nil {
		if err := l.settle(intervals); err != nil {
			return analysis.Verdict{}, err
		}
	}
	for _, i := range intervals {
		if l.record == nil {
			break
		}
		if err := analysis.Write(l.record, i, analysis.Versions{Stable: l.route.Stable, Canary: l.route.Canary}); err != nil {
			return analysis.Verdict{}, err
		}
	}
	for _, i := range relevant(l.config, intervals) {
		if err := l.analysis.Add(i); err != nil {
			return analysis.Verdict{}, fmt.Errorf("analyse %s: %w", l.route, err)
		}
	}
	l.lookAtPods(ctx)
	return l.analysis.Verdict()
}

// reasonOf is an error without the URL that was asked, which has the query in it.
func reasonOf(err error) string {
	if asked, ok := errors.AsType[*url.Error](err); ok {
		return strings.Replace(err.Error(), asked.Error(), asked.Err.Error(), 1)
	}
	return err.Error()
}

// tell says once where the counts come from.
func (l *live) tell() {
	if !l.told {
		name, unseen := l.from()
		fmt.Fprintf(l.Err, "%s: %s against %s, counts from %s\n", l.route, l.route.Canary, l.route.Stable, name)
		if unseen != "" {
			fmt.Fprintf(l.Err, "note: %s\n", unseen)
		}
		l.told = true
	}
}

// readRoute notices a new weight, and a release that is over. A route that cannot
// be read for a moment keeps its weight.
func (l *live) readRoute(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	now, err := l.again(ctx)
	if err != nil {
		return nil // the counts go on, and the next look reads it again
	}
	if now.Stable != l.route.Stable || now.Canary != l.route.Canary {
		l.out.leave()
		return hint.Wrap(fmt.Errorf("analyse %s: %w: it compares other versions now: stable %q, canary %q",
			l.route, ErrInconclusive, now.Stable, now.Canary), "the release is over; start again for another one")
	}
	return l.expect(now)
}

func (l *live) expect(route traffic.Route) error {
	return l.analysis.Expect(analysis.Expectation{Share: float64(route.Weights.Canary) / 100, Unsplit: route.Unsplit, From: l.Clock.Now()})
}

// relevant are the intervals of the metrics that decide, in the order of time: the
// evidence of all metrics is that of one moment.
func relevant(c analysis.Config, intervals []metrics.Interval) []metrics.Interval {
	var mine []metrics.Interval
	for _, i := range intervals {
		if c.Counts(i.Metric) && !i.Before {
			mine = append(mine, i)
		}
	}
	slices.SortStableFunc(mine, func(a, b metrics.Interval) int { return a.End.Compare(b.End) })
	return mine
}
