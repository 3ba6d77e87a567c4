package probe

import (
	"strconv"
	"time"

	"github.com/canaryctl/canaryctl/internal/stats"
)

// Confidence is that of the intervals in a Result.
const Confidence = 0.95

// Result is what was seen so far, or in all.
type Result struct {
	URL     string  `json:"url"`
	Host    string  `json:"host,omitempty"`
	Elapsed Seconds `json:"elapsedSeconds"`
	// Sent counts requests; those without an outcome were in flight at the end.
	Sent int `json:"sent"`
	// Skipped counts requests that were due while Concurrency was exhausted.
	Skipped int `json:"skipped"`
	// Phases has one entry per setting of the weights, in order. There is
	// always one; the last is the current one.
	Phases []Phase `json:"phases"`
}

// Current is the phase that the latest requests count in.
func (r Result) Current() Phase { return r.Phases[len(r.Phases)-1] }

// Phase is the time that the weights stayed the same. A request counts in the
// phase that it was sent in.
type Phase struct {
	// Weights is the configured split, in percent by version; nil if unknown.
	Weights map[string]float64 `json:"weights,omitempty"`
	Start   time.Time          `json:"start"`
	Elapsed Seconds            `json:"elapsedSeconds"`
	// Versions has those that answered and those that have a weight, by name.
	Versions []Version `json:"versions"`
	// Unknown are answers that did not say which version gave them, such as a
	// router's own 503.
	Unknown *Answers `json:"unknown,omitempty"`
	// Failures are requests of whose answer not even the header came, by kind.
	Failures map[string]int `json:"failures,omitempty"`
}

// Recognised is the number of answers that named a version: what shares are of.
func (p Phase) Recognised() int {
	var n int
	for _, v := range p.Versions {
		n += v.Requests
	}
	return n
}

// Failed is the number of requests without an answer.
func (p Phase) Failed() int {
	var n int
	for _, count := range p.Failures {
		n += count
	}
	return n
}

// Version is what one version was seen to do.
type Version struct {
	Name string `json:"version"`
	// Weight is the configured one, in percent; nil if unknown.
	Weight *float64 `json:"weight,omitempty"`
	// Share is of the answers that named a version, 0 to 1, and Interval its
	// exact (Clopper-Pearson) 95% confidence interval.
	Share    float64        `json:"share"`
	Interval stats.Interval `json:"interval95"`
	Answers
}

// Answers sums answers up.
type Answers struct {
	Requests int `json:"requests"`
	// Errors are answers that are the server's fault: of status 500 and above,
	// of such a status of gRPC, and those that broke off, which are Broken, too.
	Errors int `json:"errors"`
	Broken int `json:"broken"`
	// GivenUp are those that had begun and not ended by the time-out.
	GivenUp int `json:"givenUp"`
	// Codes counts by status, and by what became of the answer if it has no end:
	// "200", "200 broken off", "200 given up", "INTERNAL", and "broken off" and
	// "given up" of calls, whose status comes last.
	Codes   map[string]int `json:"codes"`
	Latency LatencySummary `json:"latencySeconds"`
}

// LatencySummary holds quantiles of the time from sending a request to the end
// of its answer, of the answers that have one; zero if there are none.
type LatencySummary struct {
	P50 Seconds `json:"p50"`
	P95 Seconds `json:"p95"`
	P99 Seconds `json:"p99"`
}

// Seconds is a duration that JSON shows as Prometheus would: a number of
// seconds, here to the microsecond.
type Seconds time.Duration

// MarshalJSON implements json.Marshaler.
func (s Seconds) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, time.Duration(s).Round(time.Microsecond).Seconds(), 'f', -1, 64), nil
}
