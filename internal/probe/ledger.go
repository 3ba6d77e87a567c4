package probe

import (
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/canaryctl/canaryctl/internal/stats"
)

// ledger counts outcomes, in phases. It is safe for concurrent use.
type ledger struct {
	mu      sync.Mutex
	start   time.Time
	sent    int
	skipped int
	phases  []*phase
}

type phase struct {
	weights  map[string]int
	start    time.Time
	end      time.Time // zero while it is the current one
	tallies  map[string]*tally
	failures map[string]int
}

type tally struct {
	codes     map[int]int
	latencies latencies
}

// outcome is how one request ended: failure is set when there was no answer.
type outcome struct {
	version string
	code    int
	took    time.Duration
	failure string
}

func newLedger(now time.Time, weights map[string]int) *ledger {
	l := &ledger{start: now}
	l.open(now, weights)
	return l
}

func (l *ledger) open(now time.Time, weights map[string]int) {
	l.phases = append(l.phases, &phase{
		weights: weights, start: now,
		tallies: make(map[string]*tally), failures: make(map[string]int),
	})
}

func (l *ledger) current() *phase { return l.phases[len(l.phases)-1] }

// setWeights begins a new phase if the weights are not those of the current one.
func (l *ledger) setWeights(now time.Time, weights map[string]int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if maps.Equal(weights, l.current().weights) {
		return
	}
	l.current().end = now
	l.open(now, weights)
}

// send counts a request and returns the phase that its outcome belongs to.
func (l *ledger) send() *phase {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent++
	return l.current()
}

func (l *ledger) skip() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.skipped++
}

func (l *ledger) settle(p *phase, o outcome) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if o.failure != "" {
		p.failures[o.failure]++
		return
	}
	t := p.tallies[o.version]
	if t == nil {
		t = &tally{codes: make(map[int]int)}
		p.tallies[o.version] = t
	}
	t.codes[o.code]++
	t.latencies.add(o.took)
}

// result is a copy of all counts, which later ones do not change.
func (l *ledger) result(now time.Time) Result {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := Result{Elapsed: Seconds(now.Sub(l.start)), Sent: l.sent, Skipped: l.skipped}
	for _, p := range l.phases {
		r.Phases = append(r.Phases, p.summary(now))
	}
	return r
}

func (p *phase) summary(now time.Time) Phase {
	end := p.end
	if end.IsZero() {
		end = now
	}
	out := Phase{Weights: maps.Clone(p.weights), Start: p.start, Elapsed: Seconds(end.Sub(p.start)), Failures: maps.Clone(p.failures)}
	names := make(map[string]bool)
	var recognised int
	for name, t := range p.tallies {
		if name == "" {
			unknown := t.summary()
			out.Unknown = &unknown
			continue
		}
		names[name] = true
		recognised += t.latencies.total
	}
	for name := range p.weights {
		names[name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		out.Versions = append(out.Versions, p.version(name, recognised))
	}
	return out
}

func (p *phase) version(name string, recognised int) Version {
	v := Version{Name: name, Answers: p.tallies[name].summary()}
	if weight, ok := p.weights[name]; ok {
		v.Weight = &weight
	}
	if recognised > 0 {
		v.Share = float64(v.Requests) / float64(recognised)
	}
	v.Interval = stats.ClopperPearson(v.Requests, recognised, Confidence)
	return v
}

// summary of a nil tally is that of a version that never answered.
func (t *tally) summary() Answers {
	if t == nil {
		return Answers{Codes: map[int]int{}}
	}
	a := Answers{
		Requests: t.latencies.total,
		Codes:    maps.Clone(t.codes),
		Latency: LatencySummary{
			P50: Seconds(t.latencies.quantile(.50)),
			P95: Seconds(t.latencies.quantile(.95)),
			P99: Seconds(t.latencies.quantile(.99)),
		},
	}
	for code, n := range t.codes {
		if code >= http.StatusInternalServerError {
			a.Errors += n
		}
	}
	return a
}
