package prometheus

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/canaryctl/canaryctl/internal/metrics"
)

// gauges selects what tells how many requests are open, of all releases.
type gauges struct {
	selector string
	owners   []metrics.Owner // of the releases, in their order
}

// gaugesOf are one for each identity that the profile's gauges have, which is one.
func gaugesOf(p metrics.Profile, releases []metrics.Release) ([]gauges, error) {
	var all []gauges
	for _, g := range p.Gauges() {
		one := gauges{selector: series(g.Names, g.Identity.Matchers(releases))}
		for _, r := range releases {
			owner, err := g.Identity.Owner(r)
			if err != nil {
				return nil, err
			}
			one.owners = append(one.owners, owner)
		}
		all = append(all, one)
	}
	return all, nil
}

// readGauges asks for the samples of the last while, in the order of the gauges. They
// are an addition: a server that refuses them is not asked for them again.
func (w *Watcher) readGauges(ctx context.Context, lookback time.Duration) ([][]metrics.Point, error) {
	all := make([][]metrics.Point, len(w.gauges))
	for i, g := range w.gauges {
		var answer reply
		err := w.guard.Do(ctx, func(ctx context.Context) (err error) {
			answer, err = w.server.raw(ctx, g.selector, lookback)
			return err
		})
		switch {
		case errors.Is(err, errRefused) && !errors.Is(err, metrics.ErrUnavailable):
			w.gauges = nil
			return nil, nil
		case err != nil:
			return nil, err
		}
		all[i] = points(answer.series)
	}
	return all, nil
}

// readSent asks for the histograms of those whose gauges were read, unless they are
// among the answers.
func (w *Watcher) readSent(ctx context.Context, answers []reply, open [][]metrics.Point, lookback time.Duration) ([]metrics.Point, error) {
	if !slices.ContainsFunc(open, func(all []metrics.Point) bool { return len(all) > 0 }) {
		return nil, nil
	}
	var all []metrics.Point
	for i, q := range w.list {
		if q.sent == "" || q.after(answers[:i], w.owners()...) != q.received {
			continue
		}
		var answer reply
		err := w.guard.Do(ctx, func(ctx context.Context) (err error) {
			answer, err = w.server.raw(ctx, q.sent, lookback)
			return err
		})
		if err != nil {
			return nil, err
		}
		all = append(all, points(answer.series)...)
	}
	return all, nil
}

// dealGauges hands a release what tells of its open requests, with the counters of
// those that ended and the histograms of how long they took. Where there are counters and
// no gauge, none will come: both are there from a Pod's first request on.
func (w *Watcher) dealGauges(n int, counters []metrics.Point, open [][]metrics.Point) (found []metrics.Interval) {
	s := w.streams[n]
	if s.open == nil {
		return nil
	}
	var own []metrics.Point
	for i, all := range open {
		own = append(own, mine(s.release, w.gauges[i].owners[n], all)...)
	}
	if len(own) > 0 {
		found = s.open.Read(append(own, counters...))
	}
	if len(counters) > 0 && !s.open.Found() {
		s.open = nil
	}
	if !slices.ContainsFunc(w.streams, func(s *stream) bool { return s.open != nil }) {
		w.gauges = nil
	}
	return found
}
