package cli

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/canaryctl/canaryctl/internal/analysis"
	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/metrics"
	"github.com/canaryctl/canaryctl/internal/planfile"
)

// latency is a flag's value: an edge of the histogram, as 250ms, or a quantile of
// what stable takes, as p95.
type latency struct {
	edge     time.Duration
	quantile planfile.Quantile
}

func (l *latency) given() bool  { return l.edge > 0 || l.quantile > 0 }
func (l *latency) Type() string { return "latency" }

func (l *latency) String() string {
	if l.edge > 0 {
		return l.edge.String()
	}
	return l.quantile.String()
}

func (l *latency) Set(text string) error {
	if *l = (latency{}); strings.HasPrefix(text, "p") {
		return l.quantile.Set(text)
	}
	edge, err := time.ParseDuration(text)
	if err != nil || edge <= 0 {
		return usagef("%q is neither a time like 250ms nor a quantile like p95", text)
	}
	l.edge = edge
	return nil
}

// metric is what a plan file says for it.
func (l *latency) metric() planfile.Metric {
	return planfile.Metric{Name: planfile.Latency, Over: canary.Duration(l.edge), Quantile: l.quantile}
}

// fits is a usage error where intervals tell of edges, and the one that was asked
// for is not among them.
func (l *latency) fits(intervals []metrics.Interval) error {
	if l.edge == 0 {
		return nil
	}
	var edges []time.Duration
	for _, i := range intervals {
		if edge, ok := metrics.EdgeOf(i.Metric); ok {
			edges = append(edges, time.Duration(edge*float64(time.Second)).Round(time.Microsecond))
		}
	}
	slices.Sort(edges)
	edges = slices.Compact(edges)
	if len(edges) == 0 || slices.Contains(edges, l.edge) {
		return nil
	}
	return hint.Wrap(usagef("--latency %s: the histogram has no such edge; it has %s", l.edge, edgesText(edges)),
		"name one of them, or a quantile of what stable takes, as p95")
}

func edgesText(edges []time.Duration) string { return strings.Trim(fmt.Sprint(edges), "[]") }

// settled is the method for recorded counts, whose edges the record has to tell.
func (l *latency) settled(c analysis.Config, intervals []metrics.Interval) (analysis.Config, error) {
	if err := l.fits(intervals); err != nil {
		return c, err
	}
	c, err := c.Choose(intervals)
	if err != nil {
		return c, hint.Wrap(err, "only what analyze --record wrote of a histogram can tell; else name an edge, as --latency 250ms")
	}
	return c, nil
}

// settledAll does so for methods to be compared.
func (l *latency) settledAll(configs []analysis.Config, intervals []metrics.Interval) ([]analysis.Config, error) {
	all := make([]analysis.Config, len(configs))
	for i, c := range configs {
		var err error
		if all[i], err = l.settled(c, intervals); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// settle chooses the edges of a quantile as soon as the source has told what
// stable took before. Nothing of them has been counted until then.
func (l *live) settle(intervals []metrics.Interval) error {
	if !l.method.latency.given() {
		return nil
	}
	told := slices.ContainsFunc(intervals, func(i metrics.Interval) bool { _, ok := metrics.EdgeOf(i.Metric); return ok })
	name := l.config.Metrics[len(l.config.Metrics)-1].Name
	if !told {
		if !l.latencies {
			l.analysis.Explain(name, "the source has told of no histogram of latencies")
		}
		return nil
	}
	if l.latencies {
		return nil // and was asked before
	}
	l.latencies = true
	l.analysis.Explain(name, "")
	if err := l.method.latency.fits(intervals); err != nil {
		return err
	}
	config, err := l.config.Choose(intervals)
	if errors.Is(err, analysis.ErrBefore) {
		l.analysis.Explain(name, err.Error())
		return nil
	}
	if err != nil || !l.config.Open() {
		return err
	}
	l.config = config
	tellEdges(l.Err, config)
	return l.analysis.Settle(config)
}

// tellEdges says what a quantile is judged by.
func tellEdges(w io.Writer, c analysis.Config) {
	for _, m := range c.Metrics {
		var edges []time.Duration
		for _, e := range m.Edges {
			edges = append(edges, time.Duration(e.Seconds*float64(time.Second)).Round(time.Microsecond))
		}
		if len(edges) > 0 {
			fmt.Fprintf(w, "%s: may pass by what %s; may fail by any of %s\n", m.Name, m.Does, edgesText(edges))
		}
	}
}
