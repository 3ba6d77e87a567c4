package stats

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// The example of the method's description: 50 requests/s, 10% of them to the
// canary.
func TestPlanMatchesTheExample(t *testing.T) {
	traffic := Traffic{RPS: 50, Weight: 0.1}
	plan := Plan{StableRate: 0.01, CanaryRate: 0.02, Weight: traffic.Weight, Alpha: 0.01}
	requests := must(plan.Requests(0.8))
	if math.Round(requests) != 2728 {
		t.Errorf("%v requests, want 2,728", requests)
	}
	if took := must(traffic.Time(requests)); took.Round(time.Minute) != 9*time.Minute {
		t.Errorf("takes %s, want about 9 minutes", took)
	}
	plan.StableRate, plan.CanaryRate = 0.001, 0.002
	// The text says about 87 minutes, without its digits; the formula 91.
	if took := must(traffic.Time(must(plan.Requests(0.8)))); took < 82*time.Minute || took > 92*time.Minute {
		t.Errorf("takes %s, want about 87 minutes", took)
	}
}

// The planned number of requests against simulated ones, within a fifth of the
// median and N80, and a quarter of N95, where the walk ends early on average.
func TestPlanComesCloseToSimulation(t *testing.T) {
	for _, test := range []struct {
		p1, p2, w                float64
		median, eighty, nineFive float64
	}{
		{0.001, 0.01, 0.1, 547, 928, 1369},
		{0.01, 0.02, 0.1, 1691, 2777, 3789},
		{0.01, 0.02, 0.5, 3189, 4984, 7009},
		{0.01, 0.05, 0.1, 182, 288, 414},
	} {
		p := Plan{StableRate: test.p1, CanaryRate: test.p2, Weight: test.w, Alpha: 0.01}
		for power, want := range map[float64][2]float64{0.5: {test.median, 0.2}, 0.8: {test.eighty, 0.2}, 0.95: {test.nineFive, 0.25}} {
			got := must(p.Requests(power))
			if off := got/want[0] - 1; math.Abs(off) > want[1] {
				t.Errorf("%+v, power %v: %.0f requests planned, %.0f simulated", p, power, got, want[0])
			}
		}
	}
}

// The same for what canaryctl does by default: the tolerance, the onset mixture and
// a scrape every 15 s of 50 requests/s, against the simulation behind
// docs/statistics.md.
func TestPlanKnowsOfScrapes(t *testing.T) {
	c := Default()
	for _, test := range []struct {
		p1, p2, w                float64
		median, eighty, nineFive float64
	}{
		{0.001, 0.01, 0.1, 840, 1241, 1697},
		{0.01, 0.02, 0.1, 2444, 3796, 5536},
		{0.01, 0.02, 0.5, 5270, 7844, 10561},
		{0.01, 0.05, 0.1, 369, 476, 614},
	} {
		p := Plan{StableRate: test.p1, CanaryRate: test.p2, Weight: test.w, Tolerance: c.Tolerance, Alpha: c.RollbackAlpha,
			Onset: true, Scrape: 15 * 50 * test.w, Cap: c.Cap}
		for power, want := range map[float64][2]float64{0.5: {test.median, 0.07}, 0.8: {test.eighty, 0.1}, 0.95: {test.nineFive, 0.2}} {
			got := must(p.Requests(power))
			if off := got/want[0] - 1; math.Abs(off) > want[1] {
				t.Errorf("%+v, power %v: %.0f requests planned, %.0f simulated", p, power, got, want[0])
			}
		}
	}
}

// A canary that always fails is found after as many scrapes as the cap asks for.
func TestPlanNeedsSomeScrapes(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*Plan)
		want   int
	}{
		"factors of ten to 100":       {func(*Plan) {}, 2},
		"of which onset takes half":   {func(p *Plan) { p.Onset = true }, 3},
		"factors of two":              {func(p *Plan) { p.Cap = math.Ln2 }, 7},
		"without a cap":               {func(p *Plan) { p.Cap = 0 }, 1},
		"without a scrape to wait on": {func(p *Plan) { p.Scrape = 0 }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			p := Plan{StableRate: 0.001, CanaryRate: 1, Weight: 0.1, Alpha: 0.01, Scrape: 1000, Cap: math.Ln10}
			test.change(&p)
			if got := p.MinScrapes(); got != test.want {
				t.Errorf("%d scrapes, want %d", got, test.want)
			}
			n, least := must(p.Requests(0.8)), (float64(test.want)+0.5)*p.Scrape
			if p.Scrape > 0 && (n < least || n > 3*least) {
				t.Errorf("%.0f requests, want somewhat more than %.0f", n, least)
			}
			if power := must(p.Power(max(0, least-1))); power != 0 {
				t.Errorf("power %v before the last of them", power)
			}
		})
	}
}

func drawPlan(t *rapid.T) Plan {
	p := Plan{
		StableRate: rapid.Float64Range(1e-5, 0.2).Draw(t, "stable"),
		Weight:     rapid.Float64Range(0.01, 0.99).Draw(t, "weight"),
		Tolerance:  rapid.Float64Range(0, 0.5).Draw(t, "tolerance"),
		Alpha:      rapid.Float64Range(1e-4, 0.2).Draw(t, "alpha"),
		Dispersion: rapid.Float64Range(1, 10).Draw(t, "dispersion"),
		Onset:      rapid.Bool().Draw(t, "onset"),
		Scrape:     rapid.SampledFrom([]float64{0, 1, 75, 1000}).Draw(t, "scrape"),
		Cap:        rapid.SampledFrom([]float64{0, 0.1, math.Ln10, 100}).Draw(t, "cap"),
	}
	p.CanaryRate = p.StableRate * (1 + p.Tolerance) * rapid.Float64Range(1.05, 3).Draw(t, "ratio")
	return p
}

