package analysis

import (
	"fmt"
	"time"

	"github.com/canaryctl/canaryctl/internal/metrics"
	"github.com/canaryctl/canaryctl/internal/stats"
)

// Decision is what one way of deciding would have made of recorded intervals.
// The counts stop where it was made: what comes later would not have happened.
type Decision struct {
	Rule      string  `json:"rule"`
	Verdict   Outcome `json:"verdict"`
	Intervals int     `json:"intervals"` // that it took, or all there were; see Spans
	Seconds   float64 `json:"seconds"`
	Canary    Arm     `json:"canary"`
	// Why is the sentence of a verdict, or the interval that crossed a limit.
	Why string `json:"why"`
	// Hash of the method; empty for fixed limits.
	Hash string `json:"hash,omitempty"`
}

// Replay analyses recorded intervals as if they came one by one, and stops at the
// first verdict.
func Replay(c Config, v Versions, intervals []metrics.Interval) (Decision, error) {
	a, err := New(c, v)
	if err != nil {
		return Decision{}, err
	}
	d := Decision{Rule: ruleOf(c), Hash: c.Hash(), Verdict: Inconclusive}
	for n, i := range intervals {
		if err := a.Add(i); err != nil {
			return Decision{}, fmt.Errorf("interval %d: %w", n+1, err)
		}
		if n == 0 || !i.End.Equal(intervals[n-1].End) {
			d.Intervals++
		}
		if d.Verdict = a.Outcome(); d.Verdict != Inconclusive {
			break
		}
	}
	last, err := a.Verdict()
	if err != nil {
		return Decision{}, err
	}
	d.Seconds, d.Why, d.Canary = last.Seconds, last.Summary, last.Metrics[0].Canary
	return d, nil
}

// Spans is how many stretches of time intervals are of, in the order of time: each of
// them has an interval of every metric.
func Spans(intervals []metrics.Interval) (n int) {
	for k, i := range intervals {
		if k == 0 || !i.End.Equal(intervals[k-1].End) {
			n++
		}
	}
	return n
}

func ruleOf(c Config) string {
	text := fmt.Sprintf("evidence, tolerance %s, margin %s, alpha %s",
		percent(Number(c.Tolerance)), digits(c.Margin, 4), digits(c.RollbackAlpha, 4))
	for _, l := range c.Limits {
		text += fmt.Sprintf(", %s %s", l.Name(), percent(Number(l.Share)))
	}
	return text
}

// Threshold is the rule of a fixed limit: the canary has failed once its share of
// bad requests was above Limit in Times intervals. Flagger (analysis.threshold)
// and Argo Rollouts (failureLimit + 1) count failed checks in this way. Neither
// looks at stable, and neither says how often it is wrong.
type Threshold struct {
	Limit float64
	Times int
}

// Replay says when the limit would have been crossed often enough. It never
// passes: it has not failed yet.
func (t Threshold) Replay(intervals []metrics.Interval) Decision {
	d := Decision{Rule: t.String(), Verdict: Inconclusive}
	crossed := 0
	var start, end time.Time
	for _, i := range intervals {
		if start.IsZero() {
			start = i.Start
		}
		end = i.End
		arm := canaryOf(i.Strata)
		d.Intervals++
		d.Canary = Arm{d.Canary.Requests + arm.Requests, d.Canary.Bad + arm.Bad}
		if arm.Requests == 0 || float64(arm.Bad) <= t.Limit*float64(arm.Requests) {
			continue
		}
		if crossed++; crossed == t.Times {
			d.Verdict = Fail
			d.Why = fmt.Sprintf("%s of %s requests in interval %d", Thousands(arm.Bad), Thousands(arm.Requests), d.Intervals)
			break
		}
	}
	d.Seconds = end.Sub(start).Seconds()
	if d.Verdict != Fail {
		d.Why = fmt.Sprintf("above the limit %d times", crossed)
	}
	return d
}

func (t Threshold) String() string {
	text := fmt.Sprintf("limit %s", percent(Number(t.Limit)))
	if t.Times == 1 {
		return text + " once"
	}
	return fmt.Sprintf("%s, %d times", text, t.Times)
}

func canaryOf(strata []stats.Counts) (a Arm) {
	for _, c := range strata {
		a.Requests, a.Bad = a.Requests+c.CanaryTotal, a.Bad+c.CanaryBad
	}
	return a
}
