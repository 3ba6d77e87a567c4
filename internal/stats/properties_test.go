package stats

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

var approx = cmpopts.EquateApprox(1e-9, 1e-9)

func drawCounts(t *rapid.T, stratum string) Counts {
	arm := func(name string) (total, bad uint64) {
		total = rapid.Uint64Range(0, 5000).Draw(t, name)
		return total, rapid.Uint64Range(0, min(total, 60)).Draw(t, "bad of "+name)
	}
	c := Counts{Stratum: stratum}
	c.StableTotal, c.StableBad = arm("stable")
	c.CanaryTotal, c.CanaryBad = arm("canary")
	return c
}

func drawScrapes(t *rapid.T) []Scrape {
	scrapes := make([]Scrape, rapid.IntRange(1, 8).Draw(t, "scrapes"))
	for i := range scrapes {
		s := Scrape{At: time.UnixMilli(int64(1000 * (i + 1))).UTC()}
		if rapid.Bool().Draw(t, "dispersed") {
			s.Dispersion = rapid.Float64Range(1, 20).Draw(t, "dispersion")
		}
		for j := range rapid.IntRange(1, 3).Draw(t, "strata") {
			s.Strata = append(s.Strata, drawCounts(t, fmt.Sprintf("/%d", j)))
		}
		scrapes[i] = s
	}
	return scrapes
}

func drawConfig(t *rapid.T) Config {
	c := Default()
	c.Tolerance = rapid.Float64Range(0, 3).Draw(t, "tolerance")
	c.Margin = rapid.Float64Range(1.01, 5).Draw(t, "margin")
	c.Negligible = rapid.Float64Range(1e-6, 0.2).Draw(t, "negligible")
	c.OnsetIntervals = rapid.IntRange(1, 10).Draw(t, "onset")
	if rapid.Bool().Draw(t, "uncapped") {
		c.Cap = 0
	}
	return c
}

// processes are one of each kind.
func processes(c Config) map[string]process {
	return map[string]process{
		"rollback":        must(NewRollback(c)),
		"onset":           must(NewOnset(c)),
		"non-inferiority": must(NewNonInferiority(c)),
		"violated":        must(NewViolated(c.Negligible, c)),
		"negligible":      must(NewNegligible(c)),
	}
}

func evidence(c Config, scrapes []Scrape) map[string]float64 {
	logE := map[string]float64{}
	for name, p := range processes(c) {
		logE[name] = feed(p, scrapes).LogE()
	}
	return logE
}

func TestOneMoreCanaryErrorIsMoreEvidence(t *testing.T) {
	sign := map[string]float64{"rollback": +1, "onset": +1, "violated": +1, "non-inferiority": -1, "negligible": -1}
	rapid.Check(t, func(t *rapid.T) {
		c, scrapes := drawConfig(t), drawScrapes(t)
		before := evidence(c, scrapes)
		worse := &scrapes[rapid.IntRange(0, len(scrapes)-1).Draw(t, "worse")].Strata[0]
		if worse.CanaryBad == worse.CanaryTotal {
			return
		}
		worse.CanaryBad++
		for name, after := range evidence(c, scrapes) {
			if change := sign[name] * (after - before[name]); change < -1e-9 {
				t.Errorf("%s: log E went from %v to %v", name, before[name], after)
			}
		}
	})
}

func TestOneMoreStableErrorIsLessEvidence(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, scrapes := drawConfig(t), drawScrapes(t)
		before := evidence(c, scrapes)
		better := &scrapes[0].Strata[0]
		if better.StableBad == better.StableTotal {
			return
		}
		better.StableBad++
		after := evidence(c, scrapes)
		for name, sign := range map[string]float64{"rollback": -1, "onset": -1, "non-inferiority": +1, "violated": 0, "negligible": 0} {
			change := after[name] - before[name]
			if sign*change < -1e-9 || sign == 0 && change != 0 {
				t.Errorf("%s: log E went from %v to %v", name, before[name], after[name])
			}
		}
	})
}

func TestMoreToleranceIsLessEvidence(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, scrapes := drawConfig(t), drawScrapes(t)
		strict := evidence(c, scrapes)
		c.Tolerance += rapid.Float64Range(0, 2).Draw(t, "more")
		lax := evidence(c, scrapes)
		for _, name := range []string{"rollback", "onset"} {
			if lax[name] > strict[name]+1e-9 {
				t.Errorf("%s: log E %v with more tolerance, %v with less", name, lax[name], strict[name])
			}
		}
	})
}

func TestOrderOfStrataDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, scrapes := drawConfig(t), drawScrapes(t)
		want := evidence(c, scrapes)
		for i := range scrapes {
			slices.Reverse(scrapes[i].Strata)
		}
		if diff := cmp.Diff(want, evidence(c, scrapes), approx); diff != "" {
			t.Error(diff)
		}
	})
}

