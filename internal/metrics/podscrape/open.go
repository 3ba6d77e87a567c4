package podscrape

import (
	"context"
	"fmt"

	"github.com/canaryctl/canaryctl/internal/metrics"
)

// Open reads every Pod once and says how many requests each version has open; one of
// which nothing tells is not there. An error beside what was counted tells of Pods
// that did not answer, and may have more.
func (s *Scraper) Open(ctx context.Context) (map[string]uint64, error) {
	pods, err := s.pods(ctx)
	if err != nil {
		return nil, err
	}
	if len(pods) == 0 {
		return nil, s.noPods()
	}
	points, failed := s.scrapeAll(ctx, pods, s.config.Now())
	open, err := metrics.CountOpen(s.config.Profile.OfPods(), points)
	if err == nil && len(failed) > 0 {
		err = fmt.Errorf("%d of %d Pods did not answer; the first: %w", len(failed), len(pods), failed[0])
	}
	return open, err
}
