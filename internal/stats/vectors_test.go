package stats

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// Values that two independent implementations agreed on.

var (
	vectorA = rows([4]uint64{9000, 9, 1000, 10})
	vectorB = rows([4]uint64{950, 1, 50, 0}, [4]uint64{900, 1, 100, 2}, [4]uint64{750, 2, 250, 4}, [4]uint64{500, 1, 500, 9})
)

// rows makes a scrape of each n1, e1, n2, e2.
func rows(rows ...[4]uint64) []Scrape {
	scrapes := make([]Scrape, len(rows))
	for i, r := range rows {
		scrapes[i] = Scrape{
			At:     time.UnixMilli(int64(15_000 * (i + 1))).UTC(),
			Strata: []Counts{{StableTotal: r[0], StableBad: r[1], CanaryTotal: r[2], CanaryBad: r[3]}},
		}
	}
	return scrapes
}

// plain is the default configuration without a cap.
func plain(change func(*Config)) Config {
	c := Default()
	c.Cap = 0
	change(&c)
	return c
}

type process interface {
	Update(Scrape) error
	LogE() float64
	PeakLogE() float64
	PValue() float64
	MarshalText() ([]byte, error)
	UnmarshalText([]byte) error
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func feed[P process](p P, scrapes []Scrape) P {
	for _, s := range scrapes {
		if err := p.Update(s); err != nil {
			panic(err)
		}
	}
	return p
}

func ledgerOf(scrapes []Scrape) *Ledger {
	l := new(Ledger)
	for _, s := range scrapes {
		if err := l.Append(s); err != nil {
			panic(err)
		}
	}
	return l
}

func TestEvidenceMatchesVectors(t *testing.T) {
	rollback := func(tolerance float64) process {
		return must(NewRollback(plain(func(c *Config) { c.Tolerance = tolerance })))
	}
	onset := func(planned int) process {
		return must(NewOnset(plain(func(c *Config) { c.Tolerance, c.OnsetIntervals = 0, planned })))
	}
	nonInferior := func(margin float64) process {
		return must(NewNonInferiority(plain(func(c *Config) { c.Margin = margin })))
	}
	none := plain(func(*Config) {})
	for _, test := range []struct {
		name    string
		process process
		data    []Scrape
		want    float64
	}{
		{"A, rollback, tolerance 0", rollback(0), vectorA, 8.529140170111},
		{"A, rollback, tolerance 10%", rollback(0.1), vectorA, 7.850062911781},
		{"A, non-inferiority, margin 1.5", nonInferior(1.5), vectorA, -2.579824422788},
		{"A, non-inferiority, margin 2", nonInferior(2), vectorA, -2.779294357367},
		{"B, rollback, tolerance 0", rollback(0), vectorB, 6.297449747738},
		{"B, rollback, tolerance 10%", rollback(0.1), vectorB, 5.632885854968},
		{"B, non-inferiority, margin 1.5", nonInferior(1.5), vectorB, -2.480359196302},
		{"B, non-inferiority, margin 2", nonInferior(2), vectorB, -2.609161973936},
		{"B, onset", onset(4), vectorB, 6.008519145400},
		{"violated", must(NewViolated(0.005, none)), rows([4]uint64{0, 0, 1000, 12}), 2.298410845696},
		{"met", must(NewMet(0.01, none)), rows([4]uint64{0, 0, 1000, 2}), 3.592684197860},
	} {
		got := feed(test.process, test.data).LogE()
		if math.Abs(got-test.want) > 1e-9 {
			t.Errorf("%s: log E = %.12f, want %.12f", test.name, got, test.want)
		}
	}
}

func TestGridMatchesVectors(t *testing.T) {
	g := newGrid()
	got := []float64{g.distance[12], math.Exp(g.logPrior[0]), math.Exp(g.logPrior[12]), math.Exp(g.logPrior[23])}
	want := []float64{0.5526475705630111, 0.050156872670777335, 0.0619015638780604, 0.09773620956315202}
	if diff := cmp.Diff(want, got, cmpopts.EquateApprox(0, 1e-15)); diff != "" {
		t.Errorf("d_12, π_0, π_12, π_23 (-want +got):\n%s", diff)
	}
	var sum float64
	for _, p := range g.logPrior {
		sum += math.Exp(p)
	}
	if math.Abs(sum-1) > 1e-14 {
		t.Errorf("Σπ = %v, want 1", sum)
	}
}

// The published bounds have six or nine digits.
func TestConfidenceSequencesMatchVectors(t *testing.T) {
	c := plain(func(*Config) {})
	for name, test := range map[string]struct {
		data []Scrape
		want Bounds
	}{
		"A": {vectorA, Bounds{2.16336, 48.4602}},
		"B": {vectorB, Bounds{1.51632, 75.1244}},
	} {
		got := must(RatioBounds(ledgerOf(test.data), c))
		if math.Abs(got.Low-test.want.Low) > 5e-6 || math.Abs(got.High-test.want.High) > 5e-5 {
			t.Errorf("%s: ratio in %.6v, want %v", name, got, test.want)
		}
	}
	for _, test := range []struct {
		bad, total uint64
		want       Interval
	}{
		{12, 1000, Interval{0.004007478, 0.026138508}},
		{0, 500, Interval{0, 0.010033273}},
		{0, 0, Interval{0, 1}},
	} {
		got := must(ProportionBounds(test.bad, test.total, 0, 0.025))
		if diff := cmp.Diff(test.want, got, cmpopts.EquateApprox(0, 5e-10)); diff != "" {
			t.Errorf("share of %d in %d (-want +got):\n%s", test.bad, test.total, diff)
		}
	}
}

// The bounds are where the tests of the same evidence turn: half the last digit
// beyond they have not, within they have.
func TestRatioBoundsAreWhereRollbackTurns(t *testing.T) {
	for name, limit := range map[string]float64{"no cap": 0, "cap": math.Ln10} {
		c := plain(func(c *Config) { c.Cap = limit })
		low := must(RatioBounds(ledgerOf(vectorB), c)).Low
		if low <= 1 {
			t.Fatalf("%s: lower bound %v does not exceed 1", name, low)
		}
		for factor, want := range map[float64]bool{1 - 1e-9: true, 1 + 1e-9: false} {
			c.Tolerance = low*factor - 1
			logE := feed(must(NewRollback(c)), vectorB).LogE()
			if got := logE >= Threshold(c.IntervalAlpha); got != want {
				t.Errorf("%s: rejected at %v of the bound: %v, want %v", name, factor, got, want)
			}
		}
	}
}
