package stats

import (
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

// The vectors are Newcombe's, "Two-sided confidence intervals for the single
// proportion", Statistics in Medicine 17 (1998) 857-872, table I.
func TestIntervalsMatchNewcombe(t *testing.T) {
	for _, test := range []struct {
		k, n          int
		exact, wilson Interval
	}{
		{81, 263, Interval{.2527, .3676}, Interval{.2553, .3662}},
		{15, 148, Interval{.0578, .1617}, Interval{.0624, .1605}},
		{0, 20, Interval{0, .1684}, Interval{0, .1611}},
		{1, 29, Interval{.0009, .1776}, Interval{.0061, .1718}},
		{20, 20, Interval{1 - .1684, 1}, Interval{1 - .1611, 1}},
		{0, 0, Interval{0, 1}, Interval{0, 1}},
	} {
		near(t, "ClopperPearson", test.k, test.n, ClopperPearson(test.k, test.n, .95), test.exact)
		near(t, "Wilson", test.k, test.n, Wilson(test.k, test.n, .95), test.wilson)
	}
}

func near(t *testing.T, name string, k, n int, got, want Interval) {
	t.Helper()
	if math.Abs(got.Low-want.Low) > 5e-5 || math.Abs(got.High-want.High) > 5e-5 {
		t.Errorf("%s(%d, %d) = %.4f, want %.4f", name, k, n, got, want)
	}
}

// The vectors are those of R's manual page of binom.test (Conover's Mendelian
// example), and small cases that can be counted by hand.
func TestBinomialTestMatchesPublishedValues(t *testing.T) {
	for _, test := range []struct {
		k, n int
		p    float64
		want float64
	}{
		{682, 925, .75, .3825},
		{7, 10, .5, .34375},     // 2 * (120 + 45 + 10 + 1) / 1024
		{0, 10, .5, 2.0 / 1024}, // both ends
		{5, 10, .5, 1},          // nothing is likelier
		{2, 2, .25, .0625},      // the other tail holds nothing as unlikely
		{0, 100, 0, 1},          // weight 0 and no request: as it must be
		{1, 100, 0, 0},          // weight 0 and a request: impossible
		{100, 100, 1, 1},
		{99, 100, 1, 0},
		{0, 0, .1, 1}, // nothing seen, nothing said
	} {
		if got := BinomialTest(test.k, test.n, test.p); math.Abs(got-test.want) > 5e-5 {
			t.Errorf("BinomialTest(%d, %d, %v) = %v, want %v", test.k, test.n, test.p, got, test.want)
		}
	}
}

// The definition, summed term by term, down to probabilities of 1e-200.
func TestBinomialTestIsTheSumOfNoLikelierOutcomes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 400).Draw(t, "n")
		k := rapid.IntRange(0, n).Draw(t, "k")
		p := float64(rapid.IntRange(1, 99).Draw(t, "weight")) / 100
		var want float64
		for i := range n + 1 {
			if logMass(i, n, p) <= logMass(k, n, p)+1e-7 {
				want += math.Exp(logMass(i, n, p))
			}
		}
		want = math.Min(1, want)
		if got := BinomialTest(k, n, p); math.Abs(got-want) > 1e-8*want+1e-208 {
			t.Errorf("BinomialTest(%d, %d, %v) = %v, want %v", k, n, p, got, want)
		}
	})
}

// What "95%" promises: over many samples the exact interval misses the truth in
// at most one of twenty. The bound is five standard errors above that.
func TestClopperPearsonCovers(t *testing.T) {
	const samples, n, truth = 4000, 200, .1
	random := rand.New(rand.NewPCG(1, 2))
	var missed int
	for range samples {
		var k int
		for range n {
			if random.Float64() < truth {
				k++
			}
		}
		if !ClopperPearson(k, n, .95).Contains(truth) {
			missed++
		}
	}
	if limit := .05 + 5*math.Sqrt(.05*.95/samples); float64(missed)/samples > limit {
		t.Errorf("missed %d of %d, want at most %.1f%%", missed, samples, 100*limit)
	}
}

func TestIntervalHoldsTheSeenShare(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 1_000_000).Draw(t, "n")
		k := rapid.IntRange(0, n).Draw(t, "k")
		seen := float64(k) / float64(n)
		exact, wilson := ClopperPearson(k, n, .95), Wilson(k, n, .95)
		for _, i := range []Interval{exact, wilson} {
			if !i.Contains(seen) || i.Low < 0 || i.High > 1 {
				t.Errorf("%d of %d: %v does not hold %v", k, n, i, seen)
			}
		}
	})
}

func TestWrongCountsPanic(t *testing.T) {
	for name, f := range map[string]func(){
		"more than all":   func() { ClopperPearson(2, 1, .95) },
		"negative":        func() { Wilson(-1, 1, .95) },
		"certain":         func() { Wilson(1, 1, 1) },
		"not a share":     func() { BinomialTest(1, 1, 1.1) },
		"not even a real": func() { BinomialTest(1, 1, math.NaN()) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("accepted")
				}
			}()
			f()
		})
	}
}
