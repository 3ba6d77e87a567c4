package stats

import (
	"maps"
	"slices"
)

// Trial is one of many that are not independent: those of one row share something,
// such as an hour of traffic, and so do those with a column in common, such as a Pod.
type Trial struct {
	Row     string
	Columns []string
	Hit     bool
}

// Hits is how often trials hit, and what that says about trials to come.
type Hits struct {
	Trials, Hits int
	Rate         float64
	// Effective is how many independent trials say as much about the rate as
	// these do: never more than there are rows.
	Effective float64
	Bounds    Interval
}

// CountHits bounds the rate of trials that depend on each other. The limits are those
// of Clopper and Pearson for the effective number of trials and as many hits as the
// rate makes of it: Korn and Graubard, "Confidence intervals for proportions with
// small expected number of positive counts estimated from survey data", Survey
// Methodology 24 (1998) 193-201. The effective number is
//
//	min(rows, p(1−p)/V),    V = C/(C−1)·Σ_c (h_c − p·n_c)² / n²,
//
// with the larger V of the rows and the columns, each a cluster c of n_c trials and
// h_c hits. A trial of several columns counts in each, which rather overstates V.
// Without a hit V says nothing, so no more than the rows are counted.
//
// It panics unless 0 < confidence < 1.
func CountHits(trials []Trial, confidence float64) Hits {
	mustBeInside("confidence", confidence)
	h := Hits{Trials: len(trials), Bounds: Interval{Low: 0, High: 1}}
	if h.Trials == 0 {
		return h
	}
	for _, t := range trials {
		if t.Hit {
			h.Hits++
		}
	}
	h.Rate = float64(h.Hits) / float64(h.Trials)
	rows, byRow := clusters(trials, h.Rate, func(t Trial) []string { return []string{t.Row} })
	_, byColumn := clusters(trials, h.Rate, func(t Trial) []string { return t.Columns })
	h.Effective = float64(rows)
	if v := max(byRow, byColumn); v > 0 {
		h.Effective = max(1, min(h.Effective, h.Rate*(1-h.Rate)/v))
	}
	h.Bounds = clopperPearson(h.Rate*h.Effective, h.Effective, confidence)
	return h
}

// clusters is their number, and the variance of the rate that they show.
func clusters(trials []Trial, rate float64, of func(Trial) []string) (count int, variance float64) {
	excess := map[string]float64{}
	for _, t := range trials {
		off := -rate
		if t.Hit {
			off = 1 - rate
		}
		for _, name := range of(t) {
			excess[name] += off
		}
	}
	if len(excess) < 2 {
		return len(excess), 0
	}
	var squares float64
	for _, name := range slices.Sorted(maps.Keys(excess)) { // in one order, to the last bit
		squares += excess[name] * excess[name]
	}
	c, n := float64(len(excess)), float64(len(trials))
	return len(excess), c / (c - 1) * squares / (n * n)
}
