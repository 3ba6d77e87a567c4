package metrics

import (
	"context"
	"errors"
	"time"

	"github.com/canaryctl/canaryctl/internal/stats"
)

// Sentinels of a Stream. Neither is a verdict about a version: whoever consumes
// the stream holds, and says why.
var (
	// ErrNoData says that the source answered and has nothing of this application.
	ErrNoData = errors.New("no data")
	// ErrUnavailable says that the source did not answer, or not with metrics.
	ErrUnavailable = errors.New("metrics source unavailable")
)

// Interval is what happened between two readings of one metric. Both versions
// were read at both ends: time in which one of them was not is in no interval.
type Interval struct {
	// Metric names it: "errors", or "latency le=0.25" for an edge of a histogram,
	// in seconds.
	Metric string
	// Start and End are when the counters were read, by the source's clock.
	Start, End time.Time
	// Strata is one entry for each stratum (route) that had requests in either
	// version, in order of name.
	Strata []stats.Counts
	// Pods is what each Pod answered, by version, for over-dispersion. It is nil
	// where the source does not tell Pods apart.
	Pods map[string][]stats.PodCounts
}

// Stream yields the intervals that have become known since the last call, oldest
// first; none is not an error. An error wraps ErrNoData or ErrUnavailable where
// waiting may help, and the stream goes on after it: an interval that could not
// be read is missing for both versions.
type Stream interface {
	Next(ctx context.Context) ([]Interval, error)
}
