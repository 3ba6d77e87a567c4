package stats

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"
)

// fleet draws what Pods answer in a day of scrapes a minute apart. Their rates differ for
// good by a standard deviation of the logarithm, and the errors of each come in bursts of a
// mean size.
type fleet struct {
	pods          int
	spread, burst float64
}

func (f fleet) scrapes(n int, seed uint64) [][]PodCounts {
	src := rand.NewPCG(seed, 1)
	random := rand.New(src)
	own := make([]float64, f.pods)
	for i := range own {
		own[i] = 0.01 * math.Exp(f.spread*random.NormFloat64())
	}
	all := make([][]PodCounts, n)
	for k := range all {
		for i, rate := range own {
			total := uint64(distuv.Poisson{Lambda: 600, Src: src}.Rand())
			var bad uint64
			for range int(distuv.Poisson{Lambda: float64(total) * rate / f.burst, Src: src}.Rand()) {
				for bad++; random.Float64() < 1-1/f.burst; bad++ {
				}
			}
			all[k] = append(all[k], PodCounts{Pod: fmt.Sprint("pod-", i), Total: total, Bad: min(bad, total)})
		}
	}
	return all
}

// The mean over many fleets is what was put in, whatever the bursts: single fleets have
// drawn their own rates.
func TestPodSpreadIsFound(t *testing.T) {
	for _, test := range []struct {
		fleet
		within float64
	}{
		{fleet{pods: 10, spread: 0.3, burst: 1}, 0.1},
		{fleet{pods: 10, spread: 0.3, burst: 4}, 0.1},
		{fleet{pods: 40, spread: 0.6, burst: 2}, 0.1},
		{fleet{pods: 4, spread: 0.2, burst: 1}, 0.15},
	} {
		const fleets = 60
		var squares float64
		var shown int
		for seed := range uint64(fleets) {
			s, known, err := EstimatePodSpread(test.scrapes(480, seed))
			if err != nil || !known || s.Pods != test.pods || s.Blocks != 24 {
				t.Fatalf("%+v, %v, %v", s, known, err)
			}
			squares += s.Spread * s.Spread
			if s.Shown() {
				shown++
			}
		}
		got := math.Sqrt(squares / fleets)
		t.Logf("%+v: %.3f, shown %d times", test.fleet, got, shown)
		if math.Abs(got/test.spread-1) > test.within {
			t.Errorf("%+v: found %.3f", test.fleet, got)
		}
		if shown < fleets*9/10 {
			t.Errorf("%+v: shown in %d of %d fleets", test.fleet, shown, fleets)
		}
	}
}

// Pods that are alike are seldom said to differ, also when their errors come in bursts.
func TestPodsThatAreAlike(t *testing.T) {
	for _, f := range []fleet{{pods: 10, burst: 1}, {pods: 10, burst: 5}, {pods: 3, burst: 2}} {
		const fleets = 200
		var shown int
		for seed := range uint64(fleets) {
			s, known, err := EstimatePodSpread(f.scrapes(480, seed))
			if err != nil || !known {
				t.Fatalf("%v, %v", known, err)
			}
			if s.Shown() {
				shown++
			}
		}
		t.Logf("%+v: %d of %d", f, shown, fleets)
		if shown > fleets/10 {
			t.Errorf("%+v: shown %d times of %d", f, shown, fleets)
		}
	}
}

func TestPodSpreadOfTooLittle(t *testing.T) {
	quiet := make([][]PodCounts, 100)
	for i := range quiet {
		quiet[i] = []PodCounts{{"a", 10, 0}, {"b", 10, 0}}
	}
	for name, scrapes := range map[string][][]PodCounts{
		"nothing":   nil,
		"one block": fleet{pods: 5, burst: 1}.scrapes(39, 1),
		"one Pod":   fleet{pods: 1, burst: 1}.scrapes(100, 1),
		"no error":  quiet,
	} {
		if s, known, err := EstimatePodSpread(scrapes); known || err != nil {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
	}
	quiet[30][1].Bad = 11
	if _, _, err := EstimatePodSpread(quiet); !errors.Is(err, ErrCounts) {
		t.Errorf("11 of 10: %v", err)
	}
}
