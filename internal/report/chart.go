package report

import (
	"encoding/xml"
	"fmt"
	"math"
	"slices"
	"strings"
)

// The figure's geometry, in pixels. What stands right of a plot names its lines.
const (
	figureWidth         = 960
	plotLeft, plotRight = 60, 800
	plotHeight          = 104
	titleHeight         = 46 // above each plot
	labelGap            = 14 // between two labels, one above the other
	badge               = 18 // width of a mark's number
	badgeRows           = 3
)

// figure is a picture of plots, one below the other, that share an axis of time.
// Classes are those of chart.css: colours are chosen there, for light and dark.
type figure struct {
	title, desc string
	seconds     float64 // how long the axis is
	plots       []plot
	shades      []shade
	marks       []mark
}

// plot is a set of curves over one axis of values.
type plot struct {
	title, unit string
	axis        axis
	band        [][]bound // an interval around the first curve, in segments as it is
	curves      []curve
	rules       []rule
}

// curve is drawn in segments: where nothing is known there is no line.
type curve struct {
	class, label string
	segments     [][]point
	steps        bool // from one value to the next at once, with the area below filled
}

type point struct{ x, y float64 } // seconds, value

type bound struct{ x, low, high float64 }

// rule is a value that means something.
type rule struct {
	class, label string
	at           float64
}

// shade is a time in which something lasted.
type shade struct {
	class, label string
	from, to     float64
	below        float64 // where its label is, so that those of two kinds do not meet
}

// mark is a moment, with its number in the table of events.
type mark struct {
	class, text string
	number      int
	at          float64
}

// svg draws the figure. The style, where there is one, goes into the picture.
func (f figure) svg(style string) string {
	d := &drawing{figure: f, rows: f.badges()}
	d.top = 8 + badge*(1+slices.Max(append(slices.Clone(d.rows), -1)))
	height := d.top + len(f.plots)*(titleHeight+plotHeight) + 34
	d.put(`<svg xmlns="http://www.w3.org/2000/svg" class="chart" viewBox="0 0 %d %d" role="img" aria-labelledby="chart-title chart-desc">`, figureWidth, height)
	d.put(`<title id="chart-title">%s</title><desc id="chart-desc">%s</desc>`, escape(f.title), escape(f.desc))
	if style != "" {
		d.put(`<style>%s</style><rect class="ground" width="100%%" height="100%%"/>`, style)
	}
	d.put(`<defs><pattern id="hatch" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><path class="hatch" d="M0 0V7"/></pattern></defs>`)
	d.moments(float64(height - 34))
	for i, p := range f.plots {
		d.plot(p, float64(d.top+titleHeight+i*(titleHeight+plotHeight)), i == 0)
	}
	d.times(float64(height - 34))
	d.numbers()
	d.put(`</svg>`)
	return d.String()
}

// drawing is a figure on its way to text.
type drawing struct {
	strings.Builder
	figure
	rows []int // in which row the number of each mark stands; -1 for no room
	top  int
}

// put writes a line. Text from outside is escaped by who gives it.
func (d *drawing) put(format string, args ...any) {
	fmt.Fprintf(d, format, args...)
	d.WriteByte('\n')
}

func (d *drawing) x(seconds float64) float64 {
	return plotLeft + (plotRight-plotLeft)*min(1, max(0, seconds/d.seconds))
}

// plot draws one below top. The first names the shades.
func (d *drawing) plot(p plot, top float64, named bool) {
	y := func(v float64) float64 { return top + plotHeight*(1-p.axis.share(v)) }
	d.put(`<g><text class="title" x="%d" y="%.0f">%s<tspan class="quiet" dx="8">%s</tspan></text>`, plotLeft, top-11, escape(p.title), escape(p.unit))
	for _, s := range d.shades {
		d.shade(s, top, named)
	}
	for _, t := range p.axis.ticks {
		d.put(`<path class="grid" d="M%d %.1fH%d"/><text class="tick" x="%d" y="%.1f">%s</text>`, plotLeft, y(t.at), plotRight, plotLeft-8, y(t.at)+4, escape(t.label))
	}
	labels := make([]label, 0, len(p.curves)+len(p.rules))
	for _, r := range p.rules {
		d.put(`<path class="rule %s" d="M%d %.1fH%d"/>`, r.class, plotLeft, y(r.at), plotRight)
		labels = append(labels, label{"rule " + r.class, r.label, y(r.at)})
	}
	d.band(p, y)
	for _, c := range p.curves {
		d.curve(c, y)
		if last, ok := c.last(); ok {
			labels = append(labels, label{c.class, c.label, y(last.y)})
		}
	}
	for _, l := range spread(labels, top, top+plotHeight) {
		d.put(`<text class="label %s" x="%d" y="%.1f">%s</text>`, l.class, plotRight+10, l.y+4, escape(shortened(l.text)))
	}
	d.put(`</g>`)
}

