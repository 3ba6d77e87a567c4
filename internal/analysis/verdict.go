package analysis

import (
	"math"
	"slices"
	"strconv"

	"github.com/canaryctl/canaryctl/internal/stats"
)

// Outcome is what a verdict comes to.
type Outcome string

// What is known of the canary.
const (
	Pass         Outcome = "pass"         // every metric is shown to be no worse than the margin, and the canary is within its limits
	Fail         Outcome = "fail"         // the canary is shown to be worse than the tolerance, or above a limit
	Inconclusive Outcome = "inconclusive" // neither, yet
)

// Verdict is all that is known at one moment. Its JSON is a contract, described
// in docs/analyze.md.
type Verdict struct {
	Verdict Outcome `json:"verdict"`
	Summary string  `json:"summary"`
	// Reason says why nothing new is known, where the source of counts is silent.
	Reason string `json:"reason,omitempty"`
	// Outlook is when a decision may be expected; nil when there is one already,
	// or none can be foreseen.
	Outlook  *Outlook        `json:"outlook,omitempty"`
	Versions Versions        `json:"versions"`
	Seconds  float64         `json:"seconds"` // from the first interval to the last
	Counted  Counted         `json:"counted,omitzero"`
	Rollback Evidence        `json:"rollback"`
	Causes   []string        `json:"causes,omitempty"`
	Metrics  []MetricVerdict `json:"metrics"`
	Limits   []LimitVerdict  `json:"limits,omitempty"`
	Pods     *PodsVerdict    `json:"pods,omitempty"`
	Traffic  *TrafficVerdict `json:"traffic,omitempty"`
	Method   Method          `json:"method"`
}

// Method is the configuration and what tells it from others.
type Method struct {
	Config
	Hash string `json:"hash"`
}

// MetricVerdict is what one metric says by itself.
type MetricVerdict struct {
	Name           string   `json:"name"`
	Verdict        Outcome  `json:"verdict"`
	Summary        string   `json:"summary"`
	Reason         string   `json:"reason,omitempty"` // why nothing is counted by it
	Outlook        *Outlook `json:"outlook,omitempty"`
	Intervals      int      `json:"intervals"`
	Stable         Arm      `json:"stable"`
	Canary         Arm      `json:"canary"`
	Whys           Whys     `json:"whys,omitempty"` // how the canary's bad requests went wrong
	Rollback       Evidence `json:"rollback"`
	NonInferiority Evidence `json:"nonInferiority"`
	// Negligible and Promotion, the two ways to pass together, are there where a
	// negligible level is set; without one, NonInferiority decides.
	Negligible *Evidence `json:"negligible,omitempty"`
	Promotion  *Evidence `json:"promotion,omitempty"`
	Ratio      Ratio     `json:"ratio"`
	Dispersion float64   `json:"dispersion"`
	Strata     []Stratum `json:"strata,omitempty"`
}

// Arm is what one version answered.
type Arm struct {
	Requests uint64 `json:"requests"`
	Bad      uint64 `json:"bad"`
}

// Evidence is the natural logarithm of the odds against a null hypothesis.
type Evidence struct {
	LogEvidence Number `json:"logEvidence"` // now
	Peak        Number `json:"peak"`        // the greatest so far, at least 0
	Threshold   Number `json:"threshold"`   // at which the null is rejected
	PValue      Number `json:"pValue"`      // sequential: valid at every look
}

// Ratio is how many times as often the canary's requests were bad as stable's,
// with its confidence sequence.
type Ratio struct {
	Estimate Number `json:"estimate"` // null without a bad request of stable
	Lower    Number `json:"lower"`
	Upper    Number `json:"upper"` // null for no bound
}

// Stratum is what one route adds to the evidence for rolling back.
type Stratum struct {
	Name        string  `json:"name"`
	Stable      Arm     `json:"stable"`
	Canary      Arm     `json:"canary"`
	LogEvidence Number  `json:"logEvidence"` // by itself
	Share       float64 `json:"share"`       // of the evidence that speaks against the canary
}

// Number is a float64 that JSON shows as null where it is not finite.
type Number float64

// MarshalJSON keeps all digits.
func (n Number) MarshalJSON() ([]byte, error) {
	if v := float64(n); math.IsNaN(v) || math.IsInf(v, 0) {
		return []byte("null"), nil
	}
	return strconv.AppendFloat(nil, float64(n), 'g', -1, 64), nil
}

