package main

import (
	"fmt"
	"os"
	"slices"

	"github.com/canaryctl/canaryctl/internal/analysis"
	"github.com/canaryctl/canaryctl/internal/metrics"
)

// cut divides a recording into runs that begin where the one before ended, and
// returns the files that it made of them.
func cut(recording string, p plan) ([]string, error) {
	raw, err := os.Open(recording)
	if err != nil {
		return nil, err
	}
	defer raw.Close()
	intervals, err := analysis.Read(raw, 0)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", recording, err)
	}
	// Of latencies there is also what stable took before, which has no beginning.
	intervals = slices.DeleteFunc(intervals, func(i metrics.Interval) bool { return i.Metric != analysis.Errors })
	var names []string
	var run *os.File
	for _, i := range intervals {
		n := int(i.Start.Sub(intervals[0].Start) / p.run)
		if n >= p.rounds {
			break
		}
		if n == len(names) {
			names = append(names, fmt.Sprintf("%s.%d", recording, n))
			if run, err = os.Create(names[n]); err != nil {
				return nil, err
			}
			defer run.Close()
		}
		// Read calls the versions by their roles.
		if err := analysis.Write(run, i, analysis.Versions{Stable: "stable", Canary: "canary"}); err != nil {
			return nil, err
		}
	}
	if len(names) != p.rounds {
		return nil, fmt.Errorf("%s holds %d runs of %s, want %d", recording, len(names), p.run, p.rounds)
	}
	return names, nil
}
