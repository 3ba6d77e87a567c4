package planfile_test

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/canaryctl/canaryctl/internal/analysis"
	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/metrics"
	"github.com/canaryctl/canaryctl/internal/planfile"
	"github.com/canaryctl/canaryctl/internal/stats"
)

// service answers so many requests per second, and its versions fail so often.
type service struct {
	rate           float64
	stable, canary float64
}

// follow has a release follow a document at a look every two seconds, and returns
// how it ended and after what time.
func follow(t *testing.T, d planfile.Document, s service, seed uint64) (canary.Release, time.Duration) {
	t.Helper()
	const every = 2 * time.Second
	config, err := d.Analysis()
	if err != nil {
		t.Fatal(err)
	}
	judge, err := analysis.New(config, analysis.Versions{Stable: "v1", Canary: "v2"})
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(seed, 4))
	bad := func(n uint64, share float64) uint64 {
		return uint64(distuv.Binomial{N: float64(n), P: share, Src: random}.Rand())
	}
	var step, total uint64
	began := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	now, plan := began, d.Plan()
	state := canary.State{Release: canary.Begin("r", d.Hash(), now), Weights: canary.Weights{Stable: 100}}
	for now.Sub(began) < 100*time.Hour {
		a := canary.Next(plan, state, canary.Observation{
			Now: now, Weights: state.Weights, Verdict: canary.Verdict(judge.Outcome()), Exposure: step, Total: total,
			Rate: s.rate, Risk: 1, CanaryReady: true, StableReady: true,
		})
		if a.After.Step != state.Step {
			step = 0
		}
		state = a.After
		if state.Phase.Over() || state.Phase == canary.Paused {
			break
		}
		canaries := uint64(s.rate * every.Seconds() * state.Weights.Canary.Fraction())
		stables := uint64(s.rate*every.Seconds()) - canaries
		end := now.Add(every)
		if err := judge.Add(metrics.Interval{Metric: analysis.Errors, Start: now, End: end, Strata: []stats.Counts{{
			StableTotal: stables, StableBad: bad(stables, s.stable), CanaryTotal: canaries, CanaryBad: bad(canaries, s.canary),
		}}}); err != nil {
			t.Fatal(err)
		}
		now, step, total = end, step+canaries, total+canaries
	}
	return state.Release, now.Sub(began)
}

// With plenty of traffic a good version is promoted within about a minute with
// nobody there, and the regression that the plan is for is found by it.
func TestSuggestIsFollowed(t *testing.T) {
	for _, test := range []struct {
		name       string
		good, bad  service
		within     time.Duration
		late, lost int // of a hundred, at most
	}{
		{"never fails", service{200, 0, 0}, service{200, 0, 0.01}, 65 * time.Second, 0, 10},
		{"hardly fails", service{200, 0.001, 0.001}, service{200, 0.001, 0.01}, 75 * time.Second, 2, 10},
		{"fails", service{200, 0.01, 0.01}, service{200, 0.01, 0.02}, 3 * time.Minute, 2, 10},
		{"is quiet", service{5, 0, 0}, service{5, 0, 0.01}, time.Hour, 0, 10},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			d, _, err := planfile.Suggest(test.good.rate, test.good.stable, planfile.Options{})
			if err != nil {
				t.Fatal(err)
			}
			var late, lost int
			for seed := range uint64(100) {
				if r, took := follow(t, d, test.good, seed); r.Phase != canary.Promoted || took > test.within {
					late++
				}
				if r, _ := follow(t, d, test.bad, seed); r.Phase != canary.RolledBack {
					lost++
				}
			}
			if late > test.late || lost > test.lost {
				t.Errorf("of a hundred good versions %d were not promoted within %s, of as many bad ones %d were", late, test.within, lost)
			}
		})
	}
}

// Thin traffic shows in the time, and the notes say so.
func TestSuggestSaysHowLong(t *testing.T) {
	var last time.Duration
	for _, rate := range []float64{200, 20, 2, 0.2} {
		d, notes, err := planfile.Suggest(rate, 0.01, planfile.Options{})
		if err != nil {
			t.Fatal(err)
		}
		took := d.Lasts(rate)
		if took <= last || d.Spec.Timeout.Std() < 2*took {
			t.Errorf("at %v requests/s it takes %s, bounded by %s; before it was %s", rate, took, d.Spec.Timeout, last)
		}
		told := false
		for _, n := range notes {
			told = told || strings.Contains(n.Text, "requests/s are few")
		}
		if told != (took > time.Hour) {
			t.Errorf("at %v requests/s it takes %s, and the notes say %q", rate, took, notes)
		}
		last = took
	}
}

func TestSuggestRefuses(t *testing.T) {
	for _, s := range []service{{0, 0.01, 0}, {-1, 0, 0}, {10, 1, 0}, {10, -0.1, 0}, {200, 0.95, 0}} {
		if d, _, err := planfile.Suggest(s.rate, s.stable, planfile.Options{}); !errors.Is(err, planfile.ErrUnsuggested) || d.Validate() != nil {
			t.Errorf("%+v: %v", s, err)
		}
	}
}
