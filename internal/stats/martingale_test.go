package stats

import (
	"math"
	"testing"
)

// Under its null the expectation of every increment's exponential is at most 1:
// the inequality behind every guarantee of this package, summed here over all
// outcomes of a scrape of independent requests.

// expectation is Σ P(e1, e2)·value(e1, e2) over all errors of n1 stable and n2
// canary requests.
func expectation(n1, n2 int, p1, p2 float64, value func(Counts) float64) float64 {
	var sum float64
	for e1 := range n1 + 1 {
		for e2 := range n2 + 1 {
			probability := mass(e1, n1, p1) * mass(e2, n2, p2)
			if probability > 0 {
				sum += probability * value(Counts{
					StableTotal: uint64(n1), StableBad: uint64(e1),
					CanaryTotal: uint64(n2), CanaryBad: uint64(e2),
				})
			}
		}
	}
	return sum
}

func mass(k, n int, p float64) float64 {
	switch p {
	case 0:
		return impossibleUnless(k == 0)
	case 1:
		return impossibleUnless(k == n)
	}
	return math.Exp(logMass(k, n, p))
}

var (
	sizes = []struct{ n1, n2 int }{{1, 1}, {1, 6}, {6, 1}, {4, 4}, {12, 3}}
	rates = []float64{0, 1e-4, 0.01, 0.1, 0.3, 0.5, 0.9, 1}
)

const rounding = 1e-12

func TestRatioIncrementsAreSupermartingales(t *testing.T) {
	g := newGrid()
	for _, ratio := range []float64{1, 1.1, 1.5, 2, 10} {
		for _, sign := range []float64{+1, -1} {
			tilts := newTilts(math.Log(ratio), g.distance[:], sign)
			if sign < 0 {
				tilts.against = append(tilts.against, newTilt(0)) // the atom
			}
			for _, p1 := range rates {
				for _, share := range []float64{0, 0.2, 0.9, 1, 1.2, 5} { // how far inside the null
					p2 := min(1, ratio*p1*share)
					inside := sign > 0 && p2 <= ratio*p1 || sign < 0 && p2 >= ratio*p1
					if !inside {
						continue
					}
					checkTilts(t, tilts, p1, p2)
				}
			}
		}
	}
}

func checkTilts(t *testing.T, tilts tilts, p1, p2 float64) {
	t.Helper()
	for _, size := range sizes {
		for _, temper := range []struct{ dispersion, limit float64 }{{1, 0}, {1, math.Ln10}, {3.7, 0}, {2, 0.5}} {
			for j := range tilts.against {
				mean := expectation(size.n1, size.n2, p1, p2, func(c Counts) float64 {
					s := Scrape{Dispersion: temper.dispersion, Strata: []Counts{c}}
					return math.Exp(tilts.increments(s, temper.limit)[j])
				})
				if mean > 1+rounding {
					t.Fatalf("n = %v, p = %v and %v, null %v, tilt %v, %+v: expectation %.15f",
						size, p1, p2, tilts.null.log, tilts.against[j].log, temper, mean)
				}
			}
		}
	}
}

func TestAbsoluteIncrementsAreSupermartingales(t *testing.T) {
	for _, p0 := range []float64{1e-3, 0.05, 0.5, 0.99} {
		for _, p := range rates {
			for name, a := range map[string]*Absolute{
				"violated": must(newAbsolute(p0, +1, 0)),
				"met":      must(newAbsolute(p0, -1, 0)),
			} {
				if name == "violated" && p > p0 || name == "met" && p < p0 {
					continue
				}
				fresh := must(a.MarshalText())
				mean := expectation(0, 12, 0, p, func(c Counts) float64 {
					if err := a.UnmarshalText(fresh); err != nil {
						t.Fatal(err)
					}
					return math.Exp(feed(a, []Scrape{{Strata: []Counts{c}}}).LogE())
				})
				if mean > 1+rounding {
					t.Errorf("%s: limit %v, share %v: expectation %.15f", name, p0, p, mean)
				}
			}
		}
	}
}

// Two scrapes, the second with a weight and a rate chosen after the first, and
// two strata: the whole processes, not their parts.
func TestProcessesAreSupermartingalesOverTime(t *testing.T) {
	c := Default()
	c.OnsetIntervals = 3
	for name, test := range map[string]struct {
		process func() process
		ratio   float64 // of the null, at its edge
	}{
		"rollback":        {func() process { return must(NewRollback(c)) }, 1 + c.Tolerance},
		"onset":           {func() process { return must(NewOnset(c)) }, 1 + c.Tolerance},
		"non-inferiority": {func() process { return must(NewNonInferiority(c)) }, c.Margin},
	} {
		mean := expectation(3, 2, 0.3, 0.3*test.ratio, func(here Counts) float64 {
			here.Stratum = "here"
			return expectation(2, 2, 0.05, 0.05*test.ratio, func(there Counts) float64 {
				p1, n1, n2 := 0.1, 2, 4
				if here.CanaryBad > 0 {
					p1, n1, n2 = 0.5, 3, 1
				}
				return expectation(n1, n2, p1, p1*test.ratio, func(later Counts) float64 {
					p := feed(test.process(), []Scrape{{Strata: []Counts{here, there}}, {Strata: []Counts{later}}})
					return math.Exp(p.LogE())
				})
			})
		})
		if mean > 1+rounding {
			t.Errorf("%s: expectation after two scrapes %.15f", name, mean)
		}
	}
}
