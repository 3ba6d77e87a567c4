package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/canaryctl/canaryctl/internal/probe"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

// probeView shows a running probe: a terminal gets a table that is redrawn in
// place, anything else a line now and then.
type probeView struct {
	*screen
	phases int // that were announced
}

func newProbeView(out io.Writer) *probeView { return &probeView{newScreen(out), 1} }

func (v *probeView) every() time.Duration {
	if v.live {
		return redrawEvery
	}
	return lineEvery
}

// begin says what is about to be sent, and what it is held against.
func (v *probeView) begin(c probe.Config, route traffic.Route) {
	fmt.Fprintf(v.out, "asking %s", c.URL)
	if c.Host != "" {
		fmt.Fprintf(v.out, " (Host: %s)", c.Host)
	}
	if c.GRPC {
		fmt.Fprintf(v.out, " by gRPC over %d %s", c.Connections, pluralOf(c.Connections, "connection"))
	}
	fmt.Fprintf(v.out, ", %g requests/s", c.Rate)
	switch {
	case c.Count > 0:
		fmt.Fprintf(v.out, ", %d in all", c.Count)
	case c.Duration == 0:
		fmt.Fprint(v.out, ", until Ctrl-C")
	}
	if c.Duration > 0 {
		fmt.Fprintf(v.out, ", for %s", c.Duration)
	}
	if route.Name != "" {
		fmt.Fprintf(v.out, "; weights of %s", route)
	}
	fmt.Fprintln(v.out)
}

func (v *probeView) progress(r probe.Result) {
	v.announce(r)
	if v.live {
		v.show(probeTable(r, true))
		return
	}
	fmt.Fprintln(v.out, progressLine(r))
}

// end leaves the screen to the final table.
func (v *probeView) end(r probe.Result) {
	v.announce(r)
	v.clear()
}

// announce tells of weights that changed, with what was counted until then.
func (v *probeView) announce(r probe.Result) {
	for ; v.phases < len(r.Phases); v.phases++ {
		v.clear()
		before, after := r.Phases[v.phases-1], r.Phases[v.phases]
		fmt.Fprintf(v.out, "%s\nweights are now %s; counting starts anew\n", phaseLine(before), weightsText(after))
	}
}

func progressLine(r probe.Result) string {
	line := fmt.Sprintf("%4.0fs  %d sent  %s", time.Duration(r.Elapsed).Seconds(), r.Sent, phaseLine(r.Current()))
	if r.Skipped > 0 {
		line += fmt.Sprintf("  %d skipped", r.Skipped)
	}
	return line
}

// phaseLine is a phase on one line: "v1 89.0% of 90% (81.2-94.4)  v2 ...".
func phaseLine(p probe.Phase) string {
	var parts []string
	for _, v := range p.Versions {
		of := ""
		if v.Weight != nil {
			of = fmt.Sprintf(" of %g%%", *v.Weight)
		}
		part := fmt.Sprintf("%s %.1f%%%s (%.1f-%.1f)", v.Name, 100*v.Share, of, 100*v.Interval.Low, 100*v.Interval.High)
		if v.Errors > 0 {
			part += fmt.Sprintf(" %d errors", v.Errors)
		}
		if v.GivenUp > 0 {
			part += fmt.Sprintf(" %d given up", v.GivenUp)
		}
		parts = append(parts, part)
	}
	if p.Unknown != nil {
		parts = append(parts, fmt.Sprintf("no version named: %s", codes(p.Unknown.Codes)))
	}
	if p.Failed() > 0 {
		parts = append(parts, counted(p.Failures))
	}
	return strings.Join(parts, "  ")
}

func weightsText(p probe.Phase) string {
	var parts []string
	for _, v := range p.Versions {
		if v.Weight != nil {
			parts = append(parts, fmt.Sprintf("%s %g%%", v.Name, *v.Weight))
		}
	}
	return strings.Join(parts, ", ")
}

