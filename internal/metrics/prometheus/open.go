package prometheus

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"

	"github.com/canaryctl/canaryctl/internal/metrics"
)

// Open is how many requests each version of a release has open, by what the server
// read last; a version of which it knows nothing is not in it. It sends one query. An
// error wraps metrics.ErrAbsent where there is no such server.
func (s *Server) Open(ctx context.Context, p metrics.Profile, r metrics.Release) (map[string]uint64, error) {
	var all []metrics.Point
	for _, g := range p.Gauges() {
		owner, err := g.Identity.Owner(r)
		if err != nil {
			return nil, err
		}
		found, err := s.latest(ctx, series(append(g.Names, g.Ended...), g.Identity.Matchers([]metrics.Release{r})))
		if err != nil {
			return nil, err
		}
		all = append(all, mine(r, owner, found)...)
	}
	return metrics.CountOpen(p, all)
}

// latest are the latest samples of series that are still there
// (https://prometheus.io/docs/prometheus/latest/querying/basics/#staleness).
func (s *Server) latest(ctx context.Context, selector string) ([]metrics.Point, error) {
	response, err := s.ask(ctx, url.Values{"query": {selector}})
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := read(response.Body, maxSums)
	if err != nil {
		return nil, err
	}
	result, err := resultOf(response.StatusCode, body, "vector")
	if err != nil {
		return nil, err
	}
	var samples []struct {
		Metric map[string]string
		Value  *value // missing in a native histogram
	}
	if err := json.Unmarshal(result, &samples); err != nil {
		return nil, err
	}
	all := make([]rangeSeries, 0, len(samples))
	for _, one := range samples {
		if one.Metric == nil {
			return nil, errors.New("query returned a series without labels")
		}
		if one.Value != nil {
			all = append(all, rangeSeries{Metric: one.Metric, Values: []value{*one.Value}})
		}
	}
	return points(all), nil
}
