package source

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/utils/clock"

	"github.com/canaryctl/canaryctl/internal/metrics"
)

// candidate is a source that may know the release, and where that is.
type candidate struct {
	place, name string
	profile     metrics.Profile
	stream      metrics.Stream

	last  error // why it was of no use
	until time.Time
	pause time.Duration
}

// First reads the first of its candidates that knows the release, and stays
// with it once it has told twice of requests. Until then a better one takes its
// place: the traffic may have begun between the scrape of an application, which knows
// of no time-out, and that of the mesh. One that did not know the release is left alone
// for a while, which doubles; all of a server that is not there at once.
type First struct {
	clock      clock.PassiveClock
	candidates []candidate
	chosen     *candidate
	told       int // intervals with requests, of the chosen one
	// end is up to when was told of, and from where the chosen one's predecessor ended:
	// no request counts twice.
	end, from time.Time
}

// settledAfter is in how many intervals everything else was scraped, too.
const settledAfter = 2

// A service that has just been made is known with its first scrape.
const (
	shortPause = 100 * time.Millisecond
	longPause  = 30 * time.Second
)

// NewFirst makes one of all profiles of all places.
func NewFirst(places []Place, clock clock.PassiveClock) (*First, error) {
	all := &First{clock: clock}
	for _, at := range places {
		for _, p := range at.Profiles {
			stream, err := at.Watch(p)
			if err != nil {
				return nil, err
			}
			all.candidates = append(all.candidates, candidate{place: at.Name, name: at.Name + ", profile " + p.Name, profile: p, stream: stream})
		}
	}
	return all, nil
}

// Next implements metrics.Stream.
func (s *First) Next(ctx context.Context) ([]metrics.Interval, error) {
	if s.chosen != nil && s.told >= settledAfter {
		intervals, err := s.chosen.stream.Next(ctx)
		return s.take(intervals), err
	}
	var reason error
	for i := range s.candidates {
		c := &s.candidates[i]
		if c != s.chosen && s.clock.Now().Before(c.until) {
			reason = unlessAbsent(c.last, reason)
			continue
		}
		intervals, err := c.stream.Next(ctx)
		switch {
		case c == s.chosen:
			return s.take(intervals), err
		case err == nil:
			s.chosen, s.told, s.from = c, 0, s.end
			return s.take(intervals), nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		s.leave(c, err)
		reason = unlessAbsent(err, reason)
	}
	if reason == nil {
		return nil, fmt.Errorf("%w: there is no Prometheus in the cluster", metrics.ErrUnavailable)
	}
	// The last is the Pods themselves, where those are asked: it knows best.
	return nil, reason
}

// take leaves out what another source told of.
func (s *First) take(intervals []metrics.Interval) []metrics.Interval {
	intervals = slices.DeleteFunc(intervals, func(i metrics.Interval) bool { return !i.Before && i.Start.Before(s.from) })
	for _, i := range intervals {
		if i.Metric == metrics.MetricErrors && !i.Before && len(i.Strata) > 0 {
			s.told++
		}
		if i.End.After(s.end) {
			s.end = i.End
		}
	}
	return intervals
}

// Prompt is that of the chosen source.
func (s *First) Prompt() bool {
	if s.chosen == nil {
		return false
	}
	prompt, is := s.chosen.stream.(metrics.Prompt)
	return is && prompt.Prompt()
}

// leave says when to ask again. A source that does not answer has a guard, which
// knows that better.
func (s *First) leave(c *candidate, err error) {
	now := s.clock.Now()
	c.last = err
	switch {
	case errors.Is(err, metrics.ErrAbsent):
		for i := range s.candidates {
			if other := &s.candidates[i]; other.place == c.place {
				other.last, other.until = err, now.Add(longPause)
			}
		}
	case errors.Is(err, metrics.ErrNoData):
		c.pause = min(max(2*c.pause, shortPause), longPause)
		c.until = now.Add(c.pause)
	}
}

func unlessAbsent(err, before error) error {
	if errors.Is(err, metrics.ErrAbsent) {
		return before
	}
	return err
}

// Unseen says which failures of users the chosen source does not count; empty for none.
func (s *First) Unseen() string {
	if s.chosen == nil {
		return ""
	}
	return Unseen(s.chosen.profile.Name, s.chosen.profile.Unseen)
}

// Unseen says which failures of users a profile does not count.
func Unseen(profile string, what []string) string {
	if len(what) == 0 {
		return ""
	}
	return fmt.Sprintf("Profile %s does not count %s", profile, strings.Join(what, "; "))
}

// Name is that of the chosen source; empty for none yet.
func (s *First) Name() string {
	if s.chosen == nil {
		return ""
	}
	return s.chosen.name
}
