package podscrape

import (
	"context"
	"errors"
	"fmt"

	"github.com/canaryctl/canaryctl/internal/metrics"
)

// Survey reads every Pod once and says, for each of the profiles, what they have of
// its metrics. An error beside what was found tells of Pods that did not answer.
func (s *Scraper) Survey(ctx context.Context, profiles []metrics.Profile) ([][]metrics.Found, error) {
	pods, err := s.pods(ctx)
	if err != nil {
		return nil, err
	}
	if len(pods) == 0 {
		return nil, s.noPods()
	}
	at := s.config.Now()
	for _, p := range profiles {
		s.want(p)
	}
	points, failed := s.scrapeAll(ctx, pods, at)
	if len(failed) > 0 {
		err = fmt.Errorf("%d of %d Pods did not answer; the first: %w", len(failed), len(pods), failed[0])
	}
	all := make([][]metrics.Found, len(profiles))
	for i, p := range profiles {
		found, wrong := metrics.Survey(p.OfPods(), s.config.Release, points, at)
		if wrong != nil {
			return nil, errors.Join(wrong, err)
		}
		all[i] = found
	}
	return all, err
}
