package analysis

import (
	"fmt"
	"math"
	"time"

	"github.com/canaryctl/canaryctl/internal/metrics"
	"github.com/canaryctl/canaryctl/internal/stats"
)

// Expectation is the share of the requests that the route is to give to the canary.
type Expectation struct {
	Share float64 `json:"share"` // between 0 and 1
	// From is when the weight was written. Intervals that begin before say nothing
	// about it.
	From time.Time `json:"from"`
	// Unsplit says that requests reach stable by rules without the weight, so that of
	// all that are counted the canary's may be far fewer.
	Unsplit bool `json:"unsplit,omitempty"`
	// Loose says why the requests that are counted need not have this share although
	// nothing is wrong: rules of the route that are not split, connections or
	// sessions that stay where they are. A difference then warns and does not decide.
	// It is empty where they must.
	Loose string `json:"loose,omitempty"`
}

// Expect says which share of the requests the canary is to have from a time on. Said
// again, it is the same weight, from when it was said first.
// Whether it has is tested in two ways. That hardly any of what it is sent is answered
// is a cause to fail (Unanswered). That the share differs by more than a fifth, up or
// down, warns and does not change the verdict: all evidence is weighed by the requests
// that were seen.
func (a *Analysis) Expect(e Expectation) error {
	if err := e.validate(); err != nil {
		return err
	}
	if a.traffic == nil {
		a.traffic = new(trafficShare)
	}
	if a.end.After(e.From) { // the source's clock goes before ours
		e.From = a.end
	}
	if a.traffic.share == 0 && e.Share > 0 {
		a.heard.begin(e.From)
	}
	if a.unanswered != nil {
		a.unanswered.expect(e)
	}
	return a.traffic.expect(e)
}

func (e Expectation) validate() error {
	if !(e.Share >= 0 && e.Share <= 1) {
		return fmt.Errorf("analysis: configured share %v of the canary is not 0 to 1", e.Share)
	}
	return nil
}

// Routers balance connections and rounds of requests, so a share is never exact,
// and with enough requests every share is shown to differ from every weight. What
// is tested is a difference that matters: a fifth more or less than configured.
const (
	trafficSlack = 0.2
	trafficAlpha = 0.001
)

// trafficShare tests whether the canary gets the share of the requests that the
// route is to give it, anew for each weight.
type trafficShare struct {
	from          time.Time
	share         float64 // configured; 0 for none, which no request can contradict
	loose         string
	above, below  *stats.Absolute
	total, canary uint64 // at this weight
	peak          stats.Peak
}

func (t *trafficShare) expect(e Expectation) error {
	if t.loose = e.Loose; e.Share == t.share {
		return nil
	}
	*t = trafficShare{from: e.From, share: e.Share, loose: e.Loose}
	plain := stats.Config{}
	var err error
	if most := t.share * (1 + trafficSlack); t.share > 0 && most < 1 {
		if t.above, err = stats.NewViolated(most, plain); err != nil {
			return err
		}
	}
	if least := t.share * (1 - trafficSlack); t.share > 0 {
		t.below, err = stats.NewMet(least, plain)
	}
	return err
}

// add counts requests where package stats counts bad ones: of all, the canary's.
// An interval in which the weight was another, or did not show yet, says nothing.
func (t *trafficShare) add(i metrics.Interval, d delay) error {
	if t == nil || t.share == 0 || i.Start.Before(t.from.Add(followed+i.End.Sub(i.Start)+d.typical())) {
		return nil
	}
	var total, canary uint64
	for _, c := range i.Strata {
		total, canary = total+c.StableTotal+c.CanaryTotal, canary+c.CanaryTotal
	}
	t.total, t.canary = t.total+total, t.canary+canary
	s := stats.Scrape{Strata: []stats.Counts{{CanaryTotal: total, CanaryBad: canary}}}
	for _, p := range []*stats.Absolute{t.above, t.below} {
		if p == nil {
			continue
		}
		if err := p.Update(s); err != nil {
			return fmt.Errorf("compare the canary's share with the weight: %w", err)
		}
	}
	return t.peak.Update(t.together())
}

func (t *trafficShare) together() float64 {
	var above, below float64
	if t.above != nil {
		above = t.above.LogE()
	}
	if t.below != nil {
		below = t.below.LogE()
	}
	return stats.LogMean(0.5, above, below)
}

// TrafficVerdict is the share of the requests that the canary got, against the
// one that is configured.
type TrafficVerdict struct {
	Configured Number   `json:"configured"`
	Observed   Number   `json:"observed"` // at this weight; null without requests
	Lower      Number   `json:"lower"`
	Upper      Number   `json:"upper"`
	Evidence   Evidence `json:"evidence"` // that it is more than a fifth off, at this weight
	Differs    bool     `json:"differs"`
	// Loose says why a difference need not mean anything; see Expectation.
	Loose string `json:"loose,omitempty"`
}

// verdict is nil where no request was compared with the weight.
func (t *trafficShare) verdict() (*TrafficVerdict, error) {
	if t == nil || t.total == 0 {
		return nil, nil
	}
	bounds, err := stats.ProportionBounds(t.canary, t.total, 1, 0.025)
	if err != nil {
		return nil, err
	}
	observed, threshold := float64(t.canary)/float64(t.total), stats.Threshold(trafficAlpha)
	return &TrafficVerdict{
		Configured: Number(t.share),
		Observed:   Number(observed),
		Lower:      Number(bounds.Low),
		Upper:      Number(bounds.High),
		Evidence:   Evidence{Number(t.together()), Number(t.peak), Number(threshold), Number(t.peak.PValue())},
		Differs:    float64(t.peak) >= threshold && math.Abs(observed-t.share) > trafficSlack*t.share,
		Loose:      t.loose,
	}, nil
}
