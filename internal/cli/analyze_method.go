package cli

import (
	"math"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/canaryctl/canaryctl/internal/analysis"
	"github.com/canaryctl/canaryctl/internal/stats"
)

// method is how evidence is weighed, as the flags of analyze, replay and plan say.
type method struct {
	stats.Config
	tolerance, negligible     share
	alpha, promoteAlpha, side share
	cap, dispersion           string
	onset                     bool
	latency                   latency
	limits                    limits
}

func newMethod() method {
	c := stats.Default()
	return method{
		Config:       c,
		tolerance:    share(c.Tolerance),
		alpha:        share(c.RollbackAlpha),
		promoteAlpha: share(c.PromoteAlpha),
		side:         share(c.IntervalAlpha),
		cap:          strconv.FormatFloat(math.Exp(c.Cap), 'g', 4, 64),
		dispersion:   "auto",
		onset:        true,
	}
}

// addFlags defines all of them; replay takes some in lists instead.
func (m *method) addFlags(flags *pflag.FlagSet) {
	flags.Var(&m.tolerance, "tolerance", "excess of errors that is let through, as 0.1 or 10%")
	flags.Float64Var(&m.Margin, "margin", m.Margin, "the canary passes once it is shown to fail less than this many times as often")
	flags.Var(&m.alpha, "alpha", "probability of ever failing a canary that is within the tolerance")
	flags.Var(&m.limits, "limit", "the greatest share of the canary's requests that may be bad, whatever stable does: errors=1%, or 250ms=5% for slower ones; errors, --latency and each limit have equal parts of --alpha")
	m.addCommonFlags(flags)
}

func (m *method) addCommonFlags(flags *pflag.FlagSet) {
	flags.Var(&m.promoteAlpha, "promote-alpha", "probability of passing a canary that is beyond the margin")
	flags.Var(&m.side, "interval-alpha", "probability that the ratio is ever outside of its interval, on each side")
	flags.Var(&m.negligible, "negligible", "share of bad requests below which no ratio counts as harm; 0 for none")
	flags.Var(&m.latency, "latency", "also count slow requests: slower than an edge of their histogram, as 250ms, or than a quantile of stable's, as p95; errors and this have half of --alpha each")
	m.addEvidenceFlags(flags)
}

// addEvidenceFlags defines those that say what an interval may add.
func (m *method) addEvidenceFlags(flags *pflag.FlagSet) {
	flags.BoolVar(&m.onset, "onset", m.onset, "also look for regressions that begin late")
	flags.IntVar(&m.OnsetIntervals, "onset-intervals", m.OnsetIntervals, "planned number of intervals, over which such a beginning is spread")
	flags.StringVar(&m.cap, "evidence-cap", m.cap, "factor that one interval can add to the evidence at most, or off")
	flags.StringVar(&m.dispersion, "dispersion", m.dispersion, "what all evidence is divided by, 1 for independent requests; auto: estimated where Pods are told apart")
}

// config is the method that the flags describe, or a usage error.
func (m *method) config() (analysis.Config, error) {
	c := analysis.Default()
	c.Config = m.Config
	c.Tolerance, c.Negligible = float64(m.tolerance), float64(m.negligible)
	c.RollbackAlpha, c.PromoteAlpha, c.IntervalAlpha = float64(m.alpha), float64(m.promoteAlpha), float64(m.side)
	if !m.onset {
		c.OnsetIntervals = 0
	} else if c.OnsetIntervals < 1 {
		return c, usagef("--onset-intervals %d: say 1 or more, or --onset=false", c.OnsetIntervals)
	}
	c.Cap = 0
	if m.cap != "off" {
		factor, err := strconv.ParseFloat(m.cap, 64)
		if err != nil || !(factor > 1) {
			return c, usagef("--evidence-cap %s: want a factor above 1, or off", m.cap)
		}
		if c.Cap = math.Log(factor); factor == 10 {
			c.Cap = math.Ln10 // the same bits as the default, so the same hash
		}
	}
	c.Dispersion = 0
	if m.dispersion != "auto" {
		v, err := strconv.ParseFloat(m.dispersion, 64)
		if err != nil || !(v >= 1) {
			return c, usagef("--dispersion %s: want 1 or more, or auto", m.dispersion)
		}
		c.Dispersion = v
	}
	c.Metrics[0].Weight = 0
	if m.latency.given() {
		c.Metrics = append(c.Metrics, m.latency.metric(0))
	}
	c.Limits = m.limits
	c = c.Weighed()
	if err := c.Validate(); err != nil {
		return c, usagef("%w", err)
	}
	return c, nil
}

// share is a flag's value: 0.1, or 10%.
type share float64

func (s *share) String() string { return strconv.FormatFloat(float64(*s), 'g', -1, 64) }
func (s *share) Type() string   { return "share" }

func (s *share) Set(text string) error {
	v, err := parseShare(text)
	*s = share(v)
	return err
}

func parseShare(text string) (float64, error) {
	number, inPercent := strings.CutSuffix(strings.TrimSpace(text), "%")
	v, err := strconv.ParseFloat(number, 64)
	if err != nil {
		return 0, usagef("%q is not a number like 0.1, or a percentage like 10%%", text)
	}
	if inPercent {
		v /= 100
	}
	return v, nil
}
