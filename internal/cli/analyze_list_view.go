package cli

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"
)

// text has a row for each metric, and a line for each source that has nothing, or
// not all, with the reason.
func (l *listing) text(wide bool) string {
	var b strings.Builder
	if rows := l.rows(wide); len(rows) > 0 {
		header := []string{"SOURCE", "PROFILE", "METRIC", "NAME", "STABLE " + l.Stable}
		if l.Canary != "" {
			header = append(header, "CANARY "+l.Canary)
		}
		w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		for _, row := range append([][]string{header}, rows...) {
			fmt.Fprintln(w, strings.Join(row, "\t"))
		}
		_ = w.Flush() // a Builder takes everything
		b.WriteString("\n")
	}
	for _, s := range l.Sources {
		if s.Reason != "" {
			fmt.Fprintf(&b, "%s: %s\n", s.Name, s.Reason)
		}
	}
	fmt.Fprintf(&b, "%s.\n", l.Why)
	return b.String()
}

// rows are those of what was found; wide, profiles without a series have one too.
func (l *listing) rows(wide bool) [][]string {
	var rows [][]string
	for _, s := range l.Sources {
		for _, p := range s.Profiles {
			for _, m := range p.Metrics {
				rows = append(rows, append([]string{s.Name, p.Name, m.Metric, m.title()}, m.cells()...))
			}
			if wide && len(p.Metrics) == 0 {
				rows = append(rows, []string{s.Name, p.Name, "-", "-", "no series", ""})
			}
		}
	}
	return rows
}

// title is the name, with a star if it is read.
func (m listedMetric) title() string {
	if m.Used {
		return m.Name + " *"
	}
	return m.Name
}

func (m listedMetric) cells() []string {
	cells := make([]string, len(m.Versions))
	for i, v := range m.Versions {
		cells[i] = v.String()
	}
	return cells
}

func (v listedVersion) String() string {
	if v.AgeSeconds == nil {
		return "no series"
	}
	text := fmt.Sprintf("%d series", v.Series)
	if v.Pods > 0 {
		text += fmt.Sprintf(" of %d %s", v.Pods, pluralOf(v.Pods, "Pod"))
	}
	return text + ", " + time.Duration(*v.AgeSeconds*float64(time.Second)).Round(time.Second).String() + " old"
}

func pluralOf(n int, noun string) string {
	if n == 1 {
		return noun
	}
	return noun + "s"
}
