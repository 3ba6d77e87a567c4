package main

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/canaryctl/canaryctl/internal/stats"
)

// The pictures' geometry, in pixels.
const (
	pictureWidth, pictureHeight = 900, 400
	plotLeft, plotRight         = 64, 640
	plotTop, plotBottom         = 48, 348
)

// line is one curve of a plot, by minute.
type line struct {
	label, colour string
	values        []float64 // one a scrape
	dashed        bool
}

// plot is a picture of curves over an hour.
type plot struct {
	title, axis string
	lines       []line
	ticks       []tick
	low, high   float64
}

type tick struct {
	at    float64
	label string
}

func (r results) plots() map[string]string {
	shares := []tick{{0, "0"}, {0.25, "25%"}, {0.5, "50%"}, {0.75, "75%"}, {1, "100%"}}
	return map[string]string{
		"evidence": evidencePlot(r.paths).draw(),
		"false-alarms": plot{
			title: "Good releases rolled back, the longer they are watched", axis: "constant traffic, both versions fail 0.5%",
			lines: curves(r.good[0]), ticks: shares, high: 1,
		}.draw(),
		"detection": plot{
			title: "Bad releases rolled back", axis: "constant traffic, " + r.bad[1].name,
			lines: curves(r.bad[1]), ticks: shares, high: 1,
		}.draw(),
	}
}

// curves are the shares rolled back so far, of the judges worth a line.
func curves(v verdicts) []line {
	var lines []line
	for _, l := range []line{
		{label: engineName, colour: "#059669"},
		{label: "threshold, once", colour: "#dc2626"},
		{label: "threshold, 4 times", colour: "#f97316"},
		{label: "threshold, 5 times", colour: "#f59e0b"},
		{label: "threshold, 10 times", colour: "#a16207"},
		{label: "z-test, every minute", colour: "#7c3aed"},
		{label: "Mann-Whitney, every 10 minutes", colour: "#2563eb"},
	} {
		t := find(v.tallies, l.label)
		for i := range hour + 1 {
			k, n := t.rolledBack(float64(i) / perMinute)
			l.values = append(l.values, float64(k)/float64(n))
		}
		lines = append(lines, l)
	}
	return lines
}

// path is the evidence over one release, in factors of ten.
type path struct {
	regression
	log10 []float64
}

// paths are six releases of each kind, the first that were drawn.
func paths() []path {
	var all []path
	for _, r := range []regression{{normal, normal, 0.1, 0}, {normal, 0.015, 0.1, 0}} {
		for run := range 6 {
			s, e := newSource(r.world(), seedOf("paths"+r.String()), uint64(run)), usual().start()
			p := path{r, []float64{0}}
			for i := range hour {
				o := s.next(float64(i)/perMinute, scrape)
				check(e.Update(stats.Scrape{Strata: []stats.Counts{o.counts}}))
				p.log10 = append(p.log10, e.LogE()/math.Ln10)
				if e.LogE() >= stats.Threshold(usual().alpha) {
					break
				}
			}
			all = append(all, p)
		}
	}
	return all
}

// decided is the evidence that suffices, as a power of ten.
func decided() float64 { return stats.Threshold(usual().alpha) / math.Ln10 }

func evidencePlot(all []path) plot {
	p := plot{
		title: "Evidence that the canary is worse: six good releases, six bad ones",
		axis:  "constant traffic; rolled back at 200:1", low: -1, high: 2.5,
		ticks: []tick{{-1, "1:10"}, {0, "1:1"}, {1, "10:1"}, {decided(), "200:1"}},
		lines: []line{{label: "roll back", colour: "#111827", dashed: true, values: repeat(decided(), hour+1)}},
	}
	labels := map[bool]string{false: "both fail 0.5%", true: "canary fails 1.5%"}
	for _, one := range all {
		worse := one.canary > one.stable
		l := line{label: labels[worse], colour: "#059669", values: one.log10}
		if worse {
			l.colour = "#dc2626"
		}
		labels[worse] = "" // one label for all six
		p.lines = append(p.lines, l)
	}
	return p
}

func repeat(v float64, n int) []float64 {
	values := make([]float64, n)
	for i := range values {
		values[i] = v
	}
	return values
}

func (p plot) x(scrapes int) float64 { return plotLeft + (plotRight-plotLeft)*float64(scrapes)/hour }

func (p plot) y(v float64) float64 {
	v = min(p.high, max(p.low, v))
	return plotBottom - (plotBottom-plotTop)*(v-p.low)/(p.high-p.low)
}

func (p plot) draw() string {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="system-ui, sans-serif" font-size="12" role="img" aria-label="%s">
<rect width="100%%" height="100%%" rx="8" fill="#ffffff"/>
<text x="%d" y="26" font-size="15" font-weight="600" fill="#1f2937">%s</text>
`, pictureWidth, pictureHeight, p.title, plotLeft, p.title)
	for _, t := range p.ticks {
		fmt.Fprintf(&b, `<line x1="%d" x2="%d" y1="%.1f" y2="%.1[3]f" stroke="#e5e7eb"/><text x="%d" y="%.1f" text-anchor="end" fill="#6b7280">%s</text>`+"\n",
			plotLeft, plotRight, p.y(t.at), plotLeft-8, p.y(t.at)+4, t.label)
	}
	for m := 0; m <= 60; m += 10 {
		fmt.Fprintf(&b, `<text x="%.1f" y="%d" text-anchor="middle" fill="#6b7280">%d min</text>`+"\n", p.x(m*perMinute), plotBottom+20, m)
	}
	fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="middle" fill="#6b7280">%s</text>`+"\n", (plotLeft+plotRight)/2, plotBottom+40, strings.ReplaceAll(p.axis, ">", "&gt;"))
	legend := plotTop + 8
	for _, l := range slices.Backward(p.lines) { // the first line on top
		p.drawLine(&b, l)
	}
	for _, l := range p.lines {
		if l.label != "" {
			fmt.Fprintf(&b, `<rect x="%d" y="%d" width="14" height="4" rx="2" fill="%s"/><text x="%d" y="%d" fill="#374151">%s</text>`+"\n",
				plotRight+18, legend-6, l.colour, plotRight+38, legend, l.label)
			legend += 22
		}
	}
	b.WriteString("</svg>\n")
	return b.String()
}

func (p plot) drawLine(b *strings.Builder, l line) {
	points := make([]string, len(l.values))
	for i, v := range l.values {
		points[i] = fmt.Sprintf("%.1f,%.1f", p.x(i), p.y(v))
	}
	dash := ""
	if l.dashed {
		dash = ` stroke-dasharray="5 4"`
	}
	fmt.Fprintf(b, `<polyline fill="none" stroke="%s" stroke-width="2" stroke-linejoin="round"%s points="%s"/>`+"\n", l.colour, dash, strings.Join(points, " "))
}
