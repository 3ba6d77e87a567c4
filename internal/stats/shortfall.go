package stats

import (
	"fmt"
	"math"
)

// Shortfall is the evidence that the canary answers hardly any of the requests that
// it is sent: of N requests that were answered in an interval only S are its own,
// where at least a part p0 of them would be. It bets on a canary that answers a
// hundredth of p0, d = log 100:
//
//	l = −d·S − N·log(1 + p0·(e^−d − 1))
//
// which is [Absolute]'s "−" with one tilt: Bernoulli's moment generating function
// makes E[exp l] <= 1 wherever the canary's share is p0 or more, also where it
// varies around that. It is one tilt, and a far one, since what is bet on is a canary
// that hangs. One with a quarter of p0 loses it the bet (log 100/4 > 0.99), so a
// share that is a little below p0 is hardly ever condemned either.
//
// When it begins to hang nobody knows, so it does not bet all at once: two thirds of
// its capital at the first Begin, and 1/(m+1) of what is left, for m = 1, 2, ..., at
// each later one, and whenever the intervals so far look like a hang that has just
// begun: the CUSUM of l (Page, "Continuous inspection schemes", Biometrika 1954) has
// risen from 0 to 2.3. How much is bet depends on the past alone, and what is not bet is kept, so the
// capital is a nonnegative supermartingale: Shafer and Vovk, "Game-Theoretic
// Foundations for Probability and Finance" (2019), chapter 1. A hang that begins
// after an hour costs so a factor of some ten, where a prior over all moments would
// cost their number.
type Shortfall struct {
	limit   float64 // of log evidence per scrape
	reserve float64 // of the capital of 1, what was not bet yet
	logBet  float64 // what was bet has become this
	bets    int
	drop    float64 // the CUSUM
	alert   bool    // it has risen so far that a bet was made; until it is 0 again
	peak    Peak
}

const (
	shortfallTilt = 4.605170185988092 // d = log 100
	firstBet      = 2.0 / 3
	suspicion     = 2.3 // of the CUSUM: ten to one
	maxBets       = math.MaxInt32
)

// NewShortfall uses the configuration's cap.
func NewShortfall(c Config) (*Shortfall, error) {
	if !validCap(c.Cap) {
		return nil, mistake("cap", c.Cap, "0 (none) to 1000")
	}
	return &Shortfall{limit: c.Cap, reserve: 1, logBet: math.Inf(-1)}, nil
}

// Begin bets that the canary hangs from the next interval on: at a new weight, for
// one.
func (h *Shortfall) Begin() {
	part := firstBet
	if h.bets > 0 {
		part = 1 / float64(h.bets+1)
	}
	h.logBet = logAdd(h.logBet, math.Log(part*h.reserve))
	h.reserve *= 1 - part
	h.bets++
	h.drop, h.alert = 0, true
}

// Quiet reports whether nothing has been missing since a moment ago.
func (h *Shortfall) Quiet() bool { return h.drop == 0 }

// Update adds the requests of both versions that were answered in an interval, of
// which at least the part floor would be the canary's. What was bad about them does
// not matter. On an error nothing has changed.
func (h *Shortfall) Update(s Scrape, floor float64) error {
	if err := s.Validate(); err != nil {
		return fmt.Errorf("add to the evidence of a canary that hangs: %w", err)
	}
	if !validShare(floor) {
		return mistake("least share of the canary", floor, "between 0 and 1")
	}
	var all, canary float64
	for i := range s.Strata {
		canary += float64(s.Strata[i].CanaryTotal)
		all += float64(s.Strata[i].CanaryTotal) + float64(s.Strata[i].StableTotal)
	}
	l := []float64{-shortfallTilt*canary - all*math.Log1p(floor*math.Expm1(-shortfallTilt))}
	temper(l, s.dispersion(), h.limit)
	h.logBet += l[0]
	if h.drop = max(0, h.drop+l[0]); h.drop == 0 {
		h.alert = false
	}
	h.peak.raise(h.LogE())
	if h.drop >= suspicion && !h.alert {
		risen := h.drop
		h.Begin()
		h.drop = risen
	}
	return nil
}

// LogE is the log evidence now.
func (h *Shortfall) LogE() float64 { return logAdd(math.Log(h.reserve), h.logBet) }

// PeakLogE is the greatest log evidence so far, at least 0.
func (h *Shortfall) PeakLogE() float64 { return float64(h.peak) }

// PValue is the sequential p-value.
func (h *Shortfall) PValue() float64 { return h.peak.PValue() }
