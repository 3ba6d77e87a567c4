package analysis

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/canaryctl/canaryctl/internal/metrics"
	"github.com/canaryctl/canaryctl/internal/stats"
)

// columnNames are the columns of a file of counts, in the order they have where
// no header says another.
func columnNames() []string {
	return []string{"stable_total", "stable_bad", "canary_total", "canary_bad"}
}

func split(line string) []string {
	fields := strings.Split(line, ",")
	for i := range fields {
		fields[i] = strings.Trim(strings.TrimSpace(fields[i]), `"`)
	}
	return fields
}

// table is the layout of a file of counts.
type table struct {
	columns []int // where each of columnNames stands
	width   int   // of every row
}

// tableOf reads the layout off the first row, which is a header unless it begins
// with a number. Other columns than ours are left alone.
func tableOf(first []string) (t *table, header bool, err error) {
	names := columnNames()
	if _, err := strconv.ParseFloat(first[0], 64); err == nil {
		return &table{[]int{0, 1, 2, 3}, len(names)}, false, nil
	}
	t = &table{width: len(first)}
	for _, name := range names {
		at := slices.IndexFunc(first, func(field string) bool { return strings.EqualFold(field, name) })
		if at < 0 {
			return nil, true, fmt.Errorf("%w: the header has no column %s; want %s", ErrFile, name, strings.Join(names, ","))
		}
		t.columns = append(t.columns, at)
	}
	return t, true, nil
}

// row is the interval that a row counts. Its time is made up: rows come one after
// the other, each as long as the others.
func (t *table) row(fields []string, n int, every time.Duration) (metrics.Interval, error) {
	if len(fields) > t.width {
		return metrics.Interval{}, fmt.Errorf("%w: %d columns where %d were expected: %s",
			ErrFile, len(fields), t.width, strings.Join(columnNames(), ","))
	}
	var v [4]uint64
	for i, name := range columnNames() {
		at := t.columns[i]
		if at >= len(fields) || fields[at] == "" {
			return metrics.Interval{}, fmt.Errorf("%w: %s is missing", ErrFile, name)
		}
		count, err := parseCount(fields[at])
		if err != nil {
			return metrics.Interval{}, fmt.Errorf("%w: %s: %w", ErrFile, name, err)
		}
		v[i] = count
	}
	counts := stats.Counts{StableTotal: v[0], StableBad: v[1], CanaryTotal: v[2], CanaryBad: v[3]}
	if err := counts.Validate(); err != nil {
		return metrics.Interval{}, fmt.Errorf("%w: %w", ErrFile, err)
	}
	start := time.Unix(0, 0).UTC().Add(time.Duration(n) * every)
	return metrics.Interval{Metric: Errors, Start: start, End: start.Add(every), Strata: []stats.Counts{counts}}, nil
}

// parseCount takes what spreadsheets make of whole numbers too: 1e+03, 12.0.
func parseCount(text string) (uint64, error) {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is not a number", text)
	}
	return stats.Count(v)
}
