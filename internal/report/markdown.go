package report

import (
	"fmt"
	"io"
	"math"
	"strings"
	"unicode"

	"github.com/canaryctl/canaryctl/internal/record"
)

// What a text shows at most, so that it stays far below what GitHub takes.
const (
	mostTextRows  = 100
	mostTextRunes = 600 // of one text from outside
	chartPoints   = 48
)

// Markdown writes the release as GitHub and GitLab show it: tables, and a chart
// that they draw from a block of Mermaid. They show no picture that is in the
// text itself.
func Markdown(w io.Writer, r record.Release) error {
	var b strings.Builder
	fmt.Fprintf(&b, "## %s: %s of %s\n\n%s\n\n", Outcome(r), Escape(r.To), Escape(r.App), Escape(Sentence(r)))
	mermaid(&b, newHistory(r))
	b.WriteString("### Steps\n\n")
	row(&b, "Step", "Weight", "From (UTC)", "Lasted", "Failed by "+r.From, "Failed by "+r.To)
	b.WriteString("|---|--:|---|---|--:|--:|\n")
	for i, s := range stepRows(r) {
		if i == mostTextRows {
			b.WriteString("\nThe record has more.\n")
			break
		}
		row(&b, s.Name, s.Weight, s.From.Clock, s.Took, s.Stable, s.Canary)
	}
	b.WriteString("\n### Events\n\n")
	row(&b, "Time (UTC)", "Event", "What", "Who")
	b.WriteString("|---|---|---|---|\n")
	rows, more := eventRows(r)
	if over := len(rows) - mostTextRows; over > 0 { // the last tell how it ended
		rows, more = rows[over:], more+over
	}
	for _, e := range rows {
		row(&b, e.At.Clock, e.Kind, e.Message, e.By)
	}
	if more > 0 {
		fmt.Fprintf(&b, "\nThe record has %d more.\n", more)
	}
	b.WriteString("\n### What decided\n")
	for _, text := range Decision(r) {
		fmt.Fprintf(&b, "\n%s\n", Escape(text))
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("report: release %s: %w", r.ID, err)
	}
	return nil
}

func row(b *strings.Builder, cells ...string) {
	for _, cell := range cells {
		fmt.Fprintf(b, "| %s ", Escape(cell))
	}
	b.WriteString("|\n")
}

// mermaid draws the weight, and the evidence against the canary as a share of
// what suffices. Nothing from outside is in it but numbers.
func mermaid(b *strings.Builder, h history) {
	weights := h.weights().curves[0]
	lines := [][]float64{sampled(weights.segments, h.seconds)}
	words := "The canary's weight in percent"
	if h.Known != nil && len(h.Known.Metrics) > 0 && h.Known.Metrics[0].Threshold > 0 {
		m := h.Known.Metrics[0]
		against := h.evidence(m).curves[1]
		for _, s := range against.segments {
			for i := range s {
				s[i].y = min(100, max(0, 100*s[i].y/m.Threshold))
			}
		}
		lines = append(lines, sampled(against.segments, h.seconds))
		words += " (blue), and the evidence against it in percent of what rolls it back (orange)"
	}
	unit, every := "seconds", 1.0
	if h.seconds > 600 {
		unit, every = "minutes", 60
	}
	fmt.Fprintf(b, "%s:\n\n```mermaid\n", words)
	b.WriteString(`%%{init: {"xyChart": {"width": 900, "height": 300}, "themeVariables": {"xyChart": {"plotColorPalette": "#0072b2, #c04e00"}}}}%%` + "\n")
	fmt.Fprintf(b, "xychart-beta\n  x-axis \"%s\" 0 --> %.4g\n  y-axis \"percent\" 0 --> 100\n", unit, h.seconds/every)
	for _, values := range lines {
		texts := make([]string, len(values))
		for i, v := range values {
			texts[i] = fmt.Sprintf("%.4g", v)
		}
		fmt.Fprintf(b, "  line [%s]\n", strings.Join(texts, ", "))
	}
	b.WriteString("```\n\n")
}

// sampled is what a curve was last at, at evenly spaced times: a chart of Mermaid
// has no others.
func sampled(segments [][]point, seconds float64) []float64 {
	values := make([]float64, chartPoints)
	for i := range values {
		at := seconds * float64(i) / (chartPoints - 1)
		for _, s := range segments {
			for _, p := range s {
				if p.x <= at+1e-9 {
					values[i] = math.Round(10*p.y) / 10
				}
			}
		}
	}
	return values
}

// Escape makes text mean itself in Markdown, on one line: no markup, no links, no
// control characters.
func Escape(text string) string {
	if runes := []rune(text); len(runes) > mostTextRunes {
		text = string(runes[:mostTextRunes]) + "…"
	}
	var b strings.Builder
	for _, r := range strings.Join(strings.Fields(text), " ") {
		switch {
		case strings.ContainsRune("\\`*_{}[]<>#|~&!$", r):
			b.WriteByte('\\')
		case unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r):
			r = unicode.ReplacementChar
		}
		b.WriteRune(r)
	}
	return strings.NewReplacer("://", `\://`, "www.", `www\.`).Replace(b.String())
}

// FileName is a name for a file of the release: its ID, with nothing that a shell
// or a file system takes for something else.
func FileName(r record.Release, extension string) string {
	const most = 100
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune("._-", r):
			return r
		}
		return '-'
	}, r.ID)
	name = strings.TrimLeft(name[:min(len(name), most)], ".-")
	if name == "" {
		name = "release"
	}
	return name + "." + extension
}
