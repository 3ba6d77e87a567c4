// Package recordtest plays releases for tests: events as an engine would tell
// them, the same ones every time.
package recordtest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/event"
)

// Began is when every release begins.
var Began = time.Date(2026, time.March, 3, 10, 0, 0, 0, time.UTC)

// Play is a release that is being told.
type Play struct {
	Events []event.Event
	// Failing is the share of requests that each version fails.
	Failing event.Pair
	// Rate is the requests per second of both versions; Every the time between two
	// readings.
	Rate  float64
	Every time.Duration

	release    event.Release
	at         event.At
	now        time.Time
	random     *rand.Rand
	stable     event.Arm
	canary     event.Arm
	logE, pass float64
}

// New begins a release of so many steps.
func New(id string, steps int) *Play {
	return &Play{
		Failing: event.Pair{Stable: 0.01, Canary: 0.01},
		Rate:    200, Every: time.Second,
		release: event.Release{ID: id, App: "shop", Namespace: "default", Route: "VirtualService shop", From: "v1", To: "v2", Image: "registry.example/shop:v2"},
		at:      event.At{Phase: canary.Preparing, Step: -1, Steps: steps},
		now:     Began,
		random:  rand.New(rand.NewPCG(1, uint64(steps))),
	}
}

// Rename changes what the release says of itself from here on.
func (p *Play) Rename(change func(*event.Release)) *Play {
	change(&p.release)
	return p
}

// Tell adds an event. By may be empty.
func (p *Play) Tell(kind event.Kind, by, format string, args ...any) *Play {
	p.add(kind, by, fmt.Sprintf(format, args...), nil)
	return p
}

// In moves the phase, for the events to come.
func (p *Play) In(phase canary.Phase) *Play {
	p.at.Phase = phase
	return p
}

// Step begins the step of that index.
func (p *Play) Step(i int, weight canary.Percent) *Play {
	p.at.Phase, p.at.Step, p.at.Weight = canary.Progressing, i, weight
	return p.Tell(event.Step, "", "step %d of %d: %s%% of the traffic to the canary", i+1, p.at.Steps, weight)
}

// Weigh moves the weight within a step, as a ramp does.
func (p *Play) Weigh(weight canary.Percent) *Play {
	p.at.Weight = weight
	return p.Tell(event.Step, "", "the ramp allows %s%%", weight)
}

// Read tells the evidence for so long.
func (p *Play) Read(span time.Duration) *Play {
	for end := p.now.Add(span); p.now.Before(end); {
		p.Wait(p.Every)
		p.count()
		p.add(event.Evidence, "", "the evidence after one more reading", p.Known())
	}
	return p
}

// Wait lets time pass in silence.
func (p *Play) Wait(span time.Duration) *Play {
	p.now = p.now.Add(span)
	return p
}

// End tells the outcome.
func (p *Play) End(outcome canary.Phase, basis canary.Basis, by, why string) *Play {
	p.at.Phase, p.at.Basis, p.at.Weight = outcome, basis, 0
	kind := event.RolledBack
	if outcome == canary.Promoted {
		kind, p.at.Weight = event.Promoted, 100
	}
	p.add(kind, by, why, p.Known())
	return p
}

func (p *Play) add(kind event.Kind, by, message string, known *event.Known) {
	p.Events = append(p.Events, event.Event{Time: p.now, Kind: kind, Release: p.release, At: p.at, Message: message, By: by, Known: known})
}

// count draws what both versions answered since the last reading, and bets on
// a canary that fails three times as often, or as often as stable.
func (p *Play) count() {
	n := p.Rate * p.Every.Seconds()
	share := p.at.Weight.Fraction()
	s, c := p.draw(n*(1-share), p.Failing.Stable), p.draw(n*share, p.Failing.Canary)
	p.stable, p.canary = plus(p.stable, s), plus(p.canary, c)
	p.logE = max(p.logE+bet(s, c, 3), -2) // a harm that begins late shows soon
	p.pass -= bet(s, c, 1.5)
}

// bet is the logarithm of how much likelier the canary's share of the bad
// requests is if it fails so many times as often, than if it fails as often.
func bet(s, c event.Arm, times float64) float64 {
	total := float64(s.Requests + c.Requests)
	if total == 0 {
		return 0
	}
	share := float64(c.Requests) / total
	more := times * share / (times*share + 1 - share)
	if share == 0 || share == 1 {
		return 0
	}
	return float64(c.Bad)*math.Log(more/share) + float64(s.Bad)*math.Log((1-more)/(1-share))
}

func (p *Play) draw(n, failing float64) event.Arm {
	a := event.Arm{Requests: uint64(n + p.random.Float64())}
	for range a.Requests {
		if p.random.Float64() < failing {
			a.Bad++
		}
	}
	return a
}

func plus(a, b event.Arm) event.Arm {
	return event.Arm{Requests: a.Requests + b.Requests, Bad: a.Bad + b.Bad}
}

// Known is what the evidence says now.
func (p *Play) Known() *event.Known {
	m := event.Metric{
		Name: "errors", Verdict: canary.Inconclusive, Stable: p.stable, Canary: p.canary,
		LogE: p.logE, Threshold: math.Log(100), LogPass: p.pass, PassAt: math.Log(20),
	}
	k := &event.Known{Verdict: canary.Inconclusive, Source: "Prometheus", Why: "not enough evidence either way"}
	switch {
	case m.LogE >= m.Threshold:
		m.Verdict, k.Verdict, k.Why = canary.Fail, canary.Fail, "the canary fails more often than the tolerance allows"
	case m.LogPass >= m.PassAt:
		m.Verdict, k.Verdict, k.Why = canary.Pass, canary.Pass, "the canary fails less than 1.5 times as often as stable"
	}
	if p.canary.Requests > 0 && p.stable.Bad > 0 {
		bad := float64(p.stable.Bad) / float64(p.stable.Requests)
		ratio := float64(p.canary.Bad) / float64(p.canary.Requests) / bad
		width := math.Exp(3 * math.Sqrt(1/(float64(p.canary.Bad)+1)+1/float64(p.stable.Bad)))
		middle := max(ratio, 0.5/float64(p.canary.Requests)/bad)
		lower, upper := middle/width, middle*width
		m.Ratio, m.Lower, m.Upper = &ratio, &lower, &upper
		k.Harm = max(0, float64(p.canary.Bad)-bad*float64(p.canary.Requests))
	}
	k.Metrics = []event.Metric{m}
	if p.canary.Requests > 0 {
		jitter := 0.002 * p.random.NormFloat64()
		k.P95 = &event.Pair{Stable: 0.048 + jitter, Canary: 0.050 + 0.2*max(0, p.Failing.Canary-p.Failing.Stable) + 1.7*jitter}
	}
	return k
}
