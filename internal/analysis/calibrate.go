package analysis

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/canaryctl/canaryctl/internal/metrics"
	"github.com/canaryctl/canaryctl/internal/stats"
)

// ErrNoPods is wrapped by the error for a history that does not tell Pods apart.
var ErrNoPods = errors.New("no Pods to compare")

// Calibration says what to try on the history of one version, whose Pods all run
// the same: whoever is rolled back there is rolled back falsely.
type Calibration struct {
	Version string        // whose Pods, as metrics.Interval.Pods calls it
	Window  time.Duration // that a release lasts
	Canary  int           // Pods that a canary has
}

// Validate names the first setting that cannot be meant.
func (k Calibration) Validate() error {
	switch {
	case k.Window <= 0:
		return fmt.Errorf("calibrate: a release of %s has no traffic", k.Window)
	case k.Canary < 1:
		return fmt.Errorf("calibrate: a canary of %d Pods gets no traffic", k.Canary)
	}
	return nil
}

// Calibrated is what the method does where there is nothing to find. Its JSON is a
// contract, described in docs/calibrate.md.
type Calibrated struct {
	Summary string    `json:"summary"`
	From    time.Time `json:"from"`
	To      time.Time `json:"to"`
	// Intervals were counted in that time.
	Intervals int `json:"intervals"`
	// Pods are those of one window, in the middle of all windows.
	Pods          int     `json:"pods"`
	Windows       int     `json:"windows"`
	WindowSeconds float64 `json:"windowSeconds"`
	// Conclusion compares the false alarms of canaries of the size asked for, by the
	// method as it is configured, with its alpha.
	Conclusion    Conclusion `json:"conclusion"`
	WindowsNeeded int        `json:"windowsNeeded"` // to show a rate below alpha, if none alarms
	// Trials are by the size of the canary, then with the tolerance that is suggested.
	Trials    []Trials    `json:"trials"`
	Metrics   []PodMetric `json:"metrics"`
	Tolerance Suggested   `json:"tolerance"`
	Warnings  []string    `json:"warnings,omitempty"`
	Method    Method      `json:"method"`
}

// Conclusion is what the limits of the false-alarm rate say about alpha.
type Conclusion string

// What may be known of it.
const (
	BelowAlpha Conclusion = "below alpha"
	AboveAlpha Conclusion = "above alpha"
	TooLittle  Conclusion = "too little to tell"
)

// Trials are releases that were played with Pods of one version, and how many of
// them were rolled back.
type Trials struct {
	CanaryPods  int     `json:"canaryPods"`
	Tolerance   float64 `json:"tolerance"`
	Releases    int     `json:"releases"`
	FalseAlarms int     `json:"falseAlarms"`
	Rate        Number  `json:"rate"` // null without a release
	Lower       Number  `json:"lower"`
	Upper       Number  `json:"upper"`
	// Effective is how many independent releases these say as much as.
	Effective float64 `json:"effectiveReleases"`
}

// PodMetric is how one metric varies between Pods and over time.
type PodMetric struct {
	Name string `json:"name"`
	Arm
	Dispersion BlockDispersion `json:"dispersion"`
	Spread     *Spread         `json:"spread,omitempty"` // nil where it is not known
}

// BlockDispersion is how much more bad requests vary than independent ones would.
type BlockDispersion struct {
	One    float64 `json:"scrapes1"`
	Twenty float64 `json:"scrapes20"`
}

// Spread is how much Pods differ for good: standard deviations of the logarithm of
// their shares of bad requests, without what luck adds.
type Spread struct {
	Estimate  float64 `json:"estimate"`
	Floor     float64 `json:"floor"` // below, it may be none
	Shown     bool    `json:"shown"`
	Pods      int     `json:"pods"`
	Blocks    int     `json:"blocks"`
	Tolerance Number  `json:"tolerance"` // that makes up for it
}

// Suggested is the tolerance to use.
type Suggested struct {
	Configured float64 `json:"configured"`
	Suggested  float64 `json:"suggested"` // the same where it suffices
	CanaryPods int     `json:"canaryPods"`
	StablePods int     `json:"stablePods"`
}

// Calibrate plays releases with the Pods of one version as canaries against the
// others, each by itself and in groups of the size that a canary will have, in
// one window of the history after the other.
func Calibrate(ctx context.Context, c Config, k Calibration, intervals []metrics.Interval) (Calibrated, error) {
	if err := errors.Join(c.Validate(), k.Validate()); err != nil {
		return Calibrated{}, err
	}
	if c.Open() {
		return Calibrated{}, errors.New("calibrate: the edges of a quantile are still to be chosen")
	}
	h, err := historyOf(c, k.Version, intervals)
	if err != nil {
		return Calibrated{}, err
	}
	windows := h.windows(k.Window)
	r := Calibrated{
		From: h.intervals[0].Start, To: h.intervals[len(h.intervals)-1].End, Intervals: len(h.intervals),
		Pods: h.podsOf(windows), Windows: len(windows), WindowSeconds: k.Window.Seconds(),
		WindowsNeeded: windowsNeeded(c.RollbackAlpha), Method: Method{c, c.Hash()},
	}
	if err := r.spread(c, k, h); err != nil {
		return r, err
	}
	configured := c.Tolerance
	for _, size := range sizes(k.Canary) {
		if err := r.try(ctx, c, size, windows); err != nil {
			return r, err
		}
	}
	r.Conclusion = r.Trials[len(r.Trials)-1].against(c.RollbackAlpha)
	if c.Tolerance = r.Tolerance.Suggested; c.Tolerance > configured {
		if err := r.try(ctx, c, k.Canary, windows); err != nil {
			return r, err
		}
	}
	r.warn(k)
	r.Summary = r.sentence()
	return r, nil
}

