package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/canaryctl/canaryctl/internal/analysis"
	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/event"
	"github.com/canaryctl/canaryctl/internal/record"
)

// What a page shows at most: the record has the rest.
const (
	mostEvents   = 400
	mostReadings = 40
)

type stepRow struct {
	Name, Weight   string
	From           moment
	Took, Paused   string
	Stable, Canary string
}

func stepRows(r record.Release) []stepRow {
	var rows []stepRow
	for _, s := range r.Steps {
		row := stepRow{
			Name: stepName(s), Weight: fmt.Sprintf("%s%%", s.Weight), From: at(r, s.From), Took: span(s.Took()),
			Stable: answered(s.Stable), Canary: answered(s.Canary),
		}
		if s.First != s.Weight {
			row.Weight = fmt.Sprintf("%s to %s%%", s.First, s.Weight)
		}
		if s.Paused > 0 {
			row.Paused = span(s.Paused.Std())
		}
		rows = append(rows, row)
	}
	return rows
}

func stepName(s record.Step) string {
	switch {
	case s.Phase == canary.Promoting:
		return "roll of stable"
	case s.Step < 0:
		return "preparation"
	}
	return fmt.Sprintf("%d", s.Step+1)
}

// answered is "12 of 240 (5%)".
func answered(a event.Arm) string {
	if a.Requests == 0 {
		return "none"
	}
	return fmt.Sprintf("%s of %s (%s%%)", analysis.Thousands(a.Bad), analysis.Thousands(a.Requests), digits(100*float64(a.Bad)/float64(a.Requests)))
}

type metricRow struct{ Name, Verdict, Stable, Canary, Ratio, Against, For string }

func metricRows(r record.Release) []metricRow {
	var rows []metricRow
	if r.Known == nil {
		return nil
	}
	for _, m := range r.Known.Metrics {
		rows = append(rows, metricRow{
			Name: m.Name, Verdict: string(m.Verdict), Stable: answered(m.Stable), Canary: answered(m.Canary), Ratio: ratioText(m),
			Against: oddsText(m.LogE) + ", of " + oddsText(m.Threshold), For: oddsText(m.LogPass) + ", of " + oddsText(m.PassAt),
		})
	}
	return rows
}

// ratioText is "1.2 (0.8 to 1.9)".
func ratioText(m event.Metric) string {
	text := "unknown"
	if m.Ratio != nil {
		text = digits(*m.Ratio)
	}
	switch {
	case m.Lower != nil && m.Upper != nil:
		return fmt.Sprintf("%s (%s to %s)", text, digits(*m.Lower), digits(*m.Upper))
	case m.Lower != nil:
		return fmt.Sprintf("%s (at least %s)", text, digits(*m.Lower))
	case m.Upper != nil:
		return fmt.Sprintf("%s (at most %s)", text, digits(*m.Upper))
	}
	return text
}

// eventRow is an event of the table. Those with a mark are in the figure too.
type eventRow struct {
	Number         int
	At             moment
	Kind, Class    string
	Message, Where string
	By             string
	Marked         bool
}

// eventRows are the events, without the readings, and of what it waited for only
// the first of a run.
func eventRows(r record.Release) (rows []eventRow, more int) {
	var before event.Kind
	for _, e := range r.Events {
		if e.Kind == event.Evidence || e.Kind == event.Waiting && before == event.Waiting {
			continue
		}
		before = e.Kind
		if len(rows) == mostEvents && !e.At.Phase.Over() {
			more++
			continue
		}
		kind, class := kindText(e.Kind)
		rows = append(rows, eventRow{
			Number: len(rows) + 1, At: at(r, e.Time), Kind: kind, Class: class, Message: e.Message, By: e.By,
			Where: fmt.Sprintf("%s, %s%%", place(e.At), e.At.Weight), Marked: marked(e),
		})
		if e.At.Phase.Over() {
			rows[len(rows)-1].Where = fmt.Sprintf("%s%%", e.At.Weight)
		}
	}
	return rows, more
}

// marked reports whether an event has a mark: steps show in the weights, and
// what came after the end is not on the axis.
func marked(e event.Event) bool {
	switch e.Kind {
	case event.Started, event.Waiting, event.Step, event.Evidence, event.Retired:
		return false
	case event.Promoted, event.RolledBack:
		return true
	}
	return !e.At.Phase.Over()
}

func kindText(k event.Kind) (text, class string) {
	switch k {
	case event.Attached:
		return "engine attached", "plain"
	case event.Detached:
		return "engine left", "plain"
	case event.Foreign:
		return "changed by others", "warn"
	case event.Warning:
		return "warning", "warn"
	case event.Promoted:
		return "promoted", "good"
	case event.RolledBack:
		return "rolled back", "bad"
	case event.Rolling:
		return "rolling stable", "plain"
	}
	return strings.ReplaceAll(string(k), "-", " "), "plain"
}

type readingRow struct {
	At                       moment
	Ratio, Against, For, P95 string
	Bad                      string
}

// readingRows are the readings by the first metric, few and evenly spread: what
// the curves show, as numbers.
func readingRows(h history) []readingRow {
	var rows []readingRow
	seen, next := 0, 0.0
	for _, piece := range h.pieces {
		for _, r := range piece {
			seen++
			if len(r.Metrics) == 0 || float64(seen) <= next && seen < h.many {
				continue
			}
			next += max(1, float64(h.many)/mostReadings)
			m := r.Metrics[0]
			row := readingRow{
				At: at(h.Release, h.Began.Add(time.Duration(r.at*float64(time.Second)))), Ratio: ratioText(m),
				Against: oddsText(m.LogE), For: oddsText(m.LogPass), Bad: analysis.Thousands(m.Canary.Bad),
			}
			if r.P95 != nil {
				row.P95 = seconds(r.P95.Stable) + ", " + seconds(r.P95.Canary)
			}
			rows = append(rows, row)
		}
	}
	return rows
}

// moment is a time, and how long after the beginning.
type moment struct{ Clock, Exact, Since string }

func at(r record.Release, t time.Time) moment {
	t = t.UTC()
	clock := "15:04:05"
	if t.Format(time.DateOnly) != r.Began.UTC().Format(time.DateOnly) {
		clock = "Jan 2 15:04:05"
	}
	return moment{Clock: t.Format(clock), Exact: t.Format(time.RFC3339Nano), Since: "+" + span(t.Sub(r.Began))}
}