func (d *drawing) shade(s shade, top float64, named bool) {
	from, to := d.x(s.from), d.x(s.to)
	d.put(`<rect class="shade %s" x="%.1f" y="%.1f" width="%.1f" height="%d"><title>%s</title></rect>`, s.class, from, top, max(1, to-from), plotHeight, escape(s.label))
	if room := 7 * float64(len(s.label)); named && to-from > room {
		d.put(`<text class="within" x="%.1f" y="%.1f">%s</text>`, (from+to)/2, top+s.below, escape(s.label))
	}
}

func (d *drawing) band(p plot, y func(float64) float64) {
	for _, bounds := range p.band {
		if len(bounds) < 2 {
			continue
		}
		var over, under []string
		for _, b := range bounds {
			over = append(over, fmt.Sprintf("%.1f,%.1f", d.x(b.x), y(b.high)))
			under = append(under, fmt.Sprintf("%.1f,%.1f", d.x(b.x), y(b.low)))
		}
		slices.Reverse(under)
		d.put(`<polygon class="band %s" points="%s"/>`, p.curves[0].class, strings.Join(append(over, under...), " "))
	}
}

func (d *drawing) curve(c curve, y func(float64) float64) {
	for _, points := range c.segments {
		if len(points) == 0 {
			continue
		}
		var b strings.Builder
		fmt.Fprintf(&b, "M%.1f %.1f", d.x(points[0].x), y(points[0].y))
		for _, p := range points[1:] {
			if c.steps {
				fmt.Fprintf(&b, "H%.1fV%.1f", d.x(p.x), y(p.y))
			} else {
				fmt.Fprintf(&b, "L%.1f %.1f", d.x(p.x), y(p.y))
			}
		}
		if c.steps {
			d.put(`<path class="area %s" d="%sV%.1fH%.1fZ"/>`, c.class, b.String(), y(0), d.x(points[0].x))
		}
		if len(points) == 1 {
			b.WriteString("h1") // a line of no length would not be seen
		}
		d.put(`<path class="line %s" d="%s"/>`, c.class, b.String())
	}
}

func (c curve) last() (point, bool) {
	for _, s := range slices.Backward(c.segments) {
		if len(s) > 0 {
			return s[len(s)-1], true
		}
	}
	return point{}, false
}

// times draws the axis below the plots, and its lines through them.
func (d *drawing) times(bottom float64) {
	for _, t := range timeTicks(d.seconds) {
		d.put(`<path class="grid" d="M%.1f %.1fV%.1f"/><text class="time" x="%.1f" y="%.1f">%s</text>`,
			d.x(t.at), bottom, bottom+5, d.x(t.at), bottom+20, escape(t.label))
	}
}

// moments draws the marks through all plots, behind them.
func (d *drawing) moments(bottom float64) {
	for i, m := range d.marks {
		d.put(`<path class="mark %s" d="M%.1f %dV%.1f"/>`, m.class, d.x(m.at), 4+badge*max(0, d.rows[i])+badge, bottom)
	}
}

// numbers draws what the marks are called.
func (d *drawing) numbers() {
	for i, m := range d.marks {
		if row := d.rows[i]; row >= 0 {
			x, y := d.x(m.at), float64(4+badge*row+badge/2)
			d.put(`<g class="mark %s"><title>%s</title><circle cx="%.1f" cy="%.1f" r="8"/><text x="%.1f" y="%.1f">%d</text></g>`, m.class, escape(m.text), x, y, x, y+3.5, m.number)
		}
	}
}

// badges finds a row for the number of each mark, in which it hits no other; -1
// where there is none. Marks are in the order of time. The last, the end, always
// has room.
func (f figure) badges() []int {
	if len(f.marks) == 0 {
		return nil
	}
	d := &drawing{figure: f}
	end := len(f.marks) - 1
	last := d.x(f.marks[end].at)
	taken := slices.Repeat([]float64{-badge}, badgeRows)
	rows := slices.Repeat([]int{-1}, len(f.marks))
	rows[end] = 0
	for i, m := range f.marks[:end] {
		x := d.x(m.at)
		for row := range badgeRows {
			if x-taken[row] >= badge && (row > 0 || last-x >= badge) {
				rows[i], taken[row] = row, x
				break
			}
		}
	}
	return rows
}

// label is text beside a plot.
type label struct {
	class, text string
	y           float64
}

// spread moves labels apart, between top and bottom.
func spread(labels []label, top, bottom float64) []label {
	slices.SortStableFunc(labels, func(a, b label) int { return int(math.Round(a.y - b.y)) })
	next := top
	for i := range labels {
		labels[i].y = max(labels[i].y, next)
		next = labels[i].y + labelGap
	}
	next = bottom
	for i := range slices.Backward(labels) {
		labels[i].y = min(labels[i].y, next)
		next = labels[i].y - labelGap
	}
	return labels
}

// shortened fits beside a plot.
func shortened(text string) string {
	const most = 21
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return text
}

// escape makes text safe within an element or a quoted attribute; what XML cannot
// hold becomes U+FFFD.
func escape(text string) string {
	var b strings.Builder
	if err := xml.EscapeText(&b, []byte(text)); err != nil {
		return ""
	}
	return b.String()
}
