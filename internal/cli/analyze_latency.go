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

// latencies reports whether a histogram is to be read.
func (m *method) latencies() bool { return m.latency.given() || len(m.limits.edges()) > 0 }

// fits is a usage error where intervals tell of edges, and one that was asked for
// is not among them.
func (m *method) fits(intervals []metrics.Interval) error {
	for _, edge := range m.limits.edges() {
		if err := fits("--limit", edge, intervals); err != nil {
			return hint.Wrap(err, "name one of them")
		}
	}
	if m.latency.edge == 0 {
		return nil
	}
	if err := fits("--latency", m.latency.edge, intervals); err != nil {
		return hint.Wrap(err, "name one of them, or a quantile of what stable takes, as p95")
	}
	return nil
}

func fits(flag string, edge time.Duration, intervals []metrics.Interval) error {
	var edges []time.Duration
	for _, i := range intervals {
		if edge, ok := metrics.EdgeOf(i.Metric); ok {
			edges = append(edges, roundEdge(edge))
		}
	}
	slices.Sort(edges)
	edges = slices.Compact(edges)
	if len(edges) == 0 || slices.Contains(edges, edge) {
		return nil
	}
	return usagef("%s %s: the histogram has no such edge; it has %s", flag, edge, edgesText(edges))
}

// roundEdge leaves out what seconds as a float have too much.
func roundEdge(seconds float64) time.Duration {
	return time.Duration(seconds * float64(time.Second)).Round(time.Microsecond)
}

func edgesText(edges []time.Duration) string { return strings.Trim(fmt.Sprint(edges), "[]") }

// settled is the method for recorded counts, whose edges the record has to tell.
func (m *method) settled(c analysis.Config, intervals []metrics.Interval) (analysis.Config, error) {
	if err := m.fits(intervals); err != nil {
		return c, err
	}
	c, err := c.Choose(intervals)
	if err != nil {
		return c, hint.Wrap(err, "only what analyze --record wrote of a histogram can tell; else name an edge, as --latency 250ms")
	}
	return c, nil
}

// settledAll does so for methods to be compared.
func (m *method) settledAll(configs []analysis.Config, intervals []metrics.Interval) ([]analysis.Config, error) {
	all := make([]analysis.Config, len(configs))
	for i, c := range configs {
		var err error
		if all[i], err = m.settled(c, intervals); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// settle chooses the edges of a quantile as soon as the source has told what
// stable took before. Nothing of them has been counted until then.
func (l *live) settle(intervals []metrics.Interval) error {
	if !l.method.latencies() {
		return nil
	}
	told := slices.ContainsFunc(intervals, func(i metrics.Interval) bool { _, ok := metrics.EdgeOf(i.Metric); return ok })
	if !told {
		if !l.latencies {
			l.explain("the source has told of no histogram of latencies")
		}
		return nil
	}
	if l.latencies {
		return nil // and was asked before
	}
	l.latencies = true
	l.explain("")
	if err := l.method.fits(intervals); err != nil {
		return err
	}
	config, err := l.config.Choose(intervals)
	if errors.Is(err, analysis.ErrBefore) {
		l.explain(err.Error())
		return nil
	}
	if err != nil || !l.config.Open() {
		return err
	}
	l.config = config
	tellEdges(l.Err, config)
	return l.analysis.Settle(config)
}

// explain says why nothing is counted of latencies.
func (l *live) explain(why string) {
	for _, m := range l.config.Metrics {
		if _, ok := metrics.EdgeOf(m.Name); ok || m.Quantile > 0 {
			l.analysis.Explain(m.Name, why)
		}
	}
	for _, limit := range l.config.Limits {
		if limit.Metric != analysis.Errors {
			l.analysis.Explain(limit.Metric, why)
		}
	}
}

// tellEdges says what a quantile is judged by.
func tellEdges(w io.Writer, c analysis.Config) {
	for _, m := range c.Metrics {
		var edges []time.Duration
		for _, e := range m.Edges {
			edges = append(edges, roundEdge(e.Seconds))
		}
		if len(edges) > 0 {
			fmt.Fprintf(w, "%s: may pass by what %s; may fail by any of %s\n", m.Name, m.Does, edgesText(edges))
		}
	}
}
