package cli

import (
	"context"
	"time"

	"k8s.io/utils/clock"

	"github.com/canaryctl/canaryctl/internal/metrics"
	"github.com/canaryctl/canaryctl/internal/source"
	"github.com/canaryctl/canaryctl/internal/workload"
)

// drain waits until nothing is open on a version that gets no new requests.
type drain struct {
	version string
	most    time.Duration
	clock   clock.WithTicker
	look    func(context.Context) source.Open
	note    func(format string, args ...any)
}

const (
	drainEvery = time.Second
	// settled is how long nothing must be open: routers may still send something.
	settled = 2 * time.Second
	// scraped is the same for a Prometheus, which tells what was open when it last
	// scraped: 30 s ago at most, usually.
	scraped = 30 * time.Second
)

// wait returns what is still open in the end.
func (d *drain) wait(ctx context.Context) (source.Open, error) {
	began := d.clock.Now()
	var last source.Open
	var empty, told time.Time // since when nothing is open; when something was said
	for first := true; ; first = false {
		seen := d.look(ctx)
		if ctx.Err() != nil {
			d.note("%s is kept, in the route and with its Pods", d.version)
			return last, ctx.Err()
		}
		now := d.clock.Now()
		left := d.most - now.Sub(began)
		switch {
		case !seen.Known() || seen.Requests > 0:
			empty = time.Time{}
		case empty.IsZero():
			empty = now
		}
		if !empty.IsZero() && now.Sub(empty) >= quiet(seen) {
			d.note("nothing is open on %s any more (%s)", d.version, seen.Where)
			return seen, nil
		}
		last = seen
		if left <= 0 {
			return last, nil
		}
		if first || now.Sub(told) >= progressEvery(d.most) {
			told = now
			d.tell(seen, left)
		}
		select {
		case <-d.clock.After(min(left, drainEvery)):
		case <-ctx.Done():
		}
	}
}

func quiet(seen source.Open) time.Duration {
	if seen.Live {
		return settled
	}
	return scraped
}

func (d *drain) tell(seen source.Open, left time.Duration) {
	left = left.Round(time.Second)
	switch {
	case !seen.Known():
		d.note("what is open on %s is not seen: nothing tells of requests under way; waiting the whole time, %s more", d.version, left)
	case seen.Requests == 0:
		d.note("nothing is open on %s (%s); looking again whether that stays so", d.version, seen.Where)
	default:
		d.note("%s; waiting for at most %s more", seen.On(d.version), left)
	}
}

// farewell says whom the end of a version's Pods cuts and when, after waiting for them
// as long as was said. What cannot be known holds nothing up.
func (r *retirement) farewell(ctx context.Context, m *mutation, deployments workload.Deployments, measured metrics.Release, version string) error {
	ending, err := deployments.Ending(ctx, version)
	switch {
	case err != nil:
		m.note("whom the end of %s cuts is not known: %v", version, err)
	case ending.Pods == 0:
		return nil
	}
	known := err == nil
	var open source.Open
	if !m.dry() {
		if open, err = r.lastLook(ctx, m, measured); err != nil {
			return err
		}
	}
	if empty := open.None(); known && (r.drain == 0 || !empty) { // it was told of the latter
		m.note("%s", cutText(version, open, ending))
	}
	return nil
}

// lastLook says what is open on a version, once it was waited for.
func (r *retirement) lastLook(ctx context.Context, m *mutation, measured metrics.Release) (source.Open, error) {
	reader, err := m.f.openReader()
	if err != nil {
		return source.Open{}, err
	}
	look := func(ctx context.Context) source.Open { return reader.OfStable(ctx, measured) }
	if r.drain == 0 {
		return look(ctx), nil
	}
	d := drain{version: measured.Stable, most: r.drain, clock: m.f.Clock, look: look, note: m.note}
	return d.wait(ctx)
}

// cutText says what becomes of what is open; nothing, where nothing is.
func cutText(version string, open source.Open, ending workload.Ending) string {
	switch {
	case open.None():
		return "no request is open on " + version + " (" + open.Where + "); connections that are idle are closed"
	case open.Known():
		return open.On(version) + "; what is still open then " + ending.String()
	}
	return "what is open on " + version + " " + ending.String()
}
