package analysis

import (
	"fmt"
	"strings"
	"time"

	"github.com/canaryctl/canaryctl/internal/metrics"
	"github.com/canaryctl/canaryctl/internal/stats"
)

// ceiling is what is known of the canary against one limit. It needs no request
// of stable, whose Pods only say how much errors vary.
type ceiling struct {
	limit      Limit
	does       string
	given      float64 // dispersion of the configuration; 0 to estimate it
	violated   *stats.Absolute
	dispersion stats.Dispersion
	seen       Arm
	at         time.Time // of the last interval
	why        string    // nothing is counted, if somebody knows
}

func newCeiling(l Limit, c Config) (*ceiling, error) {
	violated, err := stats.NewViolated(l.Share, c.Config)
	return &ceiling{limit: l, does: c.does(l.Metric), given: c.Dispersion, violated: violated}, err
}

// add divides the evidence by the dispersion that was known before.
func (c *ceiling) add(i metrics.Interval, stable string) error {
	if err := follows(i, c.at.Truncate(time.Millisecond)); err != nil { // as exact as ledgers are
		return err
	}
	if !i.End.After(c.at) {
		return fmt.Errorf("%w: the last interval ended at %s", stats.ErrClock, c.at.Format(time.RFC3339Nano))
	}
	arm := canaryOf(i.Strata)
	seen := Arm{c.seen.Requests + arm.Requests, c.seen.Bad + arm.Bad}
	if err := (stats.Counts{CanaryTotal: seen.Requests, CanaryBad: seen.Bad}).Validate(); err != nil {
		return fmt.Errorf("sum of all intervals: %w", err)
	}
	if err := c.violated.Update(stats.Scrape{At: i.End, Dispersion: c.phi(), Strata: i.Strata}); err != nil {
		return err
	}
	c.at, c.seen = i.End, seen
	return c.dispersion.Update(i.Pods[stable])
}

func (c *ceiling) phi() float64 {
	if c.given > 0 {
		return c.given
	}
	return c.dispersion.Phi()
}

// share of the canary's requests that were bad; NaN without any.
func (c *ceiling) share() float64 { return float64(c.seen.Bad) / float64(c.seen.Requests) }

// allows reports whether the limit does not stand in the way of a pass: what was
// seen is within it. To ask for evidence of that would keep back every canary
// that is near its limit, for as long as a day; but nobody who sets one expects
// to see a canary pass that is above it.
func (c *ceiling) allows() bool { return c.share() <= c.limit.Share }

// LimitVerdict is what one limit says by itself.
type LimitVerdict struct {
	Metric  string  `json:"metric"`
	Limit   float64 `json:"limit"` // share of the canary's requests that may be bad
	Verdict Outcome `json:"verdict"`
	Summary string  `json:"summary"`
	Reason  string  `json:"reason,omitempty"` // why nothing is counted by it
	Canary  Arm     `json:"canary"`
	Share   Number  `json:"share"` // that were bad; null without requests
	// Lower and Upper bound the share, at every look at once.
	Lower    Number   `json:"lower"`
	Upper    Number   `json:"upper"`
	Rollback Evidence `json:"rollback"` // that it is above the limit
}

func (c *ceiling) verdict(config Config, names Versions, cause bool) (LimitVerdict, error) {
	bounds, err := stats.ProportionBounds(c.seen.Bad, c.seen.Requests, c.phi(), config.IntervalAlpha)
	v := LimitVerdict{
		Metric:   c.limit.Metric,
		Limit:    c.limit.Share,
		Verdict:  Inconclusive,
		Canary:   c.seen,
		Share:    Number(c.share()),
		Lower:    Number(bounds.Low),
		Upper:    Number(bounds.High),
		Rollback: evidenceOf(c.violated, config.RollbackAlpha*c.limit.Weight),
	}
	switch {
	case cause:
		v.Verdict = Fail
	case c.allows():
		v.Verdict = Pass
	}
	if c.at.IsZero() {
		v.Reason = c.why
	}
	v.Summary = c.sentence(v, names)
	return v, err
}

// sentence is what a limit says. What was shown stays shown, also when the share
// has come down since.
func (c *ceiling) sentence(v LimitVerdict, names Versions) string {
	if v.Reason != "" {
		return fmt.Sprintf("Nothing is known of the limit of %s: %s", c.limit.Metric, v.Reason)
	}
	if c.seen.Requests == 0 {
		return fmt.Sprintf("No request of %s was counted yet against the limit of %s", names.Canary, percent(Number(c.limit.Share)))
	}
	fails := fmt.Sprintf("%s %s %s of its requests", subject(names.Canary), c.verb(), percent(v.Share))
	counts := fmt.Sprintf("%s of %s", Thousands(c.seen.Bad), Thousands(c.seen.Requests))
	limit, needed := percent(Number(c.limit.Share)), Odds(v.Rollback.Threshold)
	switch {
	case v.Verdict == Fail && c.allows():
		return fmt.Sprintf("%s, and was above the limit of %s: %s, evidence %s:1 (%s:1 needed)", fails, limit, counts, Odds(v.Rollback.Peak), needed)
	case v.Verdict == Fail:
		return fmt.Sprintf("%s, above the limit of %s: %s, evidence %s:1 (%s:1 needed)", fails, limit, counts, Odds(v.Rollback.Peak), needed)
	case v.Verdict == Pass:
		return fmt.Sprintf("%s, within the limit of %s: %s", fails, limit, counts)
	}
	return fmt.Sprintf("%s, above the limit of %s, which may be chance: %s, evidence %s:1 (%s:1 needed)",
		fails, limit, counts, Odds(v.Rollback.LogEvidence), needed)
}

// verb is what stands before a share of requests: "fails 2%", but "takes longer
// than 250ms for 2%".
func (c *ceiling) verb() string {
	if strings.ContainsRune(c.does, ' ') {
		return c.does + " for"
	}
	return c.does
}
