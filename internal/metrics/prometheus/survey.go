package prometheus

import (
	"context"
	"time"

	"github.com/canaryctl/canaryctl/internal/metrics"
)

// SurveyConfig says what to look for.
type SurveyConfig struct {
	Profile metrics.Profile
	Release metrics.Release
	Guard   metrics.GuardConfig
	// Now is the clock where the server does not tell its own.
	Now func() time.Time
}

// Survey says what the server has of a profile's metrics, with the queries of a
// Watcher's first look. Errors are as those of a metrics.Stream; that there is
// nothing is none.
func (s *Server) Survey(ctx context.Context, c SurveyConfig) ([]metrics.Found, error) {
	owner, err := c.Profile.Identity.Owner(c.Release)
	if err != nil {
		return nil, err
	}
	guard := metrics.NewGuard(c.Guard)
	now := c.Now()
	var all []metrics.Point
	list, err := queries(c.Profile, []metrics.Release{c.Release})
	if err != nil {
		return nil, err
	}
	read := func(selector string, owner metrics.Owner) error {
		var answer reply
		err := guard.Do(ctx, func(ctx context.Context) (err error) {
			answer, err = s.raw(ctx, selector, DefaultWindow)
			return err
		})
		if !answer.at.IsZero() {
			now = answer.at
		}
		all = append(all, mine(c.Release, owner, points(answer.series))...)
		return err
	}
	for _, q := range list {
		if err := read(q.selector, owner); err != nil {
			return nil, err
		}
	}
	open, err := gaugesOf(c.Profile, []metrics.Release{c.Release})
	if err != nil {
		return nil, err
	}
	for _, g := range open {
		if err := read(g.selector, g.owners[0]); err != nil {
			return nil, err
		}
	}
	return metrics.Survey(c.Profile, c.Release, all, now)
}
