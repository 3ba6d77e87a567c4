package recordtest

import (
	"time"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/event"
)

// Promoted is a release that goes well, and is proved.
func Promoted() []event.Event {
	p := New("shop-7f3a", 3).Tell(event.Started, "ana@example.com", "release of v2 beside v1")
	p.Wait(4*time.Second).Tell(event.Waiting, "", "the canary has no ready Pod").Wait(6 * time.Second)
	p.Step(0, 5).Read(30 * time.Second)
	p.Step(1, 20).Read(45 * time.Second)
	p.Step(2, 50).Read(60 * time.Second)
	return p.End(canary.Promoted, canary.Proved, "", "the evidence is for the canary").
		Wait(10*time.Minute).Tell(event.Retired, "", "Deployment shop-v1 was deleted").Events
}

// RolledBack is a release that is bad from the first request.
func RolledBack() []event.Event {
	p := New("shop-81c2", 3).Rename(func(r *event.Release) { r.To, r.Image = "v3", "registry.example/shop:v3" })
	p.Failing.Canary, p.Rate = 0.2, 60
	p.Tell(event.Started, "ci", "release of v3 beside v1").Wait(2*time.Second).Step(0, 10)
	for p.Known().Verdict != canary.Fail {
		p.Read(p.Every)
	}
	return p.End(canary.RolledBack, "", "", "the canary fails more often than the tolerance allows").Events
}

// Eventful is a release with pauses, a gate, a stranger, an engine that died and
// one that took its leave.
func Eventful() []event.Event {
	p := New("shop-a4d0", 4)
	p.Every = 5 * time.Second
	p.Tell(event.Started, "ana@example.com", "release of v2 beside v1")
	p.Wait(5*time.Second).Step(0, 5).Read(2 * time.Minute)
	p.In(canary.Paused).Tell(event.Paused, "", "the plan pauses before step 2 of 4").Read(90 * time.Second)
	p.In(canary.Progressing).Tell(event.Resumed, "ben@example.com", "resumed").Step(1, 15).Read(80 * time.Second)
	p.Wait(2*time.Minute).Tell(event.Attached, "", "an engine on ci-runner-7 goes on at step 2 of 4")
	p.Read(time.Minute).Tell(event.Gate, "", `gate "load test" is closed`).Read(20*time.Second).Tell(event.Gate, "", `gate "load test" opened`)
	p.Step(2, 30).Read(70 * time.Second)
	p.at.Weight = 60
	p.In(canary.Paused).Tell(event.Foreign, "kubectl-edit", "the weights are 40/60; kubectl-edit changed VirtualService shop").
		Tell(event.Paused, "kubectl-edit", "somebody else changed the traffic").Read(45 * time.Second)
	p.In(canary.Progressing).Tell(event.Resumed, "ana@example.com", "resumed").Read(30 * time.Second)
	p.In(canary.Paused).Tell(event.Paused, "ana@example.com", "the engine was told to end").Tell(event.Detached, "", "this engine drives no more; canaryctl resume goes on")
	p.Wait(4*time.Minute).Tell(event.Attached, "ben@example.com", "an engine on laptop goes on at step 3 of 4")
	p.In(canary.Progressing).Tell(event.Resumed, "ben@example.com", "resumed").Step(3, 75).Read(3 * time.Minute)
	p.Tell(event.Warning, "", "Prometheus answered after 4 s").Read(time.Minute)
	return p.End(canary.Promoted, canary.ByHand, "ben@example.com", "somebody asked for the promotion").Events
}

// Long is a release of three hours, read every second: a leak shows late.
func Long() []event.Event {
	p := New("shop-c0de", 5).Tell(event.Started, "ci", "release of v2 beside v1")
	p.Rate = 40
	p.Wait(10*time.Second).Step(0, 1).Read(20 * time.Minute)
	for i := 1; i <= 20; i++ {
		p.Weigh(canary.Percent(1 + i/2)).Read(time.Minute)
	}
	p.Step(1, 20).Read(40 * time.Minute)
	p.Step(2, 40).Read(60 * time.Minute)
	p.Step(3, 50).Read(32 * time.Minute)
	for p.Failing.Canary = 0.03; p.Known().Verdict != canary.Fail; {
		p.Read(p.Every)
	}
	return p.End(canary.RolledBack, "", "", "the canary fails more often than the tolerance allows").Events
}
