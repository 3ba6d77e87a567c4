package main

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/event"
	"github.com/canaryctl/canaryctl/internal/probe"
	"github.com/canaryctl/canaryctl/test/labtest"
)

// good is a run in which one engine promotes v2 and all is as it should be.
func good() evidence {
	at := func(s int) time.Time { return time.Date(2026, 1, 1, 0, 0, s, 0, time.UTC) }
	gone := make(chan struct{})
	close(gone)
	e := evidence{
		processes: []*process{{number: 1, args: []string{"release"}, engine: true, done: gone, ended: at(9)}},
		ready:     []ready{{at(0), map[string]int{"v1": 2, "v2": 2}}},
		load:      probe.Result{Sent: 100, Phases: []probe.Phase{{}}},
	}
	for i, weight := range []canary.Percent{0, 10, 30, 60, 100} {
		r := canary.Release{ID: "a", Phase: canary.Progressing, Step: i - 1, Weight: weight, Why: "so"}
		told := event.Event{Kind: event.Step, At: event.At{Weight: weight}}
		if i == 0 {
			told.Kind = event.Started
		}
		s := labtest.Sight{At: at(i), Version: string(rune('0' + i)), Rules: []map[string]canary.Percent{{"v1": 100 - weight, "v2": weight}}}
		if weight == 100 {
			r.Phase, r.Step, told.Kind = canary.Promoted, 2, event.Promoted
			s.History = []canary.Ended{{ID: "a", Outcome: canary.Promoted, Why: "so"}}
		}
		s.Position = &canary.Position{Stable: "v1", Release: &r}
		if weight == 100 {
			s.Position.Stable = "v2"
		}
		e.routes, e.events = append(e.routes, s), append(e.events, told)
		e.writes = append(e.writes, write{1, s.Version})
	}
	return e
}

// TestWatchThatIsLate: what drove ended rightly, though the harness saw the end of the
// release only later.
func TestWatchThatIsLate(t *testing.T) {
	e := good()
	end := &e.routes[4]
	end.Position.Release.Since = end.At
	end.At = end.At.Add(30 * time.Second)
	if wrong := statusTrue(e); len(wrong) > 0 {
		t.Errorf("%q", wrong)
	}
}

// TestInvariants: a good run violates nothing, and whatever is made wrong in it is
// found.
func TestInvariants(t *testing.T) {
	if wrong := good().violations(); len(wrong) > 0 {
		t.Errorf("a good run: %q", wrong)
	}
	for _, c := range []struct {
		name, want string
		spoil      func(*evidence)
	}{
		{"weights", "sum to 90", func(e *evidence) { e.routes[1].Rules[0]["v1"] = 80 }},
		{"second rule", "sum to 50", func(e *evidence) { e.routes[2].Rules = append(e.routes[2].Rules, map[string]canary.Percent{"v1": 50}) }},
		{"negative", "has -10%", func(e *evidence) { e.routes[1].Rules[0] = map[string]canary.Percent{"v1": 110, "v2": -10} }},
		{"unreadable", "spoilt", func(e *evidence) { e.unread = []error{errors.New("spoilt")} }},
		{"no ready Pod", "v2 goes from 10% to 30%", func(e *evidence) {
			e.ready = append(e.ready, ready{e.routes[1].At.Add(-100 * time.Millisecond), map[string]int{"v1": 2}}, ready{e.routes[4].At.Add(-time.Second / 2), map[string]int{"v1": 2, "v2": 1}})
		}},
		{"lost", "map[timeout:1]", func(e *evidence) { e.load.Phases[0].Failures = map[string]int{"timeout": 1} }},
		{"refused", "map[of no version:2]", func(e *evidence) { e.load.Phases[0].Unknown = &probe.Answers{Requests: 2} }},
		{"not over", "it is not over", func(e *evidence) { e.routes = e.routes[:4] }},
		{"wrong end", "ended promoted with 60% for v2", func(e *evidence) { e.routes[4].Rules[0] = map[string]canary.Percent{"v1": 40, "v2": 60} }},
		{"harm", "verdict was fail", func(e *evidence) { e.events[2].Known = &event.Known{Verdict: canary.Fail} }},
		{"two engines", "writes again", func(e *evidence) {
			e.processes = append(e.processes, &process{number: 2, args: []string{"resume"}, engine: true, done: make(chan struct{})})
			e.writes[2].by = 2
		}},
		{"step back", "from step 1 back to step 0", func(e *evidence) { e.routes[3].Position.Release.Step = 0 }},
		{"no history", "says so 0 times", func(e *evidence) { e.routes[4].History = nil }},
		{"history twice", "says so 2 times", func(e *evidence) { e.routes[4].History = append(e.routes[4].History, e.routes[4].History[0]) }},
		{"no reason", "and not why", func(e *evidence) { e.routes[4].History[0].Why = "" }},
		{"made up", "the route never did", func(e *evidence) {
			e.routes[4].History = append(e.routes[4].History, canary.Ended{ID: "b", Outcome: canary.Promoted, Why: "so"})
		}},
		{"weight not told", "nothing of 30%", func(e *evidence) { e.events[2].At.Weight = 0 }},
		{"no beginning", "no beginning", func(e *evidence) { e.events[0].Kind = event.Waiting }},
		{"no end", "no end", func(e *evidence) { e.events[4].Kind = event.Waiting }},
		{"torn", "1 lines of the record", func(e *evidence) { e.torn = 1 }},
		{"too many", "it took 3 more engines", func(e *evidence) {
			e.calm = e.routes[1].At
			for range 3 {
				e.processes = append(e.processes, &process{engine: true, args: []string{"resume"}, done: e.processes[0].done, started: e.routes[2].At, ended: e.routes[4].At})
			}
		}},
		{"nothing drives", "nothing drove it", func(e *evidence) { e.processes[0].ended = e.routes[2].At }},
		{"engine failed", "ended with 1", func(e *evidence) { e.routes, e.processes[0].code = e.routes[:4], 1 }},
	} {
		e := good()
		c.spoil(&e)
		if wrong := strings.Join(e.violations(), "; "); !strings.Contains(wrong, c.want) {
			t.Errorf("%s: found %q, want %q", c.name, wrong, c.want)
		}
	}
}

// TestDraw: the same seed makes the same script, and every kind of fault has its
// turn.
func TestDraw(t *testing.T) {
	met := map[string]bool{}
	for seed := range uint64(len(kinds())) {
		a, b := draw(seed), draw(seed)
		if a.String() != b.String() {
			t.Errorf("seed %d: %s, and then %s", seed, a, b)
		}
		met[a.faults[0].kind] = true
		for _, f := range a.faults {
			if strings.HasPrefix(f.kind, "Prometheus") && a.source != fromPrometheus {
				t.Errorf("%s: the fault does not reach it", a)
			}
			if f.after < 0 || f.after > time.Second || f.step < -1 || f.step >= steps {
				t.Errorf("%s: no such point", a)
			}
		}
	}
	if len(met) != len(kinds()) {
		t.Errorf("%d of %d kinds have their turn", len(met), len(kinds()))
	}
	if got := between(rand.New(rand.NewPCG(1, 1)), time.Second, time.Second); got != time.Second {
		t.Errorf("between 1s and 1s: %s", got)
	}
}