func TestPlanIsConsistentWithItself(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawPlan(t)
		power := rapid.Float64Range(0.05, 0.99).Draw(t, "power")
		requests := must(p.Requests(power))
		few := requests <= (float64(p.MinScrapes())+0.5)*p.Scrape
		if few || must(p.Requests(0.999)) < must(p.Requests(0.04))*1.001 {
			return // so many scrapes are needed for any power
		}
		if p.Scrape > 0 && power < 0.5 {
			return // for which chance has to help, and a huge regression leaves less to chance
		}
		if got := must(p.Power(requests)); math.Abs(got-power) > 1e-6 {
			t.Errorf("power %v of %v requests for power %v", got, requests, power)
		}
		rate := must(p.Detectable(requests*(1+1e-9), power))
		if off := rate/p.CanaryRate - 1; off > 1e-4 || off < -1e-4 && p.Scrape == 0 { // under a cap, large ones take the same time, and it is found by search
			t.Errorf("detectable %v, planned for %v", rate, p.CanaryRate)
		}
		p.CanaryRate = rate
		if again := must(p.Requests(power)); again > requests*(1+1e-6) {
			t.Errorf("%v requests for what is detectable in %v", again, requests)
		}
	})
}

func TestLargerRegressionsAreFoundSooner(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawPlan(t)
		before := must(p.Requests(0.8))
		p.CanaryRate = min(1, p.CanaryRate*rapid.Float64Range(1, 1.5).Draw(t, "more"))
		// A search for a maximum knows where it is to half of a number's digits, and the
		// variance there no better.
		if after := must(p.Requests(0.8)); after > before*(1+1e-6) {
			t.Errorf("%v requests for a larger regression, %v for a smaller", after, before)
		}
	})
}

func TestPlanFactors(t *testing.T) {
	p := Plan{StableRate: 0.01, CanaryRate: 0.02, Weight: 0.1, Alpha: 0.01}
	base := must(p.Requests(0.8))
	for name, test := range map[string]struct {
		change func(*Plan)
		want   float64
	}{
		"dispersion": {func(p *Plan) { p.Dispersion = 3 }, 3},
		"onset":      {func(p *Plan) { p.Onset = true }, 1.1},
	} {
		changed := p
		test.change(&changed)
		if got := must(changed.Requests(0.8)) / base; math.Abs(got-test.want) > 1e-12 {
			t.Errorf("%s: times %v, want %v", name, got, test.want)
		}
	}
	got := []float64{few(1), few(10), few(15), few(20), few(1000)}
	if diff := cmp.Diff([]float64{1.15, 1.15, 1.075, 1, 1}, got, approx); diff != "" {
		t.Errorf("price of few errors (-want +got):\n%s", diff)
	}
}

func TestPlanSaysWhatCannotBeFound(t *testing.T) {
	p := Plan{StableRate: 0.01, CanaryRate: 0.011, Weight: 0.1, Alpha: 0.01, Tolerance: 0.1}
	if _, err := p.Requests(0.8); !errors.Is(err, ErrUndetectable) {
		t.Errorf("at the tolerance: %v", err)
	}
	if _, err := p.Power(1000); !errors.Is(err, ErrUndetectable) {
		t.Errorf("at the tolerance: %v", err)
	}
	if _, err := p.Detectable(1, 0.8); !errors.Is(err, ErrUndetectable) {
		t.Errorf("in one request: %v", err)
	}
	never := Plan{StableRate: 0, CanaryRate: 0.01, Weight: 0.1, Alpha: 0.01}
	if n := must(never.Requests(0.8)); !(n > 100 && n < 2000) {
		t.Errorf("against a stable that never fails: %v requests", n)
	}
	for name, err := range map[string]error{
		"rate":       second(Plan{StableRate: -1, CanaryRate: 0.1, Weight: 0.1, Alpha: 0.01}.Requests(0.8)),
		"weight":     second(Plan{StableRate: 0.1, CanaryRate: 0.2, Weight: 1, Alpha: 0.01}.Requests(0.8)),
		"power":      second(p.Requests(math.NaN())),
		"dispersion": second(Plan{StableRate: 0.1, CanaryRate: 0.2, Weight: 0.1, Alpha: 0.01, Dispersion: 0.1}.Requests(0.8)),
		"requests":   second(p.Detectable(math.NaN(), 0.8)),
		"no traffic": second(Traffic{Weight: 0.1}.Time(100)),
		"eternity":   second(Traffic{RPS: 1e-9, Weight: 0.1}.Time(1e12)),
		"negative":   second(Traffic{RPS: 1, Weight: 0.1}.Time(-1)),
	} {
		if err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestTrafficIsItsOwnInverse(t *testing.T) {
	traffic := Traffic{RPS: 50, Weight: 0.1}
	if got := traffic.Requests(must(traffic.Time(3000))); math.Abs(got-3000) > 1e-6 {
		t.Errorf("%v requests", got)
	}
}
