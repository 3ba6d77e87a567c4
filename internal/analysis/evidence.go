package analysis

import (
	"encoding"
	"fmt"
	"slices"
	"time"

	"github.com/canaryctl/canaryctl/internal/metrics"
	"github.com/canaryctl/canaryctl/internal/stats"
)

// codec is what goes on exactly where it stood, after a restart.
type codec interface {
	encoding.TextMarshaler
	encoding.TextUnmarshaler
}

// process is an e-process of package stats.
type process interface {
	codec
	Update(stats.Scrape) error
	LogE() float64
	PeakLogE() float64
	PValue() float64
}

// evidence is what is known of one metric. It is one counter of bad requests, or
// some edges of a histogram. All of them can have the canary rolled back, since a
// convex average of their evidence is evidence that it is slower somewhere; the
// main one alone says whether it may pass: that it is not slower elsewhere says
// nothing about the quantile that was asked for.
type evidence struct {
	metric   Metric
	config   Config // as it is for this metric
	edges    []*counter
	weights  []float64 // of the edges
	logE     []float64 // of the edges, for the average
	main     *counter
	share    *stats.Shortfall // of Unanswered alone: the other way to know
	rollback stats.Peak       // of the average

	nonInferior process
	negligible  process // nil without such a level
	promoted    stats.Peak
	why         string // nothing is counted, if somebody knows
}

// counter is what is known by one way to be bad.
type counter struct {
	name       string // of its intervals
	rollback   process
	dispersion stats.Dispersion
	ledger     stats.Ledger
	intervals  int
	observed   time.Duration // that they lasted together
	whys       Whys          // of the canary's bad requests
}

func newEvidence(m Metric, c Config) (*evidence, error) {
	c = m.method(c)
	e := &evidence{metric: m, config: c}
	names, weights := []string{m.Name}, []float64{1}
	if len(m.Edges) > 0 {
		names, weights = m.counters(), nil
		for _, edge := range m.Edges {
			weights = append(weights, edge.Weight)
		}
	}
	e.weights, e.logE = weights, make([]float64, len(weights))
	for i, name := range names {
		one, err := newCounter(name, c)
		if err != nil {
			return nil, err
		}
		e.edges = append(e.edges, one)
		if len(m.Edges) == 0 || m.Edges[i] == m.main() {
			e.main = one
		}
	}
	var err error
	if e.nonInferior, err = stats.NewNonInferiority(c.Config); err != nil {
		return nil, err
	}
	if c.Negligible > 0 {
		e.negligible, err = stats.NewNegligible(c.Config)
	}
	return e, err
}

func newCounter(name string, c Config) (*counter, error) {
	var p process
	var err error
	if c.OnsetIntervals > 0 {
		p, err = stats.NewOnset(c.Config)
	} else {
		p, err = stats.NewRollback(c.Config)
	}
	return &counter{name: name, rollback: p}, err
}

// codecs are everything that decides and has to be kept, in one order.
func (e *evidence) codecs() []codec {
	list := []codec{e.nonInferior}
	if e.negligible != nil {
		list = append(list, e.negligible)
	}
	for _, c := range e.edges {
		list = append(list, c.rollback, &c.dispersion)
	}
	return list
}

// clone decides on as this one would. It has no ledgers.
func (e *evidence) clone() (*evidence, error) {
	twin, err := newEvidence(e.metric, e.config)
	if err != nil {
		return nil, err
	}
	twin.rollback, twin.promoted, twin.share = e.rollback, e.promoted, e.share
	texts, err := encode(e.codecs())
	if err != nil {
		return nil, err
	}
	return twin, decode(twin.codecs(), texts)
}

// find is the counter of intervals of that name, or nil.
func (e *evidence) find(name string) *counter {
	i := slices.IndexFunc(e.edges, func(c *counter) bool { return c.name == name })
	if i < 0 || e.metric.open() {
		return nil
	}
	return e.edges[i]
}

// add divides the evidence of an interval by the dispersion that was known
// before it, and only then learns from its Pods.
func (e *evidence) add(c *counter, i metrics.Interval, v Versions) error {
	if err := follows(i, c.ledger.End()); err != nil {
		return err
	}
	scrape := stats.Scrape{At: i.End, Dispersion: e.phi(c), Strata: i.Strata}
	if err := c.ledger.Append(scrape); err != nil {
		return err
	}
	c.intervals++
	c.observed += i.End.Sub(i.Start)
	c.whys.add(i.Whys[v.Canary])
	if err := e.update(c, scrape); err != nil {
		return err
	}
	return c.dispersion.Update(i.Pods[v.Stable])
}

// follows is an error for an interval that counts again what was counted, as a
// source does that was begun anew too early.
func follows(i metrics.Interval, last time.Time) error {
	if i.Start.Before(last) {
		return fmt.Errorf("%w: it begins at %s, and the last interval ended at %s",
			stats.ErrClock, i.Start.Format(time.RFC3339Nano), last.Format(time.RFC3339Nano))
	}
	return nil
}

func (e *evidence) phi(c *counter) float64 {
	if e.config.Dispersion > 0 {
		return e.config.Dispersion
	}
	return c.dispersion.Phi()
}

func (e *evidence) update(c *counter, s stats.Scrape) error {
	if err := c.rollback.Update(s); err != nil {
		return err
	}
	if err := e.rollback.Update(e.harmful()); err != nil || c != e.main {
		return err
	}
	for _, p := range []process{e.nonInferior, e.negligible} {
		if p == nil {
			continue
		}
		if err := p.Update(s); err != nil {
			return err
		}
	}
	return e.promoted.Update(e.promotion())
}

// harmful is the log evidence for rolling back, of all edges together, or of both ways
// to know of unanswered requests.
func (e *evidence) harmful() float64 {
	if len(e.edges) == 1 && e.share == nil {
		return e.main.rollback.LogE()
	}
	if e.share != nil {
		return stats.LogMean(shareWeight, e.share.LogE(), e.main.rollback.LogE())
	}
	for i, c := range e.edges {
		e.logE[i] = c.rollback.LogE()
	}
	mean, err := stats.LogAverage(e.weights, e.logE)
	if err != nil {
		return 0 // not with weights that are valid
	}
	return mean
}

// promotion is the log evidence that this metric does not stand in the way. Harm
// is a ratio above the margin and, where a negligible level is set, a share above
// that level too; under harm both processes are e-processes, and so is their mean.
func (e *evidence) promotion() float64 {
	if e.negligible == nil {
		return e.nonInferior.LogE()
	}
	return stats.LogMean(0.5, e.nonInferior.LogE(), e.negligible.LogE())
}

// promotes reports whether the metric does not stand in the way of a pass. One that no
// source counts does not.
func (e *evidence) promotes() bool {
	if e.metric.outcome() && e.main.intervals == 0 {
		return true
	}
	return e.promotion() >= stats.Threshold(e.config.PromoteAlpha)
}

// condemns reports whether this metric alone would have the canary rolled back,
// with its own part of alpha.
func (e *evidence) condemns() bool {
	return e.harmful() >= stats.Threshold(e.config.RollbackAlpha*e.metric.Weight)
}
