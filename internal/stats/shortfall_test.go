package stats

import (
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

// answered are intervals in which so many of so many requests were the canary's.
func answered(all, canary uint64) Scrape {
	return Scrape{Strata: []Counts{{StableTotal: all - canary, CanaryTotal: canary}}}
}

func add(t *testing.T, h *Shortfall, s Scrape, floor float64) {
	t.Helper()
	if err := h.Update(s, floor); err != nil {
		t.Fatal(err)
	}
}

// Over all outcomes of three intervals of independent requests, of which at least
// the floor are the canary's, with bets that depend on what was seen, the expected
// evidence is at most 1: whatever the dispersion and the cap.
func TestShortfallIsASupermartingale(t *testing.T) {
	for _, floor := range []float64{0.01, 0.05, 0.25, 0.5} {
		for _, share := range []float64{1, 1.5, 2} {
			for _, limit := range []float64{0, math.Ln10} {
				for _, dispersion := range []float64{1, 3} {
					mean := expectedShortfall(t, floor, min(1, floor*share), limit, dispersion)
					if mean > 1+rounding {
						t.Errorf("floor %v, share %v, cap %v, dispersion %v: expectation %.15f", floor, floor*share, limit, dispersion, mean)
					}
				}
			}
		}
	}
}

func expectedShortfall(t *testing.T, floor, share, limit, dispersion float64) float64 {
	t.Helper()
	sizes := []int{60, 5, 30} // large enough that the first alone makes it bet
	var sum float64
	var visit func(probability float64, seen []int)
	visit = func(probability float64, seen []int) {
		if len(seen) < len(sizes) {
			n := sizes[len(seen)]
			for k := range n + 1 {
				if p := mass(k, n, share); p > 1e-15 {
					visit(probability*p, append(seen[:len(seen):len(seen)], k))
				} else {
					sum += probability * p // of outcomes that are as good as impossible, at E = 1
				}
			}
			return
		}
		h := must(NewShortfall(Config{Cap: limit}))
		h.Begin()
		for i, k := range seen {
			s := answered(uint64(sizes[i]), uint64(k))
			s.Dispersion = dispersion
			add(t, h, s, floor)
			if i == 0 && k == 1 {
				h.Begin() // a new weight, chosen by what was seen
			}
		}
		sum += probability * math.Exp(h.LogE())
	}
	visit(1, nil)
	return sum
}

// A canary that answers nothing is found in three intervals of a hundred requests,
// at a weight of 10%, from the start; later in a few more.
func TestShortfallFindsAHang(t *testing.T) {
	const floor, needed = 0.05, 600
	for name, test := range map[string]struct {
		good int // intervals before it hangs
		most int // intervals that it takes
	}{"from the start": {0, 3}, "after a minute": {60, 5}, "after an hour": {3600, 6}} {
		r := rand.New(rand.NewPCG(1, 2))
		h := must(NewShortfall(Default()))
		h.Begin()
		for range test.good {
			var canary uint64
			for range 100 {
				if r.Float64() < 0.1 {
					canary++
				}
			}
			add(t, h, answered(100, canary), floor)
		}
		took := 0
		for ; h.LogE() < Threshold(1.0/needed) && took < 20; took++ {
			add(t, h, answered(90, 0), floor)
		}
		if took > test.most {
			t.Errorf("%s: found after %d intervals, want %d", name, took, test.most)
		}
	}
}

func TestShortfallRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := must(NewShortfall(Default()))
		step := func(h *Shortfall, all, canary uint64, begin bool) {
			if begin {
				h.Begin()
			}
			if err := h.Update(answered(all, min(all, canary)), 0.1); err != nil {
				t.Fatal(err)
			}
		}
		draw := func(do func(all, canary uint64, begin bool)) {
			for range rapid.IntRange(0, 6).Draw(t, "intervals") {
				do(rapid.Uint64Range(0, 300).Draw(t, "all"), rapid.Uint64Range(0, 3).Draw(t, "canary"), rapid.Bool().Draw(t, "begin"))
			}
		}
		draw(func(all, canary uint64, begin bool) { step(h, all, canary, begin) })
		other := new(Shortfall)
		if err := other.UnmarshalText(must(h.MarshalText())); err != nil {
			t.Fatal(err)
		}
		draw(func(all, canary uint64, begin bool) {
			step(h, all, canary, begin)
			step(other, all, canary, begin)
		})
		if *h != *other {
			t.Errorf("%+v became %+v", h, other)
		}
	})
}
