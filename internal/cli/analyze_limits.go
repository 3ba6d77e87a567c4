package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/canaryctl/canaryctl/internal/analysis"
	"github.com/canaryctl/canaryctl/internal/metrics"
)

// limits is a flag's value, which may be given several times: errors=1%, or
// 250ms=5% for requests that are slower.
type limits []analysis.Limit

func (l *limits) Type() string { return "limit" }

func (l *limits) String() string {
	texts := make([]string, len(*l))
	for i, one := range *l {
		texts[i] = fmt.Sprintf("%s=%g", one.Metric, one.Share)
	}
	return strings.Join(texts, ",")
}

func (l *limits) Set(text string) error {
	for _, one := range strings.Split(text, ",") {
		metric, share, ok := strings.Cut(one, "=")
		if !ok {
			return usagef("%q is no limit like errors=1%% or 250ms=5%%", one)
		}
		limit := analysis.Limit{Metric: metric}
		if edge, err := time.ParseDuration(metric); err == nil && edge > 0 {
			limit.Metric = metrics.EdgeName(edge.Seconds())
		} else if metric != analysis.Errors {
			return usagef("%q is neither %s nor a time like 250ms, so it can have no limit", metric, analysis.Errors)
		}
		var err error
		if limit.Share, err = parseShare(share); err != nil {
			return err
		}
		if !(limit.Share > 0 && limit.Share < 1) {
			return usagef("limit %s: want a share above 0 and below 1, as 1%%", one)
		}
		*l = append(*l, limit)
	}
	return nil
}

// edges are those of the histogram that limits are about.
func (l limits) edges() []time.Duration {
	var edges []time.Duration
	for _, one := range l {
		if edge, ok := metrics.EdgeOf(one.Metric); ok {
			edges = append(edges, roundEdge(edge))
		}
	}
	return edges
}

// fixedLimit is replay's flag: a share alone is the fixed limit of other tools,
// one with a metric is a limit of the method itself.
type fixedLimit struct {
	share  string
	method *limits
}

func (l *fixedLimit) Type() string   { return "limit" }
func (l *fixedLimit) String() string { return l.share }

func (l *fixedLimit) Set(text string) error {
	if strings.Contains(text, "=") {
		return l.method.Set(text)
	}
	l.share = text
	return nil
}