// With k times the requests, k times the errors and k times the dispersion, the
// evidence is the same.
func TestEvidenceScales(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, scrapes := drawConfig(t), drawScrapes(t)
		want := evidence(c, scrapes)
		k := rapid.Uint64Range(1, 1000).Draw(t, "k")
		for i := range scrapes {
			scrapes[i].Dispersion = scrapes[i].dispersion() * float64(k)
			for j, s := range scrapes[i].Strata {
				scrapes[i].Strata[j] = Counts{
					Stratum:     s.Stratum,
					StableTotal: k * s.StableTotal, StableBad: k * s.StableBad,
					CanaryTotal: k * s.CanaryTotal, CanaryBad: k * s.CanaryBad,
				}
			}
		}
		if diff := cmp.Diff(want, evidence(c, scrapes), approx); diff != "" {
			t.Error(diff)
		}
	})
}

func TestCapBoundsWhatOneScrapeAdds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, scrapes := drawConfig(t), drawScrapes(t)
		c.Cap = math.Ln10
		for name, p := range processes(c) {
			for _, s := range scrapes {
				before := p.LogE()
				if feed(p, []Scrape{s}); p.LogE() > before+c.Cap+1e-9 {
					t.Errorf("%s: one scrape added %v", name, p.LogE()-before)
				}
			}
		}
	})
}

func TestPeakAndPValueRemember(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, scrapes := drawConfig(t), drawScrapes(t)
		for name, p := range processes(c) {
			var peak Peak
			for _, s := range scrapes {
				if err := peak.Update(feed(p, []Scrape{s}).LogE()); err != nil {
					t.Fatal(err)
				}
				if p.PeakLogE() != float64(peak) || p.PValue() != math.Min(1, math.Exp(-float64(peak))) {
					t.Errorf("%s: peak %v, p-value %v, want those of %v", name, p.PeakLogE(), p.PValue(), float64(peak))
				}
			}
		}
	})
}

// What is restored goes on exactly like what was stored.
func TestStateGoesOnWhereItStood(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, scrapes := drawConfig(t), drawScrapes(t)
		cut := rapid.IntRange(0, len(scrapes)).Draw(t, "cut")
		restored := processes(withNegligible(Default()))
		for name, p := range processes(c) {
			stored := must(feed(p, scrapes[:cut]).MarshalText())
			if err := restored[name].UnmarshalText(stored); err != nil {
				t.Fatal(err)
			}
			want := must(feed(p, scrapes[cut:]).MarshalText())
			got := must(feed(restored[name], scrapes[cut:]).MarshalText())
			if string(want) != string(got) {
				t.Errorf("%s: state after restoring\n%s, want\n%s", name, got, want)
			}
		}
	})
}

func withNegligible(c Config) Config {
	c.Negligible = 0.01
	return c
}

func TestMergedLedgersEqualOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		whole := ledgerOf(drawScrapes(t))
		var left, right Ledger
		for s := range whole.All() {
			// Some strata of some scrapes to each side.
			cut := rapid.IntRange(0, len(s.Strata)).Draw(t, "cut")
			for side, strata := range map[*Ledger][]Counts{&left: s.Strata[:cut], &right: s.Strata[cut:]} {
				if len(strata) == 0 {
					continue
				}
				part := s
				part.Strata = strata
				if err := side.Append(part); err != nil {
					t.Fatal(err)
				}
			}
		}
		merged := must(Merge(&left, &right))
		if diff := cmp.Diff(whole.scrapes, merged.scrapes); diff != "" {
			t.Error(diff)
		}
		if whole.Total() != merged.Total() {
			t.Errorf("total %v, want %v", merged.Total(), whole.Total())
		}
		c := drawConfig(t)
		if diff := cmp.Diff(evidence(c, whole.scrapes), evidence(c, merged.scrapes)); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(must(RatioBounds(whole, c)), must(RatioBounds(merged, c))); diff != "" {
			t.Error(diff)
		}
	})
}

func TestRatioBoundsHoldTheEstimateAndAgreeWithRollback(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := Default()
		scrapes := rows([4]uint64{}, [4]uint64{})
		for i := range scrapes {
			scrapes[i].Strata[0] = drawCounts(t, "")
		}
		l := ledgerOf(scrapes)
		bounds := must(RatioBounds(l, c))
		if !(bounds.Low >= 0 && bounds.Low < bounds.High) {
			t.Fatalf("bounds %v", bounds)
		}
		c.Tolerance, c.Cap = 0, Default().Cap
		logE := feed(must(NewRollback(c)), scrapes).LogE()
		if above := logE >= Threshold(c.IntervalAlpha); above != (bounds.Low >= 1) && math.Abs(bounds.Low-1) > 1e-9 {
			t.Errorf("lower bound %v, log E %v at a ratio of 1", bounds.Low, logE)
		}
	})
}
