package analysis

import (
	"time"

	"github.com/canaryctl/canaryctl/internal/metrics"
	"github.com/canaryctl/canaryctl/internal/stats"
)

// process is an e-process of package stats.
type process interface {
	Update(stats.Scrape) error
	LogE() float64
	PeakLogE() float64
	PValue() float64
}

// evidence is what is known of one metric.
type evidence struct {
	metric      Metric
	config      Config
	rollback    process
	nonInferior process
	negligible  process // nil without such a level
	promoted    stats.Peak

	dispersion stats.Dispersion
	ledger     stats.Ledger
	observed   time.Duration // that the ledger's intervals lasted together
}

func newEvidence(m Metric, c Config) (*evidence, error) {
	e := &evidence{metric: m, config: c}
	var err error
	if c.OnsetIntervals > 0 {
		e.rollback, err = stats.NewOnset(c.Config)
	} else {
		e.rollback, err = stats.NewRollback(c.Config)
	}
	if err != nil {
		return nil, err
	}
	if e.nonInferior, err = stats.NewNonInferiority(c.Config); err != nil {
		return nil, err
	}
	if c.Negligible > 0 {
		e.negligible, err = stats.NewNegligible(c.Config)
	}
	return e, err
}

// add divides the evidence of an interval by the dispersion that was known
// before it, and only then learns from its Pods.
func (e *evidence) add(i metrics.Interval, stable string) error {
	scrape := stats.Scrape{At: i.End, Dispersion: e.phi(), Strata: i.Strata}
	if err := e.ledger.Append(scrape); err != nil {
		return err
	}
	e.observed += i.End.Sub(i.Start)
	if err := e.update(scrape); err != nil {
		return err
	}
	return e.dispersion.Update(i.Pods[stable])
}

func (e *evidence) phi() float64 {
	if e.config.Dispersion > 0 {
		return e.config.Dispersion
	}
	return e.dispersion.Phi()
}

func (e *evidence) update(s stats.Scrape) error {
	for _, p := range []process{e.rollback, e.nonInferior, e.negligible} {
		if p == nil {
			continue
		}
		if err := p.Update(s); err != nil {
			return err
		}
	}
	return e.promoted.Update(e.promotion())
}

// promotion is the log evidence that this metric does not stand in the way. Harm
// is a ratio above the margin and, where a negligible level is set, a share above
// that level too; under harm both processes are e-processes, and so is their mean.
func (e *evidence) promotion() float64 {
	if e.negligible == nil {
		return e.nonInferior.LogE()
	}
	mean, err := stats.LogAverage([]float64{0.5, 0.5}, []float64{e.nonInferior.LogE(), e.negligible.LogE()})
	if err != nil {
		return 0 // not with these weights
	}
	return mean
}

func (e *evidence) promotes() bool {
	return e.promotion() >= stats.Threshold(e.config.PromoteAlpha)
}

// condemns reports whether this metric alone would have the canary rolled back,
// with its own part of alpha.
func (e *evidence) condemns() bool {
	return e.rollback.LogE() >= stats.Threshold(e.config.RollbackAlpha*e.metric.Weight)
}
