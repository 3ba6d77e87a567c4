package stats

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCountHits(t *testing.T) {
	trials := func(rows, columns int, hit func(row, column int) bool) []Trial {
		var all []Trial
		for r := range rows {
			for c := range columns {
				all = append(all, Trial{fmt.Sprint(r), []string{fmt.Sprint(c)}, hit(r, c)})
			}
		}
		return all
	}
	random := rand.New(rand.NewPCG(1, 1))
	for name, test := range map[string]struct {
		trials    []Trial
		rate      float64
		effective [2]float64
	}{
		"none":                 {nil, 0, [2]float64{0, 0}},
		"no hit":               {trials(24, 10, func(int, int) bool { return false }), 0, [2]float64{24, 24}},
		"one row":              {trials(1, 10, func(_, c int) bool { return c == 0 }), 0.1, [2]float64{1, 1}},
		"one column hits":      {trials(24, 10, func(_, c int) bool { return c == 0 }), 0.1, [2]float64{8, 10}},
		"two rows hit":         {trials(20, 10, func(r, _ int) bool { return r < 2 }), 0.1, [2]float64{17, 20}},
		"all hit":              {trials(20, 10, func(int, int) bool { return true }), 1, [2]float64{20, 20}},
		"independent, as rows": {trials(400, 5, func(int, int) bool { return random.Float64() < 0.1 }), 0.1, [2]float64{300, 400}},
	} {
		h := CountHits(test.trials, 0.95)
		if math.Abs(h.Rate-test.rate) > 0.02 || h.Effective < test.effective[0] || h.Effective > test.effective[1] {
			t.Errorf("%s: %+v", name, h)
		}
	}
	got := CountHits(trials(24, 10, func(int, int) bool { return false }), 0.95)
	if diff := cmp.Diff(ClopperPearson(0, 24, 0.95), got.Bounds, approx); diff != "" {
		t.Errorf("limits of no hit in 24 rows (-want +got):\n%s", diff)
	}
}

// Nominal 95% limits of trials that share rows and columns hold the truth at least about so
// often, where those of independent trials do not.
func TestCountHitsCovers(t *testing.T) {
	const rows, columns, runs = 40, 12, 400
	random := rand.New(rand.NewPCG(3, 3))
	var covered, naive int
	const truth = 0.5
	for range runs {
		own := make([]float64, columns)
		for c := range own {
			own[c] = random.NormFloat64()
		}
		var trials []Trial
		for r := range rows {
			shared := random.NormFloat64()
			for c := range columns {
				trials = append(trials, Trial{fmt.Sprint(r), []string{fmt.Sprint(c)}, own[c]+shared+random.NormFloat64() > 0})
			}
		}
		h := CountHits(trials, 0.95)
		if h.Bounds.Contains(truth) {
			covered++
		}
		if ClopperPearson(h.Hits, h.Trials, 0.95).Contains(truth) {
			naive++
		}
	}
	t.Logf("covered %d of %d, as independent trials %d", covered, runs, naive)
	if covered < runs*90/100 || naive > runs*60/100 {
		t.Errorf("limits hold in %d of %d runs, those of independent trials in %d", covered, runs, naive)
	}
}
