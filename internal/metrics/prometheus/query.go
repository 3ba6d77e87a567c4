package prometheus

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/canaryctl/canaryctl/internal/metrics"
)

// query selects one metric of all releases.
type query struct {
	metric, selector string
	// received selects what the receivers alone counted, and is empty where one side
	// counts.
	received string
	sides    metrics.Sides
}

// queries are one for each metric that the profile has, errors first.
func queries(p metrics.Profile, releases []metrics.Release) ([]query, error) {
	sides, err := p.Sides()
	if err != nil {
		return nil, err
	}
	var list []query
	for _, metric := range []string{metrics.MetricErrors, metrics.MetricLatency} {
		if len(p.Names(metric)) == 0 {
			continue
		}
		q := query{metric: metric, selector: selector(p, metric, releases), sides: sides}
		if metric == metrics.MetricLatency && sides.Both() {
			p.Sender, p.Peer = nil, nil
			q.received = selector(p, metric, releases)
		}
		list = append(list, q)
	}
	return list, nil
}

// selector picks all spellings of a metric, of all releases.
func selector(p metrics.Profile, metric string, releases []metrics.Release) string {
	return series(p.Names(metric), p.Matchers(releases))
}

// series is a selector of names, and of labels by regular expressions.
func series(names []string, matchers map[string]string) string {
	parts := []string{"__name__=~" + strconv.Quote(strings.Join(names, "|"))}
	for _, label := range slices.Sorted(maps.Keys(matchers)) {
		parts = append(parts, label+"=~"+strconv.Quote(matchers[label]))
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// after is the selector once the answers to the queries before are known. Histograms
// are most of what is read, and both sides have the same of every answer: where the
// receivers count at all, theirs do.
func (q *query) after(answers []reply, owners ...metrics.Owner) string {
	if q.received == "" || len(answers) == 0 {
		return q.selector
	}
	for _, owner := range owners {
		seen := map[metrics.Side]bool{}
		for _, s := range answers[0].series {
			if _, mine := owner.Version(s.Metric); mine {
				seen[q.sides.Of(s.Metric)] = true
			}
		}
		if seen[metrics.Sender] && !seen[metrics.Receiver] {
			return q.selector
		}
	}
	return q.received
}
