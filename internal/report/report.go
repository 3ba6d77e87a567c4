// Package report shows a release to people, from its record: a page that stands
// alone, a picture, a text.
package report

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"time"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/event"
	"github.com/canaryctl/canaryctl/internal/record"
)

//go:embed page.html page.css chart.css
var files embed.FS

// page is what page.html shows.
type page struct {
	record.Release
	Headline, Class, Sentence string
	Facts                     []fact
	Style                     template.CSS
	Policy                    string
	Figure                    template.HTML
	Decision, Method          []string
	Metrics                   []metricRow
	Steps                     []stepRow
	Gaps                      []string
	EventRows                 []eventRow
	More                      int
	Readings                  []readingRow
}

type fact struct{ Name, Value string }

// HTML writes a page of the release. It needs nothing beside itself: no script, no
// request; light or dark as the reader has it.
func HTML(w io.Writer, r record.Release) error {
	style, err := styles("page.css", "chart.css")
	if err != nil {
		return err
	}
	t, err := template.ParseFS(files, "page.html")
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	h := newHistory(r)
	p := page{
		Release: r, Headline: Outcome(r), Class: class(r.Outcome), Sentence: Sentence(r), Facts: facts(r),
		Style: template.CSS(style), Policy: policy(style), //nolint:gosec // our own file
		Figure:   template.HTML(h.figure().svg("")), //nolint:gosec // what is from outside is escaped there
		Decision: Decision(r), Method: method(), Metrics: metricRows(r), Steps: stepRows(r), Gaps: gapTexts(r), Readings: readingRows(h),
	}
	p.EventRows, p.More = eventRows(r)
	if err := t.Execute(w, p); err != nil {
		return fmt.Errorf("report: release %s: %w", r.ID, err)
	}
	return nil
}

// SVG writes the picture alone.
func SVG(w io.Writer, r record.Release) error {
	style, err := styles("chart.css")
	if err != nil {
		return err
	}
	if _, err := io.WriteString(w, newHistory(r).figure().svg(style)); err != nil {
		return fmt.Errorf("report: release %s: %w", r.ID, err)
	}
	return nil
}

func styles(names ...string) (string, error) {
	var all []byte
	for _, name := range names {
		text, err := files.ReadFile(name)
		if err != nil {
			return "", fmt.Errorf("report: %w", err)
		}
		all = append(all, text...)
	}
	return string(all), nil
}

// policy allows the page its own style, and nothing else.
func policy(style string) string {
	sum := sha256.Sum256([]byte(style))
	return fmt.Sprintf("default-src 'none'; style-src 'sha256-%s'; base-uri 'none'; form-action 'none'", base64.StdEncoding.EncodeToString(sum[:]))
}

func class(outcome canary.Phase) string {
	switch outcome {
	case canary.Promoted:
		return "good"
	case canary.RolledBack:
		return "bad"
	}
	return "open"
}

func facts(r record.Release) []fact {
	all := []fact{
		{"Release", r.ID},
		{"Namespace", r.Namespace},
		{"Route", r.Route},
		{"Versions", r.From + " to " + r.To},
		{"Image", r.Image},
		{"Began", r.Began.UTC().Format("2006-01-02 15:04:05 MST")},
		{"By", r.By},
		{"Took", span(r.Last.Sub(r.Began))},
		{"Most traffic", fmt.Sprintf("%s%%", r.MaxWeight)},
	}
	if r.Paused > 0 {
		all = append(all, fact{"Paused", span(r.Paused.Std())})
	}
	all = append(all, fact{"Canary's requests failed", answered(event.Arm{Requests: r.Hurt.Requests, Bad: r.Hurt.Bad})},
		fact{"Beyond stable's", "about " + digits(r.Hurt.Harm)})
	if r.Known != nil {
		all = append(all, fact{"Counts from", r.Known.Source})
	}
	var said []fact
	for _, f := range all {
		if f.Value != "" {
			said = append(said, f)
		}
	}
	return said
}

func gapTexts(r record.Release) []string {
	var all []string
	for _, g := range r.Gaps {
		how := "an engine took its leave"
		if g.Died {
			how = "an engine ended without taking its leave"
		}
		if g.To.IsZero() {
			all = append(all, fmt.Sprintf("At %s %s, and no other has gone on.", at(r, g.From).Since, how))
			continue
		}
		all = append(all, fmt.Sprintf("At %s %s; %s later another went on.", at(r, g.From).Since, how, span(g.To.Sub(g.From))))
	}
	return all
}

// figure puts together what is known.
func (h history) figure() figure {
	f := figure{
		title: fmt.Sprintf("The release of %s of %s over time", h.To, h.App), desc: Sentence(h.Release) + " The tables have the same as numbers.",
		seconds: h.seconds, plots: []plot{h.weights()}, shades: h.shades(),
	}
	if h.Known != nil {
		for _, m := range h.Known.Metrics {
			f.plots = append(f.plots, h.ratio(m), h.evidence(m))
		}
		if p, ok := h.latency(); ok {
			f.plots = append(f.plots, p)
		}
		if len(h.Known.Metrics) > 0 {
			f.plots = append(f.plots, h.hurt(h.Known.Metrics[0]))
		}
	}
	rows, _ := eventRows(h.Release)
	for _, row := range rows {
		if t, err := time.Parse(time.RFC3339Nano, row.At.Exact); err == nil && row.Marked && !t.After(h.Last) {
			f.marks = append(f.marks, mark{class: row.Class, number: row.Number, at: h.since(t), text: row.At.Since + " " + row.Kind + ": " + row.Message})
		}
	}
	return f
}

// shades are the pauses, and the times without an engine above them.
func (h history) shades() []shade {
	var all []shade
	paused := -1.0
	for _, e := range h.Course() {
		switch now := h.since(e.Time); {
		case e.At.Phase == canary.Paused && paused < 0:
			paused = now
		case e.At.Phase != canary.Paused && paused >= 0:
			all, paused = append(all, shade{"paused", "paused", paused, now, 15}), -1
		}
	}
	if paused >= 0 {
		all = append(all, shade{"paused", "paused", paused, h.seconds, 15})
	}
	for _, g := range h.Gaps {
		to := h.seconds
		if !g.To.IsZero() {
			to = h.since(g.To)
		}
		all = append(all, shade{"gap", "no engine", h.since(g.From), to, 29})
	}
	return all
}