// Verdict says what is known now. It takes time in proportion to the intervals.
func (a *Analysis) Verdict() (Verdict, error) {
	v := Verdict{
		Verdict:  a.Outcome(),
		Reason:   a.reason,
		Versions: a.versions,
		Seconds:  a.end.Sub(a.start).Seconds(),
		Counted:  a.heard.Counted,
		Causes:   slices.Clone(a.causes),
		Pods:     a.pods.verdict(),
		Method:   Method{a.config, a.config.Hash()},
	}
	if v.Pods != nil && v.Pods.Verdict == Fail {
		v.Causes = append(v.Causes, Restarts)
	}
	for _, e := range a.metrics {
		cause := slices.Contains(a.causes, e.metric.Name)
		if e.metric.outcome() && e.main.intervals == 0 && !cause {
			continue // no source tells of it
		}
		m, err := e.verdict(a.versions, cause)
		if err != nil {
			return Verdict{}, err
		}
		if e.share != nil && cause && e.byShare() {
			m.Summary = a.hangs(m)
		}
		v.Metrics = append(v.Metrics, m)
	}
	for _, c := range a.limits {
		l, err := c.verdict(a.config, a.versions, slices.Contains(a.causes, c.limit.Name()))
		if err != nil {
			return Verdict{}, err
		}
		v.Limits = append(v.Limits, l)
	}
	together, err := a.together()
	if err != nil {
		return Verdict{}, err
	}
	v.Rollback = Evidence{
		LogEvidence: Number(together),
		Peak:        Number(a.rollback),
		Threshold:   Number(stats.Threshold(a.config.RollbackAlpha)),
		PValue:      Number(a.rollback.PValue()),
	}
	if v.Traffic, err = a.traffic.verdict(); err != nil {
		return Verdict{}, err
	}
	v.Outlook = v.outlook()
	v.Summary = v.sentence()
	return v, nil
}

func (e *evidence) verdict(names Versions, cause bool) (MetricVerdict, error) {
	total := e.main.ledger.Total()
	m := MetricVerdict{
		Name:           e.metric.Name,
		Verdict:        Inconclusive,
		Intervals:      e.main.intervals,
		Stable:         Arm{total.StableTotal, total.StableBad},
		Canary:         Arm{total.CanaryTotal, total.CanaryBad},
		Whys:           e.main.whys,
		Rollback:       e.harmEvidence(),
		NonInferiority: evidenceOf(e.nonInferior, e.config.PromoteAlpha),
		Dispersion:     e.phi(e.main),
	}
	switch {
	case cause:
		m.Verdict = Fail
	case e.promotes():
		m.Verdict = Pass
	}
	if m.Intervals == 0 {
		m.Reason = e.why
	}
	if e.negligible != nil {
		negligible := evidenceOf(e.negligible, e.config.PromoteAlpha)
		promotion := Evidence{Number(e.promotion()), Number(e.promoted), negligible.Threshold, Number(e.promoted.PValue())}
		m.Negligible, m.Promotion = &negligible, &promotion
	}
	var err error
	if m.Ratio, err = e.ratio(); err != nil {
		return m, err
	}
	if m.Strata, err = e.strata(); err != nil {
		return m, err
	}
	if m.Verdict == Inconclusive && m.Intervals > 0 {
		if m.Outlook, err = e.outlook(); err != nil {
			return m, err
		}
	}
	m.Summary = e.sentence(m, names)
	return m, nil
}

func (e *evidence) harmEvidence() Evidence {
	threshold := stats.Threshold(e.config.RollbackAlpha * e.metric.Weight)
	return Evidence{Number(e.harmful()), Number(e.rollback), Number(threshold), Number(e.rollback.PValue())}
}

func evidenceOf(p process, alpha float64) Evidence {
	return Evidence{Number(p.LogE()), Number(p.PeakLogE()), Number(stats.Threshold(alpha)), Number(p.PValue())}
}

func (e *evidence) ratio() (Ratio, error) {
	estimate, known := stats.RatioEstimate(&e.main.ledger)
	if !known {
		estimate = math.NaN()
	}
	bounds, err := stats.RatioBounds(&e.main.ledger, e.config.Config)
	return Ratio{Number(estimate), Number(bounds.Low), Number(bounds.High)}, err
}

// strata is nil unless the traffic is divided.
func (e *evidence) strata() ([]Stratum, error) {
	names := e.main.ledger.Strata()
	if len(names) < 2 {
		return nil, nil
	}
	var against float64
	strata := make([]Stratum, len(names))
	for i, name := range names {
		only := e.main.ledger.Only(name)
		alone, err := stats.NewRollback(e.config.Config)
		if err != nil {
			return nil, err
		}
		for s := range only.All() {
			if err := alone.Update(s); err != nil {
				return nil, err
			}
		}
		total := only.Total()
		strata[i] = Stratum{
			Name:        name,
			Stable:      Arm{total.StableTotal, total.StableBad},
			Canary:      Arm{total.CanaryTotal, total.CanaryBad},
			LogEvidence: Number(alone.LogE()),
		}
		against += max(0, alone.LogE())
	}
	for i := range strata {
		if against > 0 {
			strata[i].Share = max(0, float64(strata[i].LogEvidence)) / against
		}
	}
	return strata, nil
}
