package main

import (
	"math"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func only(names ...string) []contender {
	return slices.DeleteFunc(contenders(), func(c contender) bool { return !slices.Contains(names, c.name) })
}

// Whatever traffic and weights do, at most one good release in a hundred is
// rolled back, while rules that are looked at again and again roll back most.
func TestGoodReleasesStay(t *testing.T) {
	for _, w := range identical() {
		if !w.independent {
			continue
		}
		t.Run(w.name, func(t *testing.T) {
			tallies := releases(t.Context(), w, 1000, only(engineName, "threshold, once", "threshold, 4 times", "z-test, every minute"))
			if share, limits := find(tallies, engineName).interval(); limits.High > 0.015 {
				t.Errorf("rolled back %.2f%%, upper confidence limit %.2f%%", 100*share, 100*limits.High)
			}
			for name, atLeast := range map[string]float64{"threshold, once": 0.9, "threshold, 4 times": 0.5, "z-test, every minute": 0.05} {
				if share, limits := find(tallies, name).interval(); limits.Low < atLeast {
					t.Errorf("%s: rolled back %.1f%%, lower confidence limit %.1f%%", name, 100*share, 100*limits.Low)
				}
			}
		})
	}
}

// Bursts break the theorem; the measured dispersion repairs what they do.
func TestDispersionRepairsBursts(t *testing.T) {
	bursty := identical()[slices.IndexFunc(identical(), func(w world) bool { return w.burst > 0 })]
	const without = "canaryctl, dispersion not measured"
	tallies := releases(t.Context(), bursty, 500, only(engineName, without))
	_, repaired := find(tallies, engineName).interval()
	_, broken := find(tallies, without).interval()
	if repaired.High > 0.015 || broken.Low < 0.03 {
		t.Errorf("with the dispersion %+v, without %+v", repaired, broken)
	}
}

func TestBadReleasesAreFoundSoonerThanByPatientRules(t *testing.T) {
	w := regressions()[1] // 0.5% -> 1.5%
	tallies := releases(t.Context(), w, 200, only(engineName, "threshold, 10 times", "Mann-Whitney, every 10 minutes"))
	engine := find(tallies, engineName)
	if k, n := engine.rolledBack(60); k < n {
		t.Errorf("found %d of %d", k, n)
	}
	if median := engine.quantile(0.5, minute); median > 7 {
		t.Errorf("found after %.1f minutes", median)
	}
	for _, other := range tallies {
		if other.judge != engineName && other.meanExcess() < 2*engine.meanExcess() {
			t.Errorf("%s hurt %.0f users, canaryctl %.0f", other.judge, other.meanExcess(), engine.meanExcess())
		}
	}
}

func TestRegressionsTakeTheRequestsOfTheDesign(t *testing.T) {
	for _, e := range design() {
		found := quantilesOf(detect(t.Context(), e.regression, ratioOnly(1), 500, 240))
		for i, want := range e.quantiles {
			if math.Abs(found[i]/want-1) > 0.15 {
				t.Errorf("%s at %v: %.0f requests, designed for %.0f", e.regression, e.weight, found[i], want)
			}
		}
	}
}

func TestSameSeedSameReleases(t *testing.T) {
	w := identical()[6]
	first, second := releases(t.Context(), w, 8, contenders()), releases(t.Context(), w, 8, contenders())
	if diff := cmp.Diff(first, second, cmp.AllowUnexported(tally{}, outcome{})); diff != "" {
		t.Error(diff)
	}
}

func TestDrawsAreBinomial(t *testing.T) {
	const draws, n, p = 20_000, 75, 0.02
	s := newSource(calm("draws", ""), 1, 1)
	var sum, squares float64
	for range draws {
		k := float64(s.binomial(n, p))
		sum += k
		squares += k * k
	}
	mean, variance := sum/draws, squares/draws-sum/draws*sum/draws
	if math.Abs(mean-n*p) > 0.04 || math.Abs(variance-n*p*(1-p)) > 0.08 {
		t.Errorf("mean %.3f and variance %.3f, want %.3f and %.3f", mean, variance, n*p, n*p*(1-p))
	}
	if got := s.binomial(n, 1); got != n {
		t.Errorf("%d of %d requests that always fail failed", got, n)
	}
}

func TestMannWhitney(t *testing.T) {
	rising := func(from, step float64, n int) []float64 {
		values := make([]float64, n)
		for i := range values {
			values[i] = from + step*float64(i)
		}
		return values
	}
	for name, test := range map[string]struct {
		baseline, canary []float64
		want             bool
	}{
		"apart":           {rising(1, 0.1, 10), rising(3, 0.1, 10), true},
		"the same":        {rising(1, 0.1, 10), rising(1, 0.1, 10), false},
		"better":          {rising(3, 0.1, 10), rising(1, 0.1, 10), false},
		"too few minutes": {rising(1, 0.1, 3), rising(3, 0.1, 3), false},
		"all tied":        {rising(0, 0, 10), rising(0, 0, 10), false},
		"nothing":         {nil, nil, false},
	} {
		if got := tooHigh(test.baseline, test.canary); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// The page has a place for every table, and its text survives.
func TestTablesHaveTheirPlaceOnThePage(t *testing.T) {
	page, err := os.ReadFile("../../docs/statistics.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"scenarios", "false-alarms", "detection", "speed", "onset", "endings", "endings-odd", "endings-bad"} {
		once, err := replace(string(page), part{name, "| new |\n"})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if twice, _ := replace(once, part{name, "| new |\n"}); twice != once {
			t.Errorf("%s: a second run changes the page", name)
		}
	}
	if _, err := replace("no marks", part{"speed", ""}); err == nil {
		t.Error("a page without marks was taken")
	}
}

// However requests end, a canary that is as good as stable stays; one that hangs is
// found within seconds of the weight's write.
func TestGoodReleasesStayHoweverTheirRequestsEnd(t *testing.T) {
	var together endings
	for _, e := range play(t.Context(), healthy(), 40) {
		together.all = append(together.all, e.all...)
	}
	if k, limits := together.rolledBack(); limits.Low > 0.01 {
		t.Errorf("%d of %d good releases were rolled back: %s", k, len(together.all), together.causes())
	}
}

func TestCanariesThatDoNotAnswerAreFound(t *testing.T) {
	for _, e := range play(t.Context(), sick(), 40) {
		k, _ := e.rolledBack()
		median := e.after(0.5)
		switch e.name {
		case "half hang, nothing else is known":
			continue // which nobody can see
		case "all requests hang":
			if median > 5 || e.causes() != "unanswered" {
				t.Errorf("%s: found after %.1f s by %s", e.name, median, e.causes())
			}
		}
		if k < len(e.all) {
			t.Errorf("%s: found %d of %d", e.name, k, len(e.all))
		}
	}
}
