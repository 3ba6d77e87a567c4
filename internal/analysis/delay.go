package analysis

import (
	"slices"
	"time"

	"github.com/canaryctl/canaryctl/internal/metrics"
)

// delay is how long stable takes to answer most of its requests. A request is
// counted when it ends, so for as long a canary that is as good has not much to show
// after it was given traffic.
type delay struct {
	before, lately time.Duration // before the beginning, and in the latest reading
}

const (
	// mostAnswers are some more than the half that is asked for of the canary.
	mostAnswers = 0.6
	// fewestAnswers of one reading say how long they take.
	fewestAnswers = 20
	// beyondEdges is how many times the last edge of a histogram it takes where most
	// answers take longer than that, which nobody knows.
	beyondEdges = 10
	// unknownDelay is for a source that tells of no latency.
	unknownDelay = 10 * time.Second
)

// Learn takes what one reading says of how long stable takes to answer, be it evidence
// by the configuration or not.
func (a *Analysis) Learn(intervals []metrics.Interval) {
	if edges, slow, n := latencies(intervals, true); n >= fewestAnswers {
		a.delay.before = quickest(edges, slow)
	}
	if edges, slow, n := latencies(intervals, false); n >= fewestAnswers {
		a.delay.lately = quickest(edges, slow)
	}
}

// quickest is the first edge within which most are answered.
func quickest(edges, slow []float64) time.Duration {
	i := slices.IndexFunc(slow, func(s float64) bool { return s <= 1-mostAnswers })
	if i < 0 {
		return seconds(beyondEdges * edges[len(edges)-1])
	}
	return seconds(edges[i])
}

// typical is for what comes next: the longer of what is known.
func (d delay) typical() time.Duration {
	if known := max(d.before, d.lately); known > 0 {
		return known
	}
	return unknownDelay
}
