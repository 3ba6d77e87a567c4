package stats

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestLogAverage(t *testing.T) {
	for _, test := range []struct {
		weights, logE []float64
		want          float64
	}{
		{[]float64{0.5, 0.5}, []float64{math.Log(30), math.Log(10)}, math.Log(20)},
		{[]float64{1, 0}, []float64{2, 1000}, 2},
		{[]float64{0.5, 0.5}, []float64{2000, -2000}, 2000 - math.Ln2},
		{[]float64{0.25, 0.75}, []float64{math.Inf(-1), 0}, math.Log(0.75)},
	} {
		if got := must(LogAverage(test.weights, test.logE)); math.Abs(got-test.want) > 1e-12 {
			t.Errorf("LogAverage(%v, %v) = %v, want %v", test.weights, test.logE, got, test.want)
		}
	}
	for name, err := range map[string]error{
		"nothing":      second(LogAverage(nil, nil)),
		"lengths":      second(LogAverage([]float64{1}, []float64{1, 2})),
		"sum":          second(LogAverage([]float64{0.5, 0.6}, []float64{1, 2})),
		"negative":     second(LogAverage([]float64{1.5, -0.5}, []float64{1, 2})),
		"NaN weight":   second(LogAverage([]float64{math.NaN()}, []float64{1})),
		"NaN evidence": second(LogAverage([]float64{1}, []float64{math.NaN()})),
		"infinite":     second(LogAverage([]float64{1}, []float64{math.Inf(1)})),
	} {
		if err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestCauses(t *testing.T) {
	third := []float64{1. / 3, 1. / 3, 1. / 3}
	for _, test := range []struct {
		name    string
		weights []float64
		e       []float64
		want    []int
	}{
		{"one alone", third, []float64{1, 900, 2}, []int{1}},
		{"two", third, []float64{301, 900, 2}, []int{0, 1}},
		{"none alone: the largest share", third, []float64{90, 120, 100}, []int{1}},
		{"weights count", []float64{0.8, 0.1, 0.1}, []float64{100, 700, 2}, []int{0}},
	} {
		logE := make([]float64, len(test.e))
		for i, e := range test.e {
			logE[i] = math.Log(e)
		}
		if diff := cmp.Diff(test.want, must(Causes(test.weights, logE, 0.01))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}

func TestEBH(t *testing.T) {
	for _, test := range []struct {
		name string
		e    []float64
		want []int
	}{
		{"none", []float64{1, 79}, nil}, // 2·1/2 and 1·79/2, of 40
		{"one of two", []float64{1, 80}, []int{1}},
		{"both, since they help each other", []float64{41, 40}, []int{0, 1}},
		{"no hypotheses", nil, nil},
	} {
		logE := make([]float64, len(test.e))
		for i, e := range test.e {
			logE[i] = math.Log(e) + 1e-12
		}
		if diff := cmp.Diff(test.want, must(EBH(logE, 0.025))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}

// The procedure is that of Benjamini and Hochberg on the p-values 1/e.
func TestEBHIsBenjaminiHochbergOfInverses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		logE := rapid.SliceOfN(rapid.Float64Range(-2, 8), 0, 20).Draw(t, "log e")
		alpha := rapid.Float64Range(0.01, 0.5).Draw(t, "alpha")
		rejected := must(EBH(logE, alpha))
		for i, v := range logE {
			var atLeast int // rank of i, ties in
			for _, other := range logE {
				if other >= v {
					atLeast++
				}
			}
			in := false
			for _, j := range rejected {
				in = in || i == j
			}
			if alone := math.Exp(-v)*float64(len(logE)) <= alpha*float64(atLeast); alone && !in {
				t.Errorf("e = %v of rank %d is not rejected", math.Exp(v), atLeast)
			}
			if in && math.Exp(-v)*float64(len(logE)) > alpha*float64(len(rejected))*(1+1e-9) {
				t.Errorf("e = %v is rejected with %d", math.Exp(v), len(rejected))
			}
		}
	})
}

func TestEdgeWeights(t *testing.T) {
	for _, test := range []struct {
		name string
		slow []float64
		want []float64
	}{
		{"p95", []float64{0.9, 0.4, 0.06, 0.01, 0.001}, []float64{0, 0.25, 0.5, 0.25, 0}},
		{"no other", []float64{0.9, 0.05, 0}, []float64{0, 1, 0}},
		{"never slow", []float64{0, 0}, []float64{1, 0}},
		{"nearest by ratio", []float64{0.11, 0.03}, []float64{0.5, 0.5}},
	} {
		if diff := cmp.Diff(test.want, must(EdgeWeights(0.95, test.slow))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
	for name, err := range map[string]error{
		"quantile":  second(EdgeWeights(1, []float64{0.1})),
		"no edges":  second(EdgeWeights(0.9, nil)),
		"growing":   second(EdgeWeights(0.9, []float64{0.1, 0.2})),
		"NaN":       second(EdgeWeights(0.9, []float64{math.NaN()})),
		"above all": second(EdgeWeights(0.9, []float64{1.5})),
	} {
		if err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestPeakRefusesWhatIsNoEvidence(t *testing.T) {
	var p Peak
	for _, v := range []float64{math.NaN(), math.Inf(1)} {
		if err := p.Update(v); err == nil {
			t.Errorf("accepted %v", v)
		}
	}
	if err := p.Update(math.Inf(-1)); err != nil || p.PValue() != 1 {
		t.Errorf("no evidence at all: %v, p-value %v", err, p.PValue())
	}
}
