package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/event"
	"github.com/canaryctl/canaryctl/internal/record"
)

// How many points a curve has at most: about one a pixel, and fewer where they
// jump.
const (
	mostPoints = 600
	mostPeaks  = 120
)

// history is a release as curves over the seconds since it began.
type history struct {
	record.Release
	seconds float64
	// pieces are the readings between gaps: what is unknown is not drawn.
	pieces [][]reading
	many   int // readings in all
}

type reading struct {
	at float64
	event.Known
}

func newHistory(r record.Release) history {
	h := history{Release: r, seconds: max(0.001, r.Last.Sub(r.Began).Seconds())}
	var piece []reading
	gaps := r.Gaps
	for _, e := range r.Course() {
		for len(gaps) > 0 && e.Time.After(gaps[0].From) {
			h.pieces, piece, gaps = append(h.pieces, piece), nil, gaps[1:]
		}
		if e.Known != nil {
			piece, h.many = append(piece, reading{h.since(e.Time), *e.Known}), h.many+1
		}
	}
	h.pieces = append(h.pieces, piece)
	return h
}

func (h history) since(t time.Time) float64 { return t.Sub(h.Began).Seconds() }

// curve follows a value, which may be absent, through the readings.
func (h history) curve(class string, value func(event.Known) (float64, bool)) curve {
	c := curve{class: class}
	for _, piece := range h.pieces {
		var points []point
		for _, r := range piece {
			if v, ok := value(r.Known); ok {
				points = append(points, point{r.at, v})
			}
		}
		c.segments = append(c.segments, thin(points, mostPoints*len(piece)/max(1, h.many)))
	}
	return c
}

// thin leaves the least and the greatest of every few points, so that no spike is
// lost, and the first and the last.
func thin(points []point, most int) []point {
	if len(points) <= most || len(points) < 4 {
		return points
	}
	inner := points[1 : len(points)-1]
	pairs := max(1, (most-2)/2)
	some := points[:1:1]
	for few := range slices.Chunk(inner, max(2, (len(inner)+pairs-1)/pairs)) {
		byValue := func(a, b point) int { return cmp.Compare(a.y, b.y) }
		two := []point{slices.MinFunc(few, byValue), slices.MaxFunc(few, byValue)}
		slices.SortFunc(two, func(a, b point) int { return cmp.Compare(a.x, b.x) })
		some = append(some, slices.Compact(two)...)
	}
	return append(some, points[len(points)-1])
}

// peaks leaves the greatest of every few points: of what jumps with every reading
// the curves could not be told apart.
func (c curve) peaks(most int) curve {
	var all int
	for _, s := range c.segments {
		all += len(s)
	}
	few := (all + most - 1) / most
	if few < 2 {
		return c
	}
	for i, s := range c.segments {
		var some []point
		for chunk := range slices.Chunk(s, few) {
			some = append(some, slices.MaxFunc(chunk, func(a, b point) int { return cmp.Compare(a.y, b.y) }))
		}
		c.segments[i] = some
	}
	return c
}

// weights is the canary's share of the traffic.
func (h history) weights() plot {
	c := curve{class: "canary", steps: true}
	var points []point
	var last canary.Percent
	for i, e := range h.Course() {
		if i == 0 || e.At.Weight != last {
			points, last = append(points, point{h.since(e.Time), float64(e.At.Weight)}), e.At.Weight
		}
	}
	points = append(points, point{h.seconds, float64(last)})
	c.segments, c.label = [][]point{points}, fmt.Sprintf("%s %s%%", h.To, last)
	percent := func(v float64) string { return digits(v) + "%" }
	return plot{title: "Traffic to the canary", unit: "its weight in the route", axis: upTo(100, percent), curves: []curve{c}}
}

// metric is a value of one of the metrics.
func metric(name string, value func(event.Metric) (float64, bool)) func(event.Known) (float64, bool) {
	return func(k event.Known) (float64, bool) {
		i := slices.IndexFunc(k.Metrics, func(m event.Metric) bool { return m.Name == name })
		if i < 0 {
			return 0, false
		}
		return value(k.Metrics[i])
	}
}

// ratio is how many times as often the canary's requests were bad, with the band
// in which that lies with 95% confidence at every moment.
func (h history) ratio(m event.Metric) plot {
	c := h.curve("canary", metric(m.Name, func(m event.Metric) (float64, bool) {
		if m.Ratio == nil {
			return 0, false
		}
		return *m.Ratio, true
	}))
	band := h.band(m.Name)
	low, high := 1.0, 1.0
	for _, s := range c.segments {
		for _, p := range s {
			if p.x > h.seconds/2 {
				low, high = min(low, p.y), max(high, p.y)
			}
		}
	}
	if bounds := slices.Concat(band...); len(bounds) > 0 {
		last := bounds[len(bounds)-1]
		low, high = min(low, last.low), max(high, last.high)
	}
	if last, ok := c.last(); ok {
		low, high = min(low, last.y), max(high, last.y)
		c.label = digits(last.y) + "×"
	}
	return plot{
		title: "Ratio of " + m.Name, unit: "canary to stable, with its 95% band", axis: ratios(low, high),
		band: band, curves: []curve{c}, rules: []rule{{"even", "as stable", 1}},
	}
}

