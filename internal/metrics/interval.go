package metrics

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
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
	// Metric names it: MetricErrors, MetricGivenUp, MetricUnanswered, or
	// "latency le=0.25" for an edge of a histogram, in seconds; see EdgeName.
	Metric string
	// Start and End are when the counters were read, by the source's clock.
	Start, End time.Time
	// Strata is one entry for each stratum (route) that had requests in either
	// version, in order of name.
	Strata []stats.Counts
	// Pods is what each Pod answered, by version, for over-dispersion. It is nil
	// where the source does not tell Pods apart.
	Pods map[string][]stats.PodCounts
	// Whys are how the bad requests of each version went wrong, in words, as far as the
	// labels of an outcome tell.
	Whys map[string]map[string]uint64
	// Unread are the versions whose requests nothing that was read could have
	// counted: that there are none of them says nothing.
	Unread []string
	// Before marks what stable alone had answered up to the beginning, which is
	// then End; Start is zero, since it counted for as long as its processes lived.
	// It is there to choose edges of a histogram by, and is no evidence.
	Before bool
}

const edgePrefix = MetricLatency + " le="

// EdgeName is the metric of answers that took longer than so many seconds.
func EdgeName(seconds float64) string { return fmt.Sprintf("%s%g", edgePrefix, seconds) }

// EdgeOf is the edge that a metric is named after; ok is false for another one.
func EdgeOf(metric string) (seconds float64, ok bool) {
	text, ok := strings.CutPrefix(metric, edgePrefix)
	if !ok {
		return 0, false
	}
	seconds, err := strconv.ParseFloat(text, 64)
	return seconds, err == nil && seconds > 0
}

// TypicalLength is the median time that intervals of one metric last; zero of none.
func TypicalLength(intervals []Interval) time.Duration {
	var lengths []time.Duration
	for _, i := range intervals {
		if i.Metric == intervals[0].Metric {
			lengths = append(lengths, i.End.Sub(i.Start))
		}
	}
	if len(lengths) == 0 {
		return 0
	}
	slices.Sort(lengths)
	return lengths[len(lengths)/2]
}

// Stream yields the intervals that have become known since the last call, oldest
// first; none is not an error. An error wraps ErrNoData or ErrUnavailable where
// waiting may help, and the stream goes on after it: an interval that could not
// be read is missing for both versions.
type Stream interface {
	Next(ctx context.Context) ([]Interval, error)
}
