package stats

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestLedgerByStratum(t *testing.T) {
	var l Ledger
	for i, strata := range [][]Counts{
		{{Stratum: "/cart", StableTotal: 100, StableBad: 1, CanaryTotal: 10}},
		{{Stratum: "/", StableTotal: 900, CanaryTotal: 90, CanaryBad: 2}, {Stratum: "/cart", StableTotal: 100, CanaryTotal: 10}},
		{},
	} {
		if err := l.Append(Scrape{At: time.Unix(int64(i), 0), Strata: strata}); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"/", "/cart"}, l.Strata()); diff != "" {
		t.Error(diff)
	}
	want := Counts{StableTotal: 1100, StableBad: 1, CanaryTotal: 110, CanaryBad: 2}
	if l.Total() != want || l.Len() != 3 {
		t.Errorf("%d scrapes, total %+v, want %+v", l.Len(), l.Total(), want)
	}
	cart := l.Only("/cart")
	want = Counts{StableTotal: 200, StableBad: 1, CanaryTotal: 20}
	if cart.Total() != want || cart.Len() != 2 {
		t.Errorf("/cart: %d scrapes, total %+v, want %+v", cart.Len(), cart.Total(), want)
	}
}

func TestLedgerKeepsItsOwnCopy(t *testing.T) {
	strata := []Counts{{StableTotal: 10}}
	var l Ledger
	if err := l.Append(Scrape{Strata: strata}); err != nil {
		t.Fatal(err)
	}
	strata[0].StableTotal = 99
	for s := range l.All() {
		if s.Strata[0].StableTotal != 10 {
			t.Errorf("the ledger followed the caller's slice: %+v", s)
		}
	}
}

// The canary has half of the traffic while everything is bad, and little before:
// totals would say that it fails 4.1 times as often, though it is stable's equal.
func TestRatioEstimateIsNotMisledByWeights(t *testing.T) {
	changing := rows([4]uint64{9900, 99, 100, 1}, [4]uint64{500, 50, 500, 50})
	for _, test := range []struct {
		name string
		data []Scrape
		want float64
		ok   bool
	}{
		{"weights change", changing, 1, true},
		{"one scrape: the ratio of rates", vectorA, 10, true},
		{"only the canary fails", rows([4]uint64{100, 0, 100, 3}), math.Inf(1), true},
		{"only stable fails", rows([4]uint64{100, 3, 100, 0}), 0, true},
		{"nobody fails", rows([4]uint64{100, 0, 100, 0}), 0, false},
		{"no canary traffic", rows([4]uint64{100, 5, 0, 0}), 0, false},
		{"nothing", nil, 0, false},
	} {
		got, ok := RatioEstimate(ledgerOf(test.data))
		if diff := cmp.Diff(test.want, got, approx); diff != "" || ok != test.ok {
			t.Errorf("%s: %v, %v; want %v, %v", test.name, got, ok, test.want, test.ok)
		}
	}
}

// Few rows have the same totals, the newest of them as they were.
func TestCoarse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var l Ledger
		for _, s := range drawScrapes(t) {
			if err := l.Append(s); err != nil {
				t.Fatal(err)
			}
		}
		n := rapid.IntRange(2, 9).Draw(t, "rows")
		coarse := l.Coarse(n)
		if coarse.Len() > max(n, 2) || coarse.Len() > l.Len() || coarse.Total() != l.Total() || !coarse.End().Equal(l.End()) {
			t.Errorf("%d rows up to %s of %+v, from %d up to %s of %+v", coarse.Len(), coarse.End(), coarse.Total(), l.Len(), l.End(), l.Total())
		}
		whole, part := slices.Collect(l.All()), slices.Collect(coarse.All())
		for k := 1; k <= min(n/2, len(part)); k++ {
			if diff := cmp.Diff(whole[len(whole)-k], part[len(part)-k]); diff != "" {
				t.Errorf("one of the newest changed (-whole +coarse):\n%s", diff)
			}
		}
		text := must(coarse.MarshalText())
		if err := new(Ledger).UnmarshalText(text); err != nil {
			t.Errorf("what is merged is no ledger: %v", err)
		}
	})
}
