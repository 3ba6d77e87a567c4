package release

import (
	"errors"
	"slices"
	"time"

	"github.com/canaryctl/canaryctl/internal/analysis"
	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/event"
	"github.com/canaryctl/canaryctl/internal/metrics"
	"github.com/canaryctl/canaryctl/internal/stats"
	"github.com/canaryctl/canaryctl/internal/workload"
)

// evidence is what is known of one canary against one stable version. Another
// template of either begins another.
type evidence struct {
	config   analysis.Config
	versions analysis.Versions
	analysis *analysis.Analysis
	source   string    // where the counts come from
	since    time.Time // they count from, or from where the analysis ends

	heard   time.Time     // when counts came last, or were first asked for
	typical time.Duration // between two readings that told something
	edges   bool          // the source has told of latencies

	known *event.Known
	again time.Time // before which the words are not made anew
}

// patience is how long a source may tell nothing before that is called silence,
// where nothing is known of how often it does. It is doubled for one that is known
// to be slower.
const patience = 3 * time.Second

func newEvidence(c analysis.Config, v analysis.Versions, since, now time.Time) (*evidence, error) {
	a, err := analysis.New(c, v)
	if err != nil {
		return nil, err
	}
	a.WatchPods(since)
	return &evidence{config: c, versions: v, analysis: a, heard: now}, nil
}

// restored is evidence that another engine left. The pods are watched as before.
func restored(c analysis.Config, v analysis.Versions, state string, now time.Time) (*evidence, error) {
	a, err := analysis.Restore(c, v, state)
	if err != nil {
		return nil, err
	}
	return &evidence{config: a.Config(), versions: v, analysis: a, heard: now}, nil
}

// miss takes that a source told nothing. That is a reason to hold, and no more: it
// may speak again.
func (e *evidence) miss(failure error) {
	e.analysis.Hold(failure.Error())
}

// hear takes what a reading told.
func (e *evidence) hear(now time.Time, got []metrics.Interval) error {
	e.analysis.Hold("")
	e.analysis.Learn(got)
	if err := e.settle(got); err != nil {
		return err
	}
	fresh := relevant(e.config, got)
	if len(fresh) > 0 {
		e.typical = max(e.typical, min(now.Sub(e.heard), time.Minute), metrics.TypicalLength(fresh))
		e.heard = now
	}
	for _, i := range fresh {
		if err := e.analysis.Add(i); err != nil && !errors.Is(err, stats.ErrClock) {
			return err
		}
	}
	return nil
}

// settle chooses the edges of a quantile once the source has told what stable took
// before.
func (e *evidence) settle(got []metrics.Interval) error {
	if e.edges || !e.config.Open() || !slices.ContainsFunc(got, func(i metrics.Interval) bool { _, ok := metrics.EdgeOf(i.Metric); return ok }) {
		return nil
	}
	e.edges = true
	config, err := e.config.Choose(got)
	if errors.Is(err, analysis.ErrBefore) {
		for _, m := range e.config.Metrics {
			if m.Quantile > 0 {
				e.analysis.Explain(m.Name, err.Error())
			}
		}
		return nil
	}
	if err != nil {
		return err
	}
	e.config = config
	return e.analysis.Settle(config)
}

// relevant are the intervals of the metrics that decide, in the order of time.
func relevant(c analysis.Config, intervals []metrics.Interval) []metrics.Interval {
	var mine []metrics.Interval
	for _, i := range intervals {
		if c.Counts(i.Metric) && !i.Before {
			mine = append(mine, i)
		}
	}
	slices.SortStableFunc(mine, func(a, b metrics.Interval) int { return a.End.Compare(b.End) })
	return mine
}

// seePods lets the Pods have their say.
func (e *evidence) seePods(now time.Time, s workload.Sight) {
	if s.Err != nil {
		e.analysis.Blind(s.Err.Error())
		return
	}
	pods := make([]analysis.Pod, len(s.Pods))
	for i, h := range s.Pods {
		pods[i] = analysis.Pod(h)
	}
	e.analysis.See(now, pods)
}

// verdict is what the evidence says now.
func (e *evidence) verdict() canary.Verdict { return canary.Verdict(e.analysis.Outcome()) }

// silent is how long nothing was heard beyond what is usual; zero for not at all.
func (e *evidence) silent(now time.Time) time.Duration {
	if quiet := now.Sub(e.heard); quiet > max(patience, 2*e.typical) {
		return quiet
	}
	return 0
}

// latest is what was known when the words were made last. It may be asked of none.
func (e *evidence) latest() *event.Known {
	if e == nil {
		return nil
	}
	return e.known
}