// probeTable shows the current phase; with bars, for a terminal, which stand
// where a narrow one does not cut them off.
func probeTable(r probe.Result, bars bool) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	row := func(picture string, cells ...string) {
		if bars {
			cells = slices.Insert(cells, 4, picture)
		}
		fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
	row("", "VERSION", "WEIGHT", "SHARE", "95% INTERVAL", "REQUESTS", "CODES", "P50", "P95", "P99")
	p := r.Current()
	for _, v := range p.Versions {
		weight := "-"
		if v.Weight != nil {
			weight = fmt.Sprintf("%g%%", *v.Weight)
		}
		interval := fmt.Sprintf("%.1f%% to %.1f%%", 100*v.Interval.Low, 100*v.Interval.High)
		row(bar(v), append([]string{v.Name, weight, fmt.Sprintf("%.1f%%", 100*v.Share), interval}, answersCells(v.Answers)...)...)
	}
	if p.Unknown != nil {
		row("", append([]string{"(none)", "-", "-", "-"}, answersCells(*p.Unknown)...)...)
	}
	_ = w.Flush() // to a strings.Builder, which does not fail
	b.WriteString(footer(r))
	return b.String()
}

// footer says what the table does not: how much was sent, and what got lost.
func footer(r probe.Result) string {
	p := r.Current()
	text := fmt.Sprintf("%d requests sent in %s", r.Sent, time.Duration(r.Elapsed).Round(100*time.Millisecond))
	if p.Failed() > 0 {
		text += "; without an answer: " + counted(p.Failures)
	}
	if r.Skipped > 0 {
		text += fmt.Sprintf("; %d skipped: answers were too slow for --concurrency", r.Skipped)
	}
	if len(r.Phases) > 1 {
		text += fmt.Sprintf("; the table counts from the last change of weights, %s ago", time.Duration(p.Elapsed).Round(time.Second))
	}
	return text + "\n"
}

// answersCells are the columns from REQUESTS on.
func answersCells(a probe.Answers) []string {
	if a.Requests == 0 {
		return []string{"0", "-", "-", "-", "-"}
	}
	cells := []string{strconv.Itoa(a.Requests), codes(a.Codes), "-", "-", "-"}
	if a.Latency != (probe.LatencySummary{}) {
		cells = append(cells[:2], brief(a.Latency.P50), brief(a.Latency.P95), brief(a.Latency.P99))
	}
	return cells
}

// bar draws a share, with a mark where the configured weight is.
func bar(v probe.Version) string {
	const cells = 20
	filled := int(v.Share*cells + .5)
	line := []rune(strings.Repeat("█", filled) + strings.Repeat("·", cells-filled))
	if v.Weight != nil {
		line[min(int(*v.Weight*cells/100), cells-1)] = '┃'
	}
	return string(line)
}

// codes lists statuses with how often each came: "200:97, 200 broken off:3".
func codes(byCode map[string]int) string { return pairs(byCode, "%s:%d") }

// counted lists kinds with how often each came.
func counted(byKind map[string]int) string { return pairs(byKind, "%s (%d)") }

func pairs(counts map[string]int, format string) string {
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf(format, key, counts[key]))
	}
	return strings.Join(parts, ", ")
}

// brief is a latency with three digits, which is what is known of it.
func brief(s probe.Seconds) string {
	d := time.Duration(s)
	unit := time.Microsecond
	for unit*1000 <= d {
		unit *= 10
	}
	return d.Round(unit).String()
}

// printProbe writes the result as data.
func printProbe(w io.Writer, format string, r probe.Result, check *probe.Agreement) error {
	data := struct {
		probe.Result
		Check *probe.Agreement `json:"check,omitempty"`
	}{r, check}
	switch format {
	case "json":
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		return encoder.Encode(data)
	case "yaml":
		text, err := yaml.Marshal(data)
		if err != nil {
			return err
		}
		_, err = w.Write(text)
		return err
	}
	_, err := io.WriteString(w, probeTable(r, false))
	return err
}
