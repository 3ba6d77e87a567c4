package main

import (
	"fmt"
	"math"
	"strings"

	"github.com/canaryctl/canaryctl/internal/stats"
)

// table is a Markdown table; every column but the first is aligned to the right.
type table struct{ strings.Builder }

func newTable(head ...string) *table {
	t := new(table)
	t.row(head...)
	t.WriteString("|---|" + strings.Repeat("---:|", len(head)-1) + "\n")
	return t
}

func (t *table) row(cells ...string) {
	t.WriteString("| " + strings.Join(cells, " | ") + " |\n")
}

// verdicts are the tallies of one world.
type verdicts struct {
	world
	tallies []tally
}

// falseAlarms has a row for each judge and a column for each world.
func falseAlarms(all []verdicts) string {
	head := []string{"good releases rolled back"}
	for _, v := range all {
		head = append(head, v.name)
	}
	t := newTable(head...)
	for i, first := range all[0].tallies {
		cells := []string{first.judge}
		for _, v := range all {
			share, limits := v.tallies[i].interval()
			cells = append(cells, fmt.Sprintf("%s (%s–%s)", percent(share), digits(100*limits.Low), percent(limits.High)))
		}
		t.row(cells...)
	}
	return t.String()
}

func stories(all []verdicts) string {
	var b strings.Builder
	for _, v := range all {
		kind := "requests are independent"
		if !v.independent {
			kind = "requests are **not** independent"
		}
		fmt.Fprintf(&b, "- **%s**: %s; %s.\n", v.name, v.story, kind)
	}
	return b.String()
}

// detection has a row for each judge and three columns for each world.
func detection(all []verdicts) string {
	head := []string{"bad releases"}
	for _, v := range all {
		head = append(head, v.name+": caught", "median minutes", "users' failures")
	}
	t := newTable(head...)
	for i, first := range all[0].tallies {
		cells := []string{first.judge}
		for _, v := range all {
			share, _ := v.tallies[i].interval()
			cells = append(cells, percent(share), minutesOf(v.tallies[i].quantile(0.5, minute)), fmt.Sprintf("%.0f", v.tallies[i].meanExcess()))
		}
		t.row(cells...)
	}
	return t.String()
}

// speed compares the requests that a detection takes with the design of the
// method and with what the planning formula says.
type speed struct {
	expected
	tallies []tally
}

func speedTable(all []speed) string {
	t := newTable("canary requests until rollback", "weight", "median", "80%", "95%")
	row := func(s speed, name string, quantiles [3]float64) {
		cells := []string{name, percent(s.weight)}
		for _, q := range quantiles {
			cells = append(cells, fmt.Sprintf("%.0f", q))
		}
		t.row(cells...)
	}
	for _, s := range all {
		row(s, fmt.Sprintf("**%s** as designed", s.regression), s.quantiles)
		for _, one := range s.tallies {
			row(s, one.judge, quantilesOf(one))
		}
		row(s, "what `canaryctl plan` expects of the default", planned(s.regression))
	}
	return t.String()
}

func quantilesOf(t tally) [3]float64 {
	return [3]float64{t.quantile(0.5, requests), t.quantile(0.8, requests), t.quantile(0.95, requests)}
}

func planned(r regression) (n [3]float64) {
	c := stats.Default()
	p := stats.Plan{StableRate: r.stable, CanaryRate: r.canary, Weight: r.weight, Tolerance: c.Tolerance, Alpha: c.RollbackAlpha * ofErrors, Onset: true,
		Scrape: calm("", "").rps(0) * r.weight * scrape, Cap: c.Cap}
	for i, power := range []float64{0.5, 0.8, 0.95} {
		n[i] = must(p.Requests(power))
	}
	return n
}

// onsetTable is the time to find a regression that begins late.
func onsetTable(late []regression, tallies [][]tally) string {
	t := newTable("median minutes from its beginning", "without onset", "with onset")
	for i, r := range late {
		t.row(fmt.Sprintf("%s from minute %.0f", r, r.from),
			minutesOf(tallies[i][0].quantile(0.5, minute)), minutesOf(tallies[i][1].quantile(0.5, minute)))
	}
	return t.String()
}

func minutesOf(v float64) string {
	if math.IsInf(v, +1) {
		return "not found"
	}
	return digits(v)
}

func percent(share float64) string { return digits(100*share) + "%" }

// digits is as precise as a reader wants it: near 0 and 100 more than between.
func digits(v float64) string {
	switch {
	case v == 0:
		return "0"
	case v < 1:
		return fmt.Sprintf("%.2f", v)
	case v < 10 || v > 98 && v < 99.95:
		return fmt.Sprintf("%.1f", v)
	case v > 98 && v < 99.995:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.0f", v)
}
