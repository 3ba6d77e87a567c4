package release

import (
	"math"
	"time"

	"github.com/canaryctl/canaryctl/internal/analysis"
	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/event"
	"github.com/canaryctl/canaryctl/internal/metrics"
)

// Making words costs time in proportion to the intervals, deciding does not. So
// they are made as often as readings come, but take no more than a part of the time.
const wordsShare = 20

// words says what is known, unless that was done a moment ago.
func (e *evidence) words(clock func() time.Time, got []metrics.Interval) (*event.Known, error) {
	began := clock()
	if began.Before(e.again) && e.known != nil && e.known.Verdict == e.verdict() {
		return nil, nil
	}
	v, err := e.analysis.Verdict()
	if err != nil {
		return nil, err
	}
	e.known = knownOf(v, e.source)
	e.known.Harm, e.known.Counted = e.analysis.Figures().Harm, e.analysis.End()
	// A version that answered nothing has NaN, and JSON has none.
	if stable, onTrial, _ := analysis.Quantile(got, 0.95); !math.IsNaN(stable) && !math.IsNaN(onTrial) {
		e.known.P95 = &event.Pair{Stable: stable, Canary: onTrial}
	}
	e.again = began.Add(wordsShare * clock().Sub(began))
	return e.known, nil
}

// final is what is known at the end of a release, whenever words were made last.
func (e *evidence) final(clock func() time.Time) *event.Known {
	if e == nil || e.known == nil {
		return nil
	}
	last := *e.known
	e.again = time.Time{}
	if now, err := e.words(clock, nil); err == nil && now.P95 == nil {
		now.P95 = last.P95
	}
	return e.known
}

func knownOf(v analysis.Verdict, source string) *event.Known {
	k := &event.Known{Verdict: canary.Verdict(v.Verdict), Why: v.Summary, Source: source}
	if v.Outlook != nil {
		k.Needed = &v.Outlook.Seconds
	}
	for _, m := range v.Metrics {
		pass := m.NonInferiority
		if m.Promotion != nil {
			pass = *m.Promotion
		}
		k.Metrics = append(k.Metrics, event.Metric{
			Name: m.Name, Verdict: canary.Verdict(m.Verdict),
			Stable: event.Arm(m.Stable), Canary: event.Arm(m.Canary),
			Ratio: finite(m.Ratio.Estimate), Lower: finite(m.Ratio.Lower), Upper: finite(m.Ratio.Upper),
			LogE: float64(m.Rollback.LogEvidence), Threshold: float64(m.Rollback.Threshold),
			LogPass: float64(pass.LogEvidence), PassAt: float64(pass.Threshold),
		})
	}
	return k
}

// finite is nil for a number that JSON cannot say.
func finite(n analysis.Number) *float64 {
	if v := float64(n); !math.IsNaN(v) && !math.IsInf(v, 0) {
		return &v
	}
	return nil
}
