package analysis

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/canaryctl/canaryctl/internal/metrics"
	"github.com/canaryctl/canaryctl/internal/stats"
)

// ErrBefore is wrapped by Choose where too little is known of stable's latencies
// to choose edges by.
var ErrBefore = errors.New("no edges of the histogram can be chosen")

// Edge of a histogram: requests that take longer are bad. Weight is its part of
// the evidence for rolling back; the weights of a metric sum to 1.
type Edge struct {
	Seconds float64 `json:"seconds"`
	Weight  float64 `json:"weight"`
}

// Latency is the metric of requests that take longer than an edge.
func Latency(edge time.Duration, weight float64) Metric {
	return Metric{Name: metrics.EdgeName(edge.Seconds()), Weight: weight, Does: "takes longer than " + edge.String()}
}

// LatencyQuantile is the metric of requests that are slower than a quantile of
// stable's latencies, whose edges are still to be chosen.
func LatencyQuantile(q, weight float64) Metric {
	name := "p" + strconv.FormatFloat(math.Round(q*1e8)/1e6, 'f', -1, 64)
	return Metric{Name: metrics.MetricLatency + " " + name, Weight: weight, Quantile: q, Does: "takes longer than the " + name}
}

// main is the edge that a pass is decided by: the one nearest to the quantile.
func (m Metric) main() Edge {
	return slices.MaxFunc(m.Edges, func(a, b Edge) int { return cmp.Compare(a.Weight, b.Weight) })
}

// open reports whether edges are still to be chosen.
func (m Metric) open() bool { return m.Quantile > 0 && m.Edges == nil }

func (m Metric) validEdges() error {
	if m.Quantile == 0 && m.Edges == nil {
		return nil
	}
	if !(m.Quantile > 0 && m.Quantile < 1) {
		return fmt.Errorf("analysis: quantile %v of metric %q is not between 0 and 1", m.Quantile, m.Name)
	}
	var sum float64
	for _, e := range m.Edges {
		if !(e.Seconds > 0) || !(e.Weight > 0) {
			return fmt.Errorf("analysis: edge %+v of metric %q is not positive", e, m.Name)
		}
		sum += e.Weight
	}
	if m.Edges != nil && math.Abs(sum-1) > 1e-9 {
		return fmt.Errorf("analysis: the weights of the edges of %q sum to %v, not to 1", m.Name, sum)
	}
	return nil
}

// by is the metric with edges that were chosen.
func (m Metric) by(edges []Edge) Metric {
	m.Edges = edges
	m.Does = "takes longer than " + edgeText(m.main())
	return m
}

// Open reports whether a metric still needs Choose.
func (c Config) Open() bool { return slices.ContainsFunc(c.Metrics, Metric.open) }

// Counts reports whether intervals of a metric are evidence by this configuration.
func (c Config) Counts(metric string) bool {
	return slices.ContainsFunc(c.Metrics, func(m Metric) bool { return slices.Contains(m.counters(), metric) }) ||
		slices.ContainsFunc(c.Limits, func(l Limit) bool { return l.Metric == metric })
}

// counters are the names of the intervals that the metric is made of.
func (m Metric) counters() []string {
	if m.Quantile == 0 {
		return []string{m.Name}
	}
	names := make([]string, len(m.Edges))
	for i, e := range m.Edges {
		names[i] = metrics.EdgeName(e.Seconds)
	}
	return names
}

// Choose settles the edges of every quantile by what stable had answered before
// the beginning, which intervals that are marked so tell; others are passed over.
// From then on they are fixed, and in the hash. An error wraps ErrBefore.
func (c Config) Choose(intervals []metrics.Interval) (Config, error) {
	if !c.Open() {
		return c, nil
	}
	edges, slow, n := latencies(intervals, true)
	c.Metrics = slices.Clone(c.Metrics)
	for i, m := range c.Metrics {
		if !m.open() {
			continue
		}
		if len(edges) == 0 {
			return c, fmt.Errorf("%w for %s: nothing is known of what stable answered before", ErrBefore, m.Name)
		}
		// Ten beyond the quantile put it within a third of where it is.
		if needed := math.Ceil(10/(1-m.Quantile) - 1e-6); float64(n) < needed {
			return c, fmt.Errorf("%w for %s: stable answered %s requests before, and it takes %s",
				ErrBefore, m.Name, Thousands(n), Thousands(uint64(needed)))
		}
		weights, err := stats.EdgeWeights(m.Quantile, slow)
		if err != nil {
			return c, fmt.Errorf("%w for %s: %w", ErrBefore, m.Name, err)
		}
		for k, weight := range weights {
			if weight > 0 {
				m.Edges = append(m.Edges, Edge{edges[k], weight})
			}
		}
		c.Metrics[i] = m.by(m.Edges)
	}
	return c, nil
}

// latencies are the edges of the histogram, ascending, the share of stable's requests
// above each, and how many requests there were: before the beginning, or since.
func latencies(intervals []metrics.Interval, before bool) (edges, slow []float64, n uint64) {
	sums := map[float64]Arm{}
	for _, i := range intervals {
		edge, ok := metrics.EdgeOf(i.Metric)
		if !ok || i.Before != before {
			continue
		}
		for _, c := range i.Strata {
			sums[edge] = sums[edge].plus(Arm{c.StableTotal, c.StableBad})
		}
	}
	maps.DeleteFunc(sums, func(_ float64, a Arm) bool { return a.Requests == 0 })
	for _, edge := range slices.Sorted(maps.Keys(sums)) {
		edges, slow, n = append(edges, edge), append(slow, sums[edge].share(0)), max(n, sums[edge].Requests)
	}
	return edges, slow, n
}

// edgeText shows three digits: those of native histograms are powers of roots of 2.
func edgeText(e Edge) string {
	d := seconds(e.Seconds)
	return d.Round(time.Duration(math.Pow10(int(math.Log10(float64(d))) - 2))).String()
}

// doesAny is what a version does to a request that is bad by any of the edges.
func (m Metric) doesAny() string {
	if len(m.Edges) < 2 {
		return m.Does
	}
	texts := make([]string, len(m.Edges))
	for i, e := range m.Edges {
		texts[i] = edgeText(e)
	}
	last := len(texts) - 1
	return fmt.Sprintf("takes longer than %s or %s", strings.Join(texts[:last], ", "), texts[last])
}
