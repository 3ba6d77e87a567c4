package analysis

import (
	"time"

	"github.com/canaryctl/canaryctl/internal/metrics"
)

// heard is when requests of each version were counted last, and how many the weight
// and the other version's counts would have given it since.
type heard struct {
	Counted
	begun                time.Time // that the canary has traffic
	dueStable, dueCanary float64
}

const (
	// noticed is how many requests a version is due before it is called silent: one
	// with so many has none by chance once in 20,000 times (e^-10).
	noticed = 10
	// unheardFor is how long at least.
	unheardFor = 3 * time.Second
)

// begin says that the canary has traffic from a time on, which it had not before.
func (h *heard) begin(from time.Time) { h.begun, h.dueCanary, h.dueStable = from, 0, 0 }

func (h *heard) add(i metrics.Interval, share float64) {
	var stable, canary uint64
	for _, c := range i.Strata {
		stable, canary = stable+c.StableTotal, canary+c.CanaryTotal
	}
	both := share > 0 && share < 1
	if canary > 0 {
		h.Canary, h.dueCanary = i.End, 0
	} else if both {
		h.dueCanary += float64(stable) * share / (1 - share)
	}
	if stable > 0 {
		h.Stable, h.dueStable = i.End, 0
	} else if both {
		h.dueStable += float64(canary) * (1 - share) / share
	}
}

// Silence is how long nothing has been counted of each version, by the source's clock,
// although it has traffic and the other was counted; zero for one that was counted, or
// may have had no request by chance. It says nothing of a source that tells nothing at
// all.
func (a *Analysis) Silence() (stable, canary time.Duration) {
	silent := func(last time.Time, due float64) time.Duration {
		if a.heard.begun.After(last) {
			last = a.heard.begun
		}
		if quiet := a.end.Sub(last); due >= noticed && quiet > unheardFor {
			return quiet
		}
		return 0
	}
	return silent(a.heard.Stable, a.heard.dueStable), silent(a.heard.Canary, a.heard.dueCanary)
}

// Counted is when requests of each version were counted last, by the source's clock.
type Counted struct {
	Stable time.Time `json:"stable,omitzero"` // zero for never
	Canary time.Time `json:"canary,omitzero"`
}
