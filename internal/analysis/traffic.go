package analysis

import (
	"fmt"
	"math"
	"time"

	"github.com/canaryctl/canaryctl/internal/metrics"
	"github.com/canaryctl/canaryctl/internal/stats"
)

// Routers balance connections and rounds of requests, so a share is never exact,
// and with enough requests every share is shown to differ from every weight. What
// is tested is a difference that matters: a fifth more or less than configured.
const (
	trafficSlack = 0.2
	trafficAlpha = 0.001
)

// trafficShare tests whether the canary gets the share of the requests that the
// route is to give it. A test of a new weight begins anew, and multiplies with
// those before it: each is an e-process, given the past.
type trafficShare struct {
	from          time.Time
	share         float64 // configured; 0 for none, which no request can contradict
	above, below  *stats.Absolute
	before        [2]float64 // log evidence of the weights before, above and below
	total, canary uint64     // at this weight
	peak          stats.Peak
}

func (t *trafficShare) expect(share float64, from time.Time) error {
	if !(share >= 0 && share <= 1) {
		return fmt.Errorf("analysis: configured share %v of the canary is not 0 to 1", share)
	}
	if share == t.share {
		return nil
	}
	t.before[0], t.before[1] = t.logE()
	*t = trafficShare{from: from, share: share, before: t.before, peak: t.peak}
	plain := stats.Config{}
	var err error
	if most := share * (1 + trafficSlack); share > 0 && most < 1 {
		if t.above, err = stats.NewViolated(most, plain); err != nil {
			return err
		}
	}
	if least := share * (1 - trafficSlack); share > 0 {
		t.below, err = stats.NewMet(least, plain)
	}
	return err
}

// add counts requests where package stats counts bad ones: of all, the canary's.
// An interval in which the weight was another says nothing about this one.
func (t *trafficShare) add(i metrics.Interval) error {
	if t == nil || i.Start.Before(t.from) {
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
	together, err := t.together()
	if err != nil {
		return err
	}
	return t.peak.Update(together)
}

func (t *trafficShare) logE() (above, below float64) {
	above, below = t.before[0], t.before[1]
	if t.above != nil {
		above += t.above.LogE()
	}
	if t.below != nil {
		below += t.below.LogE()
	}
	return above, below
}

func (t *trafficShare) together() (float64, error) {
	above, below := t.logE()
	return stats.LogAverage([]float64{0.5, 0.5}, []float64{above, below})
}

// TrafficVerdict is the share of the requests that the canary got, against the
// one that is configured.
type TrafficVerdict struct {
	Configured Number   `json:"configured"`
	Observed   Number   `json:"observed"` // at this weight; null without requests
	Lower      Number   `json:"lower"`
	Upper      Number   `json:"upper"`
	Evidence   Evidence `json:"evidence"` // that it is more than a fifth off, at any weight so far
	Differs    bool     `json:"differs"`
}

// verdict is nil where no request was compared with a weight.
func (t *trafficShare) verdict() (*TrafficVerdict, error) {
	if t == nil || t.total == 0 && t.peak == 0 {
		return nil, nil
	}
	bounds, err := stats.ProportionBounds(t.canary, t.total, 1, 0.025)
	if err != nil {
		return nil, err
	}
	together, err := t.together()
	if err != nil {
		return nil, err
	}
	observed := math.NaN()
	if t.total > 0 {
		observed = float64(t.canary) / float64(t.total)
	}
	threshold := stats.Threshold(trafficAlpha)
	return &TrafficVerdict{
		Configured: Number(t.share),
		Observed:   Number(observed),
		Lower:      Number(bounds.Low),
		Upper:      Number(bounds.High),
		Evidence:   Evidence{Number(together), Number(t.peak), Number(threshold), Number(t.peak.PValue())},
		Differs:    float64(t.peak) >= threshold,
	}, nil
}
