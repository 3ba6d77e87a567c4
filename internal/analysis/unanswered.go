package analysis

import (
	"fmt"
	"slices"
	"time"

	"github.com/canaryctl/canaryctl/internal/metrics"
	"github.com/canaryctl/canaryctl/internal/stats"
)

// Unanswered requests are known in two ways. Where something counts the requests that
// are open, those that have been for too long are compared as failures are. And
// wherever requests are counted at all, the canary's part of those that ended is far
// too small for its weight. shareWeight is the second's part of the evidence: an average
// of both is evidence, whatever they have to do with each other.
const shareWeight = 2.0 / 3

// unanswered tests the share. Its null is that of the requests that ended, by both
// versions together, at least half of its weight are the canary's, or half of what it
// had before where that was less than its weight. A good canary has less than its
// weight where
//
//   - requests reach stable by other routes or rules than the one with the weight:
//     up to half of all, at first, nine tenths where the route is known to have such
//     rules, and up to any part once it was seen;
//   - the weight is new. Routers follow it after a moment, versions are not read at
//     the same moment, and a request is counted when it ends: see settled;
//   - stable's requests are counted several times, for their retries: up to twice;
//   - whoever decides about the share knows no weight, as with sessions that stay
//     where they are: Expectation.Loose.
type unanswered struct {
	process    *stats.Shortfall
	dispersion float64       // of the configuration; 0 for none: routers draw each request by itself
	within     time.Duration // that an answer may take; 0 for as stable's do
	expected   Expectation

	seen, latest portion // up to where nothing was missing, and since
	missing      missing
}

// portion is how many requests the canary had, and how many its weight stands for.
type portion struct {
	Had uint64  `json:"had"`
	Due float64 `json:"due"`
}

func (p portion) plus(q portion) portion { return portion{p.Had + q.Had, p.Due + q.Due} }

// missing is what was counted since nothing was missing, or since the weight is new.
type missing struct {
	Start  time.Time `json:"start"`
	End    time.Time `json:"end"`
	Stable uint64    `json:"stable"`
	Canary uint64    `json:"canary"`
	Sent   float64   `json:"sent"` // to the canary, about
}

// lost is how many of them were not answered.
func (m missing) lost() float64 { return max(0, m.Sent-float64(m.Canary)) }

const (
	// followed is how long routers get to follow a new weight.
	followed = 1250 * time.Millisecond
	// knownFrom is how many requests the canary must have been due before the share
	// that it had says something.
	knownFrom = 20
	// leastPart of an interval that lies behind the beginning of a weight.
	leastPart = 0.05
)

func newUnanswered(m Metric, c Config) (*unanswered, error) {
	p, err := stats.NewShortfall(c.Config)
	return &unanswered{process: p, dispersion: c.Dispersion, within: seconds(m.Within)}, err
}

// expect bets anew at every weight above the one before.
func (u *unanswered) expect(e Expectation) {
	if e.Share == u.expected.Share {
		u.expected.Loose, u.expected.Unsplit = e.Loose, e.Unsplit
		return
	}
	more := e.Share > u.expected.Share
	u.expected = e
	if more {
		u.process.Begin()
		u.latest, u.missing = portion{}, missing{}
	}
}

// settled is the part of an interval in which the weight must show in what is counted.
// The counters of one version may have been read up to an interval before those of the
// other; half of that the null allows for.
func (u *unanswered) settled(i metrics.Interval, d delay) float64 {
	length, takes := i.End.Sub(i.Start), u.within
	if takes == 0 {
		takes = d.typical()
	}
	from := u.expected.From.Add(followed + length/2 + takes)
	return min(1, float64(i.End.Sub(from))/float64(length))
}

// floor is the least part of the requests that are the canary's by the null.
func (u *unanswered) floor() float64 {
	const half, usual, byOtherRules = 0.5, 1, 0.2
	had := float64(usual)
	if u.expected.Unsplit {
		had = byOtherRules
	}
	if u.seen.Due >= knownFrom {
		had = min(1, float64(u.seen.Had)/u.seen.Due)
	}
	return half * had * u.expected.Share
}

// add takes an interval of all requests that ended.
func (u *unanswered) add(i metrics.Interval, canary string, d delay) error {
	part := u.settled(i, d)
	if u.expected.Share == 0 || u.expected.Loose != "" || part < leastPart || slices.Contains(i.Unread, canary) {
		return nil
	}
	floor := part * u.floor()
	if !(floor > 1e-9) {
		return nil // it had next to none before
	}
	if err := u.process.Update(stats.Scrape{Dispersion: u.dispersion, Strata: i.Strata}, floor); err != nil {
		return fmt.Errorf("compare what ended with the weight: %w", err)
	}
	u.learn(i, part)
	return nil
}

func (u *unanswered) learn(i metrics.Interval, part float64) {
	var stable, canary uint64
	for _, c := range i.Strata {
		stable, canary = stable+c.StableTotal, canary+c.CanaryTotal
	}
	w := u.expected.Share
	u.latest = u.latest.plus(portion{canary, part * w * float64(stable+canary)})
	if u.process.Quiet() {
		u.seen, u.latest, u.missing = u.seen.plus(u.latest), portion{}, missing{}
		return
	}
	if u.missing.Start.IsZero() {
		u.missing.Start = i.Start
	}
	u.missing.End = i.End
	u.missing.Stable, u.missing.Canary = u.missing.Stable+stable, u.missing.Canary+canary
	u.missing.Sent += part * float64(stable) * w / (1 - min(w, 0.999))
}

// words are the counts that speak against the canary.
func (u *unanswered) words(v Versions) string {
	m := u.missing
	return fmt.Sprintf("%s of about %s that it was sent in %s were answered, and %s answered %s",
		Thousands(m.Canary), Thousands(uint64(max(m.Sent, float64(m.Canary))+0.5)), Span(m.End.Sub(m.Start)), v.Stable, Thousands(m.Stable))
}