// band is the interval around the ratio. A bound that is not known is none.
func (h history) band(name string) [][]bound {
	var all [][]bound
	for _, piece := range h.pieces {
		var bounds []bound
		for _, r := range piece {
			i := slices.IndexFunc(r.Metrics, func(m event.Metric) bool { return m.Name == name })
			if i < 0 || r.Metrics[i].Lower == nil && r.Metrics[i].Upper == nil {
				continue
			}
			b := bound{r.at, 0, math.Inf(1)}
			if lower := r.Metrics[i].Lower; lower != nil {
				b.low = *lower
			}
			if upper := r.Metrics[i].Upper; upper != nil {
				b.high = *upper
			}
			bounds = append(bounds, b)
		}
		all = append(all, widest(bounds, mostPoints*len(piece)/max(1, h.many)))
	}
	return all
}

// widest joins every few bounds into one that holds them.
func widest(bounds []bound, most int) []bound {
	if len(bounds) <= most || len(bounds) < 4 {
		return bounds
	}
	var some []bound
	for few := range slices.Chunk(bounds, (len(bounds)+most-1)/max(1, most)) {
		b := few[0]
		for _, one := range few {
			b.low, b.high = min(b.low, one.low), max(b.high, one.high)
		}
		some = append(some, b)
	}
	return append(some, bounds[len(bounds)-1])
}

// evidence is what speaks against the canary, and for it.
func (h history) evidence(m event.Metric) plot {
	against := h.curve("canary", metric(m.Name, func(m event.Metric) (float64, bool) { return m.LogE, true }))
	pass := h.curve("good", metric(m.Name, func(m event.Metric) (float64, bool) { return m.LogPass, true }))
	against.label, pass.label = "against "+h.To, "for "+h.To
	p := plot{
		title: "Evidence by " + m.Name, unit: "odds; what lies beyond the axis is drawn at its end", axis: odds(max(m.Threshold, m.PassAt)),
		curves: []curve{pass, against}, rules: []rule{{"canary", "rolls back at " + oddsText(m.Threshold), m.Threshold}},
	}
	if m.PassAt > 0 {
		p.rules = append(p.rules, rule{"good", "passes at " + oddsText(m.PassAt), m.PassAt})
	}
	return p
}

// latency is what 95% of the answers stayed below.
func (h history) latency() (plot, bool) {
	pair := func(pick func(event.Pair) float64) func(event.Known) (float64, bool) {
		return func(k event.Known) (float64, bool) {
			if k.P95 == nil {
				return 0, false
			}
			return pick(*k.P95), true
		}
	}
	stable := h.curve("stable", pair(func(p event.Pair) float64 { return p.Stable })).peaks(mostPeaks)
	canary := h.curve("canary", pair(func(p event.Pair) float64 { return p.Canary })).peaks(mostPeaks)
	high := max(stable.most(), canary.most())
	s, ok1 := stable.last()
	c, ok2 := canary.last()
	if !ok1 && !ok2 {
		return plot{}, false
	}
	stable.label, canary.label = h.From+" "+seconds(s.y), h.To+" "+seconds(c.y)
	unit := "95% of the answers came within"
	if h.many > mostPeaks {
		unit += ", the slowest of every few readings"
	}
	return plot{title: "Latency", unit: unit, axis: upTo(high, seconds), curves: []curve{stable, canary}}, true
}

// hurt is what the canary has cost so far.
func (h history) hurt(m event.Metric) plot {
	bad := h.curve("canary", metric(m.Name, func(m event.Metric) (float64, bool) { return float64(m.Canary.Bad), true }))
	harm := h.curve("harm", func(k event.Known) (float64, bool) { return k.Harm, true })
	high := max(bad.most(), harm.most(), 4)
	if last, ok := bad.last(); ok {
		bad.label = digits(last.y) + " failed"
	}
	if last, ok := harm.last(); ok {
		harm.label = digits(last.y) + " beyond " + h.From
	}
	return plot{title: "Requests hurt", unit: "failed by the canary so far, and how many of them stable would not have failed", axis: upTo(high, digits), curves: []curve{bad, harm}}
}

func (c curve) most() float64 {
	high := 0.0
	for _, s := range c.segments {
		for _, p := range s {
			high = max(high, p.y)
		}
	}
	return high
}

// seconds is a latency.
func seconds(v float64) string {
	if v < 1 {
		return digits(v*1000) + " ms"
	}
	return digits(v) + " s"
}

// oddsText is evidence as odds: "100:1".
func oddsText(logE float64) string {
	const many = 1e6
	switch e := math.Exp(logE); {
	case e >= many:
		return "over 1,000,000:1"
	case e < 0.001:
		return "under 0.001:1"
	default:
		return digits(e) + ":1"
	}
}
