package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// size is how many releases are simulated of each kind.
type size struct{ good, bad, speed, late, ends int }

func full() size { return size{good: 10_000, bad: 2000, speed: 4000, late: 1000, ends: 2000} }

func (s size) tenth() size {
	return size{s.good / 10, s.bad / 10, s.speed / 10, s.late / 10, s.ends / 10}
}

// results are all that the page is made of.
type results struct {
	size      size
	good, bad []verdicts
	speed     []speed
	late      []regression
	lateFound [][]tally
	paths     []path

	healthy, odd, sick []endings
}

func simulate(ctx context.Context, n size) results {
	r := results{size: n}
	for _, w := range identical() {
		fmt.Fprintf(os.Stderr, "good releases: %s\n", w.name)
		r.good = append(r.good, verdicts{w, releases(ctx, w, n.good, contenders())})
	}
	for _, w := range regressions() {
		fmt.Fprintf(os.Stderr, "bad releases: %s\n", w.name)
		r.bad = append(r.bad, verdicts{w, releases(ctx, w, n.bad, contenders())})
	}
	for _, e := range design() {
		fmt.Fprintf(os.Stderr, "speed: %s\n", e.regression)
		s := speed{expected: e}
		for _, m := range []method{ratioOnly(1), ratioOnly(scrape), usual()} {
			s.tallies = append(s.tallies, detect(ctx, e.regression, m, n.speed, 240))
		}
		r.speed = append(r.speed, s)
	}
	for _, from := range []float64{0, 30, 60} {
		late := regression{0.005, 0.01, 0.1, from}
		fmt.Fprintf(os.Stderr, "late: %s from minute %.0f\n", late, from)
		r.late = append(r.late, late)
		r.lateFound = append(r.lateFound, []tally{
			detect(ctx, late, ratioOnly(scrape), n.late, 240),
			detect(ctx, late, ratioOnset(), n.late, 240),
		})
	}
	fmt.Fprintln(os.Stderr, "how requests end")
	r.healthy, r.odd, r.sick = play(ctx, healthy(), n.ends), play(ctx, beyondIt(), n.ends), play(ctx, sick(), n.ends)
	r.paths = paths()
	return r
}

// part is a piece of the page between two marks.
type part struct{ name, markdown string }

func (r results) parts() []part {
	return []part{
		{"scenarios", stories(r.good)},
		{"false-alarms", falseAlarms(r.good) + fmt.Sprintf("\n%d releases of each kind, each watched for an hour; in brackets the 95%% confidence limits (Clopper-Pearson).\n", r.size.good)},
		{"detection", detection(r.bad) + fmt.Sprintf("\n%d releases of each kind.\n", r.size.bad)},
		{"speed", speedTable(r.speed) + fmt.Sprintf("\n%d releases for each row.\n", r.size.speed)},
		{"endings", goodEndings(r.healthy) + fmt.Sprintf("\n%d releases of each kind; in brackets the 95%% confidence limits (Clopper-Pearson).\n", r.size.ends)},
		{"endings-odd", oddEndings(r.odd)},
		{"endings-bad", badEndings(r.sick) + fmt.Sprintf("\n%d releases of each kind.\n", r.size.ends)},
		{"onset", onsetTable(r.late, r.lateFound) + fmt.Sprintf("\n%d releases for each figure.\n", r.size.late)},
	}
}

// publish replaces the marked parts of the page and draws the plots.
func publish(page string, r results) error {
	old, err := os.ReadFile(page)
	if err != nil {
		return fmt.Errorf("write the tables: %w", err)
	}
	text := string(old)
	for _, p := range r.parts() {
		if text, err = replace(text, p); err != nil {
			return fmt.Errorf("write the tables into %s: %w", page, err)
		}
	}
	folder := strings.TrimSuffix(page, ".md")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("write the plots: %w", err)
	}
	for name, picture := range r.plots() {
		if err := os.WriteFile(filepath.Join(folder, name+".svg"), []byte(picture), 0o644); err != nil {
			return fmt.Errorf("write the plots: %w", err)
		}
	}
	if err := os.WriteFile(page, []byte(text), 0o644); err != nil {
		return fmt.Errorf("write the tables: %w", err)
	}
	return nil
}

func replace(text string, p part) (string, error) {
	begin, end := "<!-- simulated: "+p.name+" -->\n", "<!-- end -->"
	before, rest, found := strings.Cut(text, begin)
	_, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		return "", fmt.Errorf("no %q followed by %q", strings.TrimSpace(begin), end)
	}
	return before + begin + "\n" + p.markdown + "\n" + end + after, nil
}
