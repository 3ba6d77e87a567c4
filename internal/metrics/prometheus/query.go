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
	// sent selects what the senders alone counted, where received leaves that out and
	// they may tell how many requests are open: how many took long.
	sent  string
	sides metrics.Sides
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
			alone := p
			alone.Sender, alone.Peer = nil, nil
			q.received = selector(alone, metric, releases)
			if len(p.Open) > 0 {
				q.sent = sent(p, releases)
			}
		}
		list = append(list, q)
	}
	return list, nil
}

// selector picks all spellings of a metric, of all releases.
func selector(p metrics.Profile, metric string, releases []metrics.Release) string {
	return series(p.Names(metric), p.Matchers(releases))
}

// sent picks what the senders have of long answers: that is all that it takes to tell
// a request that hangs from them.
func sent(p metrics.Profile, releases []metrics.Release) string {
	p.Receiver, p.Peer = nil, nil
	matchers := p.Matchers(releases)
	if !slices.ContainsFunc(p.Latency, func(i metrics.Instrument) bool { return i.Scale != millisecond }) {
		matchers["le"] = `|[1-9][0-9]{2,}(\.0)?|\+Inf` // of a native histogram none
	}
	return series(p.Names(metrics.MetricLatency), matchers)
}

const millisecond = 0.001 // in seconds

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
