package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"
	"unicode/utf8"

	"sigs.k8s.io/yaml"

	"github.com/canaryctl/canaryctl/internal/analysis"
)

// verdictView shows a watch: a terminal is redrawn in place, with the ratio over
// time; anything else gets a line, a line of JSON or a YAML document whenever
// something has changed.
type verdictView struct {
	*screen
	format  string
	history []analysis.Ratio
}

func newVerdictView(out io.Writer, format string) *verdictView {
	return &verdictView{screen: newScreen(out), format: format}
}

func (v *verdictView) show(verdict analysis.Verdict) error {
	switch v.format {
	case "json":
		line, err := json.Marshal(verdict)
		if err != nil {
			return err
		}
		return v.write(append(line, '\n'))
	case "yaml":
		text, err := yaml.Marshal(verdict)
		if err != nil {
			return err
		}
		return v.write(append([]byte("---\n"), text...))
	}
	if !v.live {
		v.screen.show(fmt.Sprintf("%s: %s", verdict.Verdict, verdict.Summary))
		return nil
	}
	v.history = append(v.history, verdict.Metrics[0].Ratio)
	v.history = v.history[max(0, len(v.history)-v.width()+chartMargin):]
	verdict.Summary = wrap(verdict.Summary, v.width())
	v.screen.show(verdictTable(verdict, v.format == "wide") + "\n" + ratioChart(v.history))
	return nil
}

// wrap breaks a sentence into lines, since a terminal that is redrawn cuts them.
func wrap(text string, width int) string {
	var b strings.Builder
	room := width
	for i, word := range strings.Fields(text) {
		switch need := utf8.RuneCountInString(word) + 1; {
		case i == 0:
			room -= need - 1
		case need > room:
			b.WriteByte('\n')
			room = width - need + 1
		default:
			b.WriteByte(' ')
			room -= need
		}
		b.WriteString(word)
	}
	return b.String()
}

// write passes over a document that is the same as the last.
func (v *verdictView) write(text []byte) error {
	if v.last == string(text) {
		return nil
	}
	v.last = string(text)
	_, err := io.Copy(v.out, bytes.NewReader(text))
	return err
}

// leave lets what was shown last stay on the terminal.
func (v *verdictView) leave() { v.last, v.lines = "", 0 }

// The chart's rows are powers of two, from eight times as often down to an eighth.
const (
	chartTop    = 3
	chartMargin = 8
)

// ratioChart draws a column for each look: the confidence sequence as a line, the
// estimate on it. What is beyond the edge ends at the edge.
func ratioChart(history []analysis.Ratio) string {
	var b strings.Builder
	b.WriteString("canary fails so many times as often as stable, over time\n")
	for row := chartTop; row >= -chartTop; row-- {
		label := fmt.Sprintf("%dx", 1<<max(row, 0))
		if row < 0 {
			label = fmt.Sprintf("1/%dx", 1<<-row)
		}
		fmt.Fprintf(&b, "%*s ", chartMargin-2, label)
		for _, r := range history {
			b.WriteString(chartCell(r, row))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func chartCell(r analysis.Ratio, row int) string {
	at := func(n analysis.Number) float64 {
		return max(-chartTop, min(chartTop, math.Round(math.Log2(float64(n)))))
	}
	estimate := float64(r.Estimate)
	switch here := float64(row); {
	case !math.IsNaN(estimate) && at(r.Estimate) == here:
		return "●"
	case at(r.Lower) <= here && here <= at(r.Upper):
		return "│"
	case row == 0:
		return "·"
	}
	return " "
}
