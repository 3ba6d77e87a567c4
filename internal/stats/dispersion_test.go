package stats

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"
)

// Two Pods with the same traffic, by hand. Scrape by scrape: E = 4, f = 1/2,
// off by 2 and 2, so 8 observed for 2 expected. As one block: E = 80, off by 0.
func TestPhiByHand(t *testing.T) {
	alternating := func(i int) []PodCounts {
		pods := []PodCounts{{"a", 100, 4}, {"b", 100, 0}}
		if i%2 == 1 {
			pods[0].Bad, pods[1].Bad = 0, 4
		}
		return pods
	}
	lasting := func(int) []PodCounts { return []PodCounts{{"a", 100, 4}, {"b", 100, 0}} }
	even := func(int) []PodCounts { return []PodCounts{{"a", 100, 2}, {"b", 100, 2}} }
	alone := func(int) []PodCounts { return []PodCounts{{"a", 100, 9}} }
	idle := func(int) []PodCounts { return []PodCounts{{"a", 0, 0}, {"b", 0, 0}} }
	for _, test := range []struct {
		name    string
		scrape  func(int) []PodCounts
		scrapes int
		want    float64
	}{
		{"bursts", alternating, 20, 4},
		{"a bad Pod, before the first block is full", lasting, 19, 4},
		{"a bad Pod", lasting, 20, 80}, // off by 40 and 40: 3200 for 40
		{"evenly", even, 40, 1},
		{"one Pod", alone, 40, 1},
		{"idle", idle, 40, 1},
		{"nothing yet", even, 0, 1},
	} {
		var d Dispersion
		for i := range test.scrapes {
			if err := d.Update(test.scrape(i)); err != nil {
				t.Fatal(err)
			}
		}
		if got := d.Phi(); math.Abs(got-test.want) > 1e-12 {
			t.Errorf("%s: φ = %v, want %v", test.name, got, test.want)
		}
	}
}

// Independent requests have dispersion 1, clumps of k errors have k.
func TestPhiFindsTheSizeOfClumps(t *testing.T) {
	for _, clump := range []int{1, 5} {
		var d Dispersion
		events := distuv.Poisson{Lambda: 3, Src: rand.NewPCG(1, uint64(clump))}
		for range 4000 {
			pods := []PodCounts{{"a", 1000, 0}, {"b", 1000, 0}, {"c", 1000, 0}}
			for i := range pods {
				pods[i].Bad = uint64(clump * int(events.Rand()))
			}
			if err := d.Update(pods); err != nil {
				t.Fatal(err)
			}
		}
		if got := d.Phi() / float64(clump); got < 0.95 || got > 1.2 { // the larger of two, of 200 long blocks
			t.Errorf("clumps of %d: φ = %v", clump, d.Phi())
		}
	}
}

func TestOrderOfPodsDoesNotMatter(t *testing.T) {
	pods := []PodCounts{{"a", 100, 1}, {"b", 37, 5}, {"c", 211, 2}, {"b", 3, 1}}
	var one, other Dispersion
	for range 30 {
		if err := errors.Join(one.Update(pods), other.Update(pods)); err != nil {
			t.Fatal(err)
		}
		slices.Reverse(pods)
	}
	if string(must(one.MarshalText())) != string(must(other.MarshalText())) {
		t.Errorf("φ = %v and %v", one.Phi(), other.Phi())
	}
}

func TestDispersionGoesOnWhereItStood(t *testing.T) {
	var whole, before, after Dispersion
	for i := range 50 {
		pods := []PodCounts{{"a", 100, uint64(i % 5)}, {"b", 90, uint64(i % 3)}}
		part := &before
		if i == 33 {
			if err := after.UnmarshalText(must(before.MarshalText())); err != nil {
				t.Fatal(err)
			}
		}
		if i >= 33 {
			part = &after
		}
		if err := errors.Join(whole.Update(pods), part.Update(pods)); err != nil {
			t.Fatal(err)
		}
	}
	if whole.Phi() != after.Phi() || whole.Phi() <= 1 {
		t.Errorf("φ = %v after restoring, want %v", after.Phi(), whole.Phi())
	}
}

func TestDispersionNamesImpossiblePods(t *testing.T) {
	var d Dispersion
	for _, pods := range [][]PodCounts{
		{{"fine", 5, 1}, {"odd", 1, 2}},
		{{"fine", 5, 1}, {"odd", maxCount, 0}},
	} {
		if err := d.Update(pods); !errors.Is(err, ErrCounts) {
			t.Errorf("%v: error %v", pods, err)
		}
	}
	if d.short.scrapes != 0 || d.long.scrapes != 0 {
		t.Error("counted what it refused")
	}
}

// exp(2.33·0.2·√(1/1 + 1/4)) − 1
func TestPodSpreadTolerance(t *testing.T) {
	if got := must(PodSpreadTolerance(0.2, 1, 4)); math.Abs(got-0.6837) > 1e-4 {
		t.Errorf("tolerance %v", got)
	}
	for _, err := range []error{second(PodSpreadTolerance(math.NaN(), 1, 1)), second(PodSpreadTolerance(0.1, 0, 1))} {
		if err == nil {
			t.Error("accepted")
		}
	}
}
