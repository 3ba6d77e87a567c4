package analysis

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/canaryctl/canaryctl/internal/metrics"
	"github.com/canaryctl/canaryctl/internal/stats"
)

// ErrFile is wrapped by every error about what a file of counts says.
var ErrFile = errors.New("wrong counts")

// maxLine is the longest line of a file: an interval of some thousand Pods.
const maxLine = 1 << 20

// record is an interval as a line of JSON.
type record struct {
	Metric string                       `json:"metric"`
	Start  time.Time                    `json:"start"`
	End    time.Time                    `json:"end"`
	Strata []stats.Counts               `json:"strata"`
	Pods   map[string][]stats.PodCounts `json:"pods,omitempty"`
	Whys   map[string]map[string]uint64 `json:"whys,omitempty"`
	Unread []string                     `json:"unread,omitempty"`
	Before bool                         `json:"before,omitempty"`
}

// Write appends an interval to a file that Read understands, as one line. Its
// Pods are filed under "stable" and "canary", as whoever reads it calls them.
func Write(w io.Writer, i metrics.Interval, v Versions) error {
	r := record(i)
	r.Pods, r.Whys, r.Unread = nil, nil, nil
	for role, version := range map[string]string{"stable": v.Stable, "canary": v.Canary} {
		if pods, ok := i.Pods[version]; ok {
			if r.Pods == nil {
				r.Pods = map[string][]stats.PodCounts{}
			}
			r.Pods[role] = pods
		}
		if whys, ok := i.Whys[version]; ok {
			if r.Whys == nil {
				r.Whys = map[string]map[string]uint64{}
			}
			r.Whys[role] = whys
		}
		if slices.Contains(i.Unread, version) {
			r.Unread = append(r.Unread, role)
		}
	}
	slices.Sort(r.Unread)
	line, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("record an interval of %q: %w", i.Metric, err)
	}
	_, err = w.Write(append(line, '\n'))
	return err
}

// Read reads intervals from a file: lines of JSON, as Write makes them, or CSV
// with a row for each interval, whose rows are then every apart. Empty lines and
// those that begin with # are left out. Errors name the line and wrap ErrFile.
func Read(r io.Reader, every time.Duration) ([]metrics.Interval, error) {
	scanner := bufio.NewScanner(r)
	scanner.Buffer(nil, maxLine)
	var intervals []metrics.Interval
	file := reader{every: every}
	for number := 1; scanner.Scan(); number++ {
		i, err := file.line(scanner.Bytes(), len(intervals))
		switch {
		case err != nil:
			return nil, fmt.Errorf("line %d: %w", number, err)
		case i != nil:
			intervals = append(intervals, *i)
		}
	}
	if err := scanner.Err(); err != nil {
		return nil, fmt.Errorf("after %d intervals: %w", len(intervals), err)
	}
	if len(intervals) == 0 {
		return nil, fmt.Errorf("%w: no row in it; want %s", ErrFile, strings.Join(columnNames(), ","))
	}
	return intervals, nil
}

// reader is what has to be known of the lines before.
type reader struct {
	every time.Duration
	table *table // nil before the first row
}

// line returns nil for a line that is no interval.
func (r *reader) line(text []byte, n int) (*metrics.Interval, error) {
	text = bytes.TrimSpace(bytes.TrimPrefix(text, []byte("\ufeff"))) // spreadsheets begin with a BOM
	if len(text) == 0 || text[0] == '#' {
		return nil, nil
	}
	if text[0] == '{' {
		i, err := parseRecord(text)
		return &i, err
	}
	fields := split(string(text))
	if r.table == nil {
		var header bool
		var err error
		if r.table, header, err = tableOf(fields); err != nil || header {
			return nil, err
		}
	}
	i, err := r.table.row(fields, n, r.every)
	return &i, err
}

func parseRecord(line []byte) (metrics.Interval, error) {
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.DisallowUnknownFields()
	var r record
	if err := decoder.Decode(&r); err != nil {
		return metrics.Interval{}, fmt.Errorf("%w: %w", ErrFile, err)
	}
	switch {
	case r.Metric == "":
		return metrics.Interval{}, fmt.Errorf("%w: the interval names no metric", ErrFile)
	case !r.End.After(r.Start):
		return metrics.Interval{}, fmt.Errorf("%w: the interval ends at %s and begins at %s", ErrFile,
			r.End.Format(time.RFC3339Nano), r.Start.Format(time.RFC3339Nano))
	}
	for _, c := range r.Strata {
		if err := c.Validate(); err != nil {
			return metrics.Interval{}, fmt.Errorf("%w: %w", ErrFile, err)
		}
	}
	return metrics.Interval(r), nil
}
