package probe

import (
	"maps"
	"slices"
	"strings"
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
	weights  map[string]float64
	start    time.Time
	end      time.Time // zero while it is the current one
	tallies  map[string]*tally
	failures map[string]int
}

type tally struct {
	codes     map[string]int
	ends      [ends]int
	latencies latencies
}

// outcome is how one request ended: failure is set when no answer began.
type outcome struct {
	version string
	code    string
	took    time.Duration
	end     end
	failure string
}

// end is how an answer ended that began.
type end int

const (
	good    end = iota
	bad         // an error of the server's
	broken      // cut off by the other side
	givenUp     // not over by the time-out
	ends
)

// told is the status with what became of an answer that has no end. A call has
// no status before its end.
func (o outcome) told() string {
	return strings.TrimSpace(o.code + [ends]string{broken: " broken off", givenUp: " given up"}[o.end])
}

func newLedger(now time.Time, weights map[string]float64) *ledger {
	l := &ledger{start: now}
	l.open(now, weights)
	return l
}

func (l *ledger) open(now time.Time, weights map[string]float64) {
	l.phases = append(l.phases, &phase{
		weights: weights, start: now,
		tallies: make(map[string]*tally), failures: make(map[string]int),
	})
}

func (l *ledger) current() *phase { return l.phases[len(l.phases)-1] }

// setWeights begins a new phase if the weights are not those of the current one.
func (l *ledger) setWeights(now time.Time, weights map[string]float64) {
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
		t = &tally{codes: make(map[string]int)}
		p.tallies[o.version] = t
	}
	t.codes[o.told()]++
	t.ends[o.end]++
	if o.end == good || o.end == bad {
		t.latencies.add(o.took)
	}
}

func (t *tally) requests() (n int) {
	for _, count := range t.ends {
		n += count
	}
	return n
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
		recognised += t.requests()
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
		return Answers{Codes: map[string]int{}}
	}
	return Answers{
		Requests: t.requests(),
		Errors:   t.ends[bad] + t.ends[broken],
		Broken:   t.ends[broken],
		GivenUp:  t.ends[givenUp],
		Codes:    maps.Clone(t.codes),
		Latency: LatencySummary{
			P50: Seconds(t.latencies.quantile(.50)),
			P95: Seconds(t.latencies.quantile(.95)),
			P99: Seconds(t.latencies.quantile(.99)),
		},
	}
}
