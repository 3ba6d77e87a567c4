// Package analysis turns counts into a verdict about a canary, with a sentence
// that a person can read. It knows no source of counts and no cluster, and the
// same intervals give the same verdict.
package analysis

import (
	"fmt"
	"slices"
	"time"

	"github.com/canaryctl/canaryctl/internal/metrics"
	"github.com/canaryctl/canaryctl/internal/stats"
)

// Versions are the names that the sentences use.
type Versions struct {
	Stable string `json:"stable"`
	Canary string `json:"canary"`
}

// Analysis keeps what is known of one canary. Feed it intervals with Add, in the
// order of time, and ask for the Verdict as often as you like.
type Analysis struct {
	asked    string // hash of the configuration that it began with
	config   Config
	versions Versions
	metrics  []*evidence // as in the configuration
	limits   []*ceiling  // as in the configuration
	flow     flow        // of the first metric
	ended    ended
	heard    heard
	delay    delay
	traffic  *trafficShare
	pods     *podWatch // nil where nobody watches them

	unanswered *unanswered // nil where the configuration does not ask for it

	weights, logE []float64 // of shares

	rollback   stats.Peak // of the evidence of all metrics and limits together
	causes     []string   // set when rollback reached its threshold
	start, end time.Time
	reason     string // why nothing new is known; empty when it is
}

// New starts an analysis without data.
func New(c Config, v Versions) (*Analysis, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	a := &Analysis{asked: c.Hash(), config: c, versions: v}
	for _, m := range c.Metrics {
		e, err := newEvidence(m, c)
		if err != nil {
			return nil, err
		}
		if a.metrics = append(a.metrics, e); m.Name == Unanswered {
			if a.unanswered, err = newUnanswered(m, c); err != nil {
				return nil, err
			}
			e.share = a.unanswered.process
		}
	}
	for _, l := range c.Limits {
		one, err := newCeiling(l, c)
		if err != nil {
			return nil, err
		}
		a.limits = append(a.limits, one)
	}
	return a, nil
}

// WatchPods says that See will tell of the Pods, whose restarts count from a time
// on. It does nothing where the configuration has no gate for them, or where they
// have been watched before.
func (a *Analysis) WatchPods(begin time.Time) {
	if a.config.Pods != nil && a.pods == nil {
		a.pods = &podWatch{gate: *a.config.Pods, versions: a.versions, begin: begin, pods: map[string]*podHistory{}}
	}
}

// See takes all Pods of both versions as they are at a time. Until the first call
// that names a Pod they do not stand in the way of a pass.
func (a *Analysis) See(at time.Time, pods []Pod) {
	if a.pods != nil {
		a.pods.see(at, pods)
	}
}

// Blind says why the Pods cannot be seen now. Nothing passes until See is called.
func (a *Analysis) Blind(reason string) {
	if a.pods != nil {
		a.pods.blind = reason
	}
}

// Hold says why nothing new is known: the source of the counts is silent. Until it
// speaks again, which an empty reason says, nothing passes.
func (a *Analysis) Hold(reason string) { a.reason = reason }

// Explain says why nothing is counted by a metric, or of a limit's, for as long as that is so.
func (a *Analysis) Explain(metric, why string) {
	for _, e := range a.metrics {
		if e.metric.Name == metric {
			e.why = why
		}
	}
	for _, c := range a.limits {
		if c.limit.Metric == metric {
			c.why = why
		}
	}
}

// Settle puts in the edges that Choose has chosen for the configuration.
func (a *Analysis) Settle(c Config) error {
	for i, e := range a.metrics {
		if !e.metric.open() || c.Metrics[i].open() {
			continue
		}
		settled, err := newEvidence(c.Metrics[i], c)
		if err != nil {
			return err
		}
		a.metrics[i] = settled
	}
	a.config = c
	return nil
}

// End is when the last interval ended that was added, by the source's clock; zero
// without one. A source that is begun anew should not count what was before.
func (a *Analysis) End() time.Time { return a.end }

// Add takes one interval of one metric. One that no system could have counted,
// or that began before the last one of its metric ended, is an error and left out;
// the error wraps stats.ErrClock where only time is wrong.
func (a *Analysis) Add(i metrics.Interval) error {
	if i.Before || !a.config.Counts(i.Metric) {
		return fmt.Errorf("analyse an interval of %q: the configuration has no such metric", i.Metric)
	}
	if err := a.add(i); err != nil {
		return fmt.Errorf("analyse an interval of %q: %w", i.Metric, err)
	}
	if a.start.IsZero() || i.Start.Before(a.start) {
		a.start = i.Start
	}
	if i.End.After(a.end) {
		a.end = i.End
	}
	if i.Metric == a.metrics[0].main.name { // every metric counts the same requests
		a.flow.add(i)
	}
	a.flow.lose(i)
	if a.ended.by(i, a.metrics[0].main.name) {
		if err := a.weigh(i); err != nil {
			return err
		}
	}
	return a.look()
}

