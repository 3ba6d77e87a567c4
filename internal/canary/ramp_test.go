package canary_test

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/canaryctl/canaryctl/internal/canary"
)

func TestFits(t *testing.T) {
	p := canary.DefaultPlan()
	p.Ramp = &canary.Ramp{Errors: 50, Most: 100}
	r := canary.Release{Step: -1}
	for _, test := range []struct {
		name string
		o    canary.Observation
		want canary.Percent
	}{
		// 6 errors until it shows, and 200·2·w before anybody can act: 44/400.
		{"nothing is known", canary.Observation{Rate: 200, Risk: 1, Needs: 6, Lag: 2 * time.Second}, 11},
		{"harm is done", canary.Observation{Rate: 200, Risk: 1, Needs: 6, Lag: 2 * time.Second, Harm: 20}, 6},
		{"harm below none earns nothing", canary.Observation{Rate: 200, Risk: 1, Needs: 6, Lag: 2 * time.Second, Harm: -20}, 11},
		{"a tenth of the risk", canary.Observation{Rate: 200, Risk: 0.1, Needs: 60, Lag: 2 * time.Second}, 100},
		{"slow to act", canary.Observation{Rate: 200, Risk: 0.1, Needs: 60, Lag: 20 * time.Second}, 11},
		{"no risk", canary.Observation{Rate: 200, Risk: 0, Needs: 60, Lag: time.Hour}, 100},
		{"acts at once", canary.Observation{Rate: 200, Risk: 1, Needs: 6}, 100},
		{"shows too late at any weight", canary.Observation{Rate: 200, Risk: 1, Needs: 51}, 0},
		{"spent", canary.Observation{Rate: 200, Risk: 1, Harm: 51, Lag: time.Second}, 0},
		{"no number", canary.Observation{Rate: 200, Risk: math.NaN(), Lag: time.Second}, 0},
		{"no rate", canary.Observation{Rate: math.NaN(), Risk: 1, Lag: time.Second}, 0},
	} {
		if got := p.Fits(r, test.o); got != test.want {
			t.Errorf("%s: %s%%, want %s%%", test.name, got, test.want)
		}
	}
	p.Steps = []canary.Step{{Weight: 10, Exposure: 1000, Min: canary.Duration(time.Second)}}
	late := canary.Observation{Rate: 100, Risk: 0.1, Needs: 5000, Lag: time.Second, Total: 800}
	if got := p.Fits(r, late); got != 100 { // 0.1·(200 + 100) + 0.1·100·w <= 50
		t.Errorf("near the plan's end: %s%%", got)
	}
	p.Proof = true // it does not end there
	if got := p.Fits(r, late); got != 0 {
		t.Errorf("with proof: %s%%", got)
	}
	if got := canary.DefaultPlan().Fits(r, late); got != canary.Total {
		t.Errorf("without a ramp: %s%%", got)
	}
}

// trial is a canary that fails a share of its requests where stable fails none,
// and evidence that shows it with the last of some number of errors. Both are
// expectations: what is simulated is the mean over all such canaries.
type trial struct {
	risk, needed float64 // of the canary; the errors that show it
	rate         float64
	lag          time.Duration

	answered []float64 // by the canary, at the end of each second
}

// by is how many requests the canary had answered so many seconds ago.
func (s *trial) by(ago int) float64 {
	if i := len(s.answered) - 1 - ago; i >= 0 {
		return s.answered[i]
	}
	return 0
}

// seen is what is known at the end of a second. It takes lag until a response is
// counted, and there is a look in each second.
func (s *trial) seen(state canary.State, now time.Time) canary.Observation {
	n := s.by(int(s.lag.Seconds()))
	errors := s.risk * n
	o := fine(state, now)
	o.Rate, o.Lag = s.rate, s.lag+time.Second
	o.Exposure, o.Total, o.Harm = uint64(n), uint64(n), errors
	o.Risk = 1 // as many errors more as show it were still likely
	if n > 0 {
		o.Risk = min(1, (errors+s.needed)/n)
	}
	o.Needs = max(s.needed-errors, 0) / o.Risk
	if errors >= s.needed {
		o.Verdict = canary.Fail
	}
	return o
}

// run follows the plan for so many seconds, and says what comes of it.
func (s *trial) run(t tester, p canary.Plan, seconds int) (state canary.State, writes int) {
	state = begun()
	for i := range seconds {
		o := s.seen(state, noon().Add(time.Duration(i)*time.Second))
		a := canary.Next(p, state, o)
		holds(t, scene{p, state, o}, a)
		state = a.After
		if a.Do != canary.Wait {
			writes++
		}
		if a.Do == canary.GiveBack || a.Do == canary.TakePause {
			break
		}
		s.answered = append(s.answered, s.by(0)+s.rate*state.Weights.Canary.Fraction())
	}
	return state, writes
}

// drawRamp draws a plan that goes by a ramp, and a canary to go by it.
func drawRamp(t *rapid.T) (canary.Plan, trial) {
	p := canary.DefaultPlan()
	p.Ramp = &canary.Ramp{Errors: rapid.Float64Range(1, 200).Draw(t, "errors"), Most: 80}
	p.Steps = []canary.Step{
		{Weight: canary.Percent(rapid.IntRange(1, 10).Draw(t, "first"))},
		{Weight: canary.Percent(rapid.IntRange(10, 50).Draw(t, "second")), Min: seconds(t, "min", 20)},
	}
	p.Proof = true
	return p, trial{
		risk:   rapid.SampledFrom([]float64{0, 0.001, 0.01, 0.1, 0.5, 1}).Draw(t, "risk"),
		needed: rapid.Float64Range(3, 12).Draw(t, "needed"),
		rate:   rapid.Float64Range(1, 2000).Draw(t, "rate"),
		lag:    seconds(t, "lag", 10).Std(),
	}
}

// However bad the canary is, and however slowly it is found out, no more users'
// errors are to be expected than the ramp allows.
func TestRampKeepsTheBudget(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, s := drawRamp(t)
		state, writes := s.run(t, p, 600)
		if harm := s.risk * s.by(0); harm > p.Ramp.Errors+1e-6 {
			t.Fatalf("%.2f users' errors, and the ramp allows %.2f: %+v", harm, p.Ramp.Errors, state.Release)
		}
		if writes > 16 {
			t.Fatalf("%d writes for one ramp", writes)
		}
	})
}

// A good canary with room for a few errors goes up to the ramp's greatest weight,
// and one that is bad beyond doubt is given back.
func TestRampArrives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, s := drawRamp(t)
		// The first percent of the traffic fits, and twice what shows harm.
		p.Ramp.Errors += 2*s.needed + s.rate*(s.lag+time.Second).Seconds()/float64(canary.Total)
		state, _ := s.run(t, p, 3600)
		switch {
		case s.risk == 0 && state.Weight < p.Ramp.Most:
			t.Fatalf("a good canary is left at %s%%: %+v of %+v", state.Weight, state.Release, s)
		case s.risk == 1 && s.rate > 1 && state.Phase != canary.RolledBack:
			t.Fatalf("a bad canary is %+v", state.Release)
		}
	})
}