func sizes(canary int) []int {
	if canary == 1 {
		return []int{1}
	}
	return []int{1, canary}
}

// try plays releases with canaries of one size in all windows.
func (r *Calibrated) try(ctx context.Context, c Config, size int, windows []window) error {
	var trials []stats.Trial
	for _, w := range windows {
		for _, g := range w.groups(size) {
			if err := ctx.Err(); err != nil {
				return err
			}
			alarm, err := w.play(c, g)
			if err != nil {
				return err
			}
			trials = append(trials, stats.Trial{Row: w.start.String(), Columns: g, Hit: alarm})
		}
	}
	h := stats.CountHits(trials, 0.95)
	t := Trials{
		CanaryPods: size, Tolerance: c.Tolerance, Releases: h.Trials, FalseAlarms: h.Hits, Effective: h.Effective,
		Rate: Number(h.Rate), Lower: Number(h.Bounds.Low), Upper: Number(h.Bounds.High),
	}
	if h.Trials == 0 {
		t.Rate = Number(math.NaN())
	}
	r.Trials = append(r.Trials, t)
	return nil
}

func (t Trials) against(alpha float64) Conclusion {
	switch {
	case float64(t.Upper) <= alpha:
		return BelowAlpha
	case float64(t.Lower) > alpha:
		return AboveAlpha
	}
	return TooLittle
}

// windowsNeeded is how many windows without an alarm have their upper limit at alpha.
func windowsNeeded(alpha float64) int {
	const tail = 0.025
	return int(math.Ceil(math.Log(tail) / math.Log1p(-alpha)))
}

// spread measures each metric, and suggests the tolerance that makes up for the
// largest spread that is more than luck.
func (r *Calibrated) spread(c Config, k Calibration, h history) error {
	stable := max(1, r.Pods)
	r.Tolerance = Suggested{c.Tolerance, c.Tolerance, k.Canary, stable}
	for _, m := range c.Metrics {
		pods := h.scrapes(m)
		p, err := podMetric(m.Name, pods)
		if err != nil {
			return err
		}
		if m.outcome() && p.Bad == 0 {
			continue // the source does not tell, or there is nothing to tell
		}
		if p.Spread != nil {
			tolerance, err := stats.PodSpreadTolerance(p.Spread.Estimate, k.Canary, stable)
			if err != nil {
				return err
			}
			p.Spread.Tolerance = Number(tolerance)
			if p.Spread.Shown {
				r.Tolerance.Suggested = max(r.Tolerance.Suggested, upToPercent(tolerance))
			}
		}
		r.Metrics = append(r.Metrics, p)
	}
	return nil
}

// upToPercent rounds up to what a person types, and no further than a tolerance goes.
func upToPercent(tolerance float64) float64 {
	const most = 999
	return min(most, math.Ceil(100*tolerance)/100)
}

func podMetric(name string, scrapes [][]stats.PodCounts) (PodMetric, error) {
	p := PodMetric{Name: name}
	var d stats.Dispersion
	for _, pods := range scrapes {
		if err := d.Update(pods); err != nil {
			return p, err
		}
		for _, one := range pods {
			p.Requests, p.Bad = p.Requests+one.Total, p.Bad+one.Bad
		}
	}
	p.Dispersion.One, p.Dispersion.Twenty = d.Blocks()
	s, known, err := stats.EstimatePodSpread(scrapes)
	if known {
		p.Spread = &Spread{Estimate: s.Spread, Floor: s.Floor, Shown: s.Shown(), Pods: s.Pods, Blocks: s.Blocks}
	}
	return p, err
}

// warn says what the figures cannot.
func (r *Calibrated) warn(k Calibration) {
	last := r.Trials[len(r.Trials)-1]
	switch {
	case r.Windows == 0:
		r.Warnings = append(r.Warnings, fmt.Sprintf("no window of %s fits into the %s that were counted without a gap",
			Span(k.Window), Span(r.To.Sub(r.From))))
	case last.Releases == 0:
		r.Warnings = append(r.Warnings, fmt.Sprintf("a canary of %d Pods cannot be played with %d Pods: one has to be left to compare with",
			k.Canary, r.Pods))
	}
	for _, m := range r.Metrics {
		switch {
		case m.Bad == 0:
			r.Warnings = append(r.Warnings, fmt.Sprintf("no request was bad by %q: neither the dispersion nor the spread can be told", m.Name))
		case m.Spread == nil:
			r.Warnings = append(r.Warnings, fmt.Sprintf("the spread between Pods by %q is not known: that takes two blocks of 20 intervals, and there are %d intervals", m.Name, r.Intervals))
		case m.Spread.Pods < fewPods:
			r.Warnings = append(r.Warnings, fmt.Sprintf("%d Pods say little about the spread between Pods: it may well be half or twice as much", m.Spread.Pods))
		}
	}
	r.Warnings = slices.Compact(r.Warnings)
}

// fewPods are too few to tell their own standard deviation to a third.
const fewPods = 6