// ended says which intervals are those of all requests that ended: the given-up
// ones where the source tells them, else those of the first metric, which were
// answered.
type ended struct {
	givenUp bool
	end     time.Time
}

// by reports whether the interval is one of those. One of given-up requests comes
// behind that of the first metric of the same time; where it does not come any more,
// the next of the first metric begins late.
func (e *ended) by(i metrics.Interval, first string) bool {
	late := i.Start.Sub(e.end) > i.End.Sub(i.Start)/2
	switch {
	case i.Start.Before(e.end):
		e.givenUp = e.givenUp || i.Metric == GivenUp
		return false
	case i.Metric != GivenUp && (i.Metric != first || e.givenUp && !late):
		return false
	}
	e.givenUp, e.end = i.Metric == GivenUp, i.End
	return true
}

// weigh compares the canary's share of what ended with its weight.
func (a *Analysis) weigh(i metrics.Interval) error {
	if a.traffic != nil {
		a.heard.add(i, a.traffic.share)
	} else {
		a.heard.add(i, 0)
	}
	if err := a.traffic.add(i, a.delay); err != nil || a.unanswered == nil {
		return err
	}
	if err := a.unanswered.add(i, a.versions.Canary, a.delay); err != nil {
		return err
	}
	for _, e := range a.metrics {
		if e.share != nil {
			return e.rollback.Update(e.harmful())
		}
	}
	return nil
}

// add gives the interval to all that it is about. They have seen the same ones
// before, so what the first takes the others take.
func (a *Analysis) add(i metrics.Interval) error {
	for _, e := range a.metrics {
		c := e.find(i.Metric)
		if c == nil {
			continue
		}
		if err := e.add(c, i, a.versions); err != nil {
			return err
		}
	}
	for _, c := range a.limits {
		if c.limit.Metric != i.Metric {
			continue
		}
		if err := c.add(i, a.versions.Stable); err != nil {
			return err
		}
	}
	return nil
}

// together is the log evidence of all metrics and limits: a convex average of e-processes is
// one, whatever they have to do with each other.
func (a *Analysis) together() (float64, error) {
	return stats.LogAverage(a.shares())
}

// shares are the weights of the metrics and limits, and their log evidence for
// rolling back.
func (a *Analysis) shares() (weights, logE []float64) {
	weights, logE = a.weights[:0], a.logE[:0] // it is asked for at every interval
	for _, e := range a.metrics {
		weights, logE = append(weights, e.metric.Weight), append(logE, e.harmful())
	}
	for _, c := range a.limits {
		weights, logE = append(weights, c.limit.Weight), append(logE, c.violated.LogE())
	}
	a.weights, a.logE = weights, logE
	return weights, logE
}

// look notes when the evidence suffices, and whose it is. Metrics of one interval
// come one after the other, so a cause may join the first a moment later.
func (a *Analysis) look() error {
	now, err := a.together()
	if err != nil {
		return err
	}
	if err := a.rollback.Update(now); err != nil {
		return err
	}
	if now < stats.Threshold(a.config.RollbackAlpha) {
		return nil
	}
	weights, logE := a.shares()
	causes, err := stats.Causes(weights, logE, a.config.RollbackAlpha)
	if err != nil {
		return err
	}
	for _, i := range causes {
		if name := a.nameOf(i); !slices.Contains(a.causes, name) {
			a.causes = append(a.causes, name)
		}
	}
	return nil
}

// nameOf is that of the i-th of shares.
func (a *Analysis) nameOf(i int) string {
	if i < len(a.metrics) {
		return a.metrics[i].metric.Name
	}
	return a.limits[i-len(a.metrics)].limit.Name()
}

// Outcome is the whole decision. It costs next to nothing, unlike the Verdict,
// for those who ask every second and want no words. Harm comes first, and once it
// is shown the canary has failed for good; it passes while every metric and its
// Pods say so now and it is within its limits, so one that begins to fail late
// loses its pass.
func (a *Analysis) Outcome() Outcome {
	pods := a.pods.outcome()
	if a.causes != nil || pods == Fail {
		return Fail
	}
	if a.reason != "" || pods == Inconclusive {
		return Inconclusive
	}
	for _, e := range a.metrics {
		if !e.promotes() {
			return Inconclusive
		}
	}
	for _, c := range a.limits {
		if !c.allows() {
			return Inconclusive
		}
	}
	return Pass
}

// Causes are the metrics and limits that the canary has failed by, the first first;
// none while it has not. With Unanswered among them it hangs, or cannot be reached.
func (a *Analysis) Causes() []string { return slices.Clone(a.causes) }

// Config is how it decides, with the edges that were chosen.
func (a *Analysis) Config() Config { return a.config }
