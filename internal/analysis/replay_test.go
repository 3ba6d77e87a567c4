package analysis_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/canaryctl/canaryctl/internal/analysis"
)

func TestReplayStopsAtTheDecision(t *testing.T) {
	intervals := repeat(40, counts(900, 9, 100, 5))
	c := analysis.Default()
	d, err := analysis.Replay(c, versions(), intervals)
	if err != nil {
		t.Fatal(err)
	}
	if d.Verdict != analysis.Fail || d.Intervals >= len(intervals) || d.Seconds != 15*float64(d.Intervals) {
		t.Fatalf("decision %+v, want a fail before the end", d)
	}
	if want := (analysis.Arm{Requests: 100 * uint64(d.Intervals), Bad: 5 * uint64(d.Intervals)}); d.Canary != want {
		t.Errorf("canary %+v, want %+v: what comes after a decision does not happen", d.Canary, want)
	}
	before, err := analysis.Replay(c, versions(), intervals[:d.Intervals-1])
	if err != nil || before.Verdict != analysis.Inconclusive {
		t.Errorf("one interval earlier: %s, %v", before.Verdict, err)
	}
	c.RollbackAlpha = 1e-6
	strict, err := analysis.Replay(c, versions(), intervals)
	if err != nil || strict.Intervals <= d.Intervals || strict.Hash == d.Hash {
		t.Errorf("with a smaller alpha: %+v, %v", strict, err)
	}
}

func TestThreshold(t *testing.T) {
	intervals := repeat(2, counts(900, 0, 100, 1)) // at the limit is not above it
	for n, bad := range []uint64{2, 0, 3, 5} {
		intervals = append(intervals, at(2+n, analysis.Errors, counts(900, 0, 100, bad)))
	}
	intervals = append(intervals, at(6, analysis.Errors, counts(900, 0, 0, 0)))
	for times, want := range map[int]analysis.Decision{
		1: {Rule: "limit 1% once", Verdict: analysis.Fail, Intervals: 3, Seconds: 45,
			Canary: analysis.Arm{Requests: 300, Bad: 4}, Why: "2 of 100 requests in interval 3"},
		3: {Rule: "limit 1%, 3 times", Verdict: analysis.Fail, Intervals: 6, Seconds: 90,
			Canary: analysis.Arm{Requests: 600, Bad: 12}, Why: "5 of 100 requests in interval 6"},
		4: {Rule: "limit 1%, 4 times", Verdict: analysis.Inconclusive, Intervals: 7, Seconds: 105,
			Canary: analysis.Arm{Requests: 600, Bad: 12}, Why: "above the limit 3 times"},
	} {
		got := analysis.Threshold{Limit: 0.01, Times: times}.Replay(intervals)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%d times (-want +got):\n%s", times, diff)
		}
	}
}

// The document of the method: 50 requests/s, a tenth of them, 1% to 2%.
func TestPlanMatchesTheMethod(t *testing.T) {
	c := analysis.Default()
	c.Tolerance, c.OnsetIntervals = 0, 0
	c.Metrics = c.Metrics[:1]
	c.Metrics[0].Weight = 1
	planned := analysis.Planned{Rate: 50, BadShare: 0.01, Weights: []float64{0.1}, Effect: 2, Power: 0.8, StepTime: 600e9}
	steps, err := analysis.Plan(c, planned)
	if err != nil {
		t.Fatal(err)
	}
	got := []float64{float64(steps[0].NeedsRequests), float64(steps[0].NeedsSeconds), float64(steps[0].ErrorsAtStake)}
	if diff := cmp.Diff([]float64{2728, 2728. / 5, 27.28}, got, cmpopts.EquateApprox(0.001, 0)); diff != "" {
		t.Errorf("requests, seconds, errors (-want +got):\n%s", diff)
	}
	if steps[0].Warning != "" || steps[0].CatchesRatio >= 2 || steps[0].PowerAtEffect <= 0.8 {
		t.Errorf("ten minutes suffice, and got %+v", steps[0])
	}
}

func TestPlanWarns(t *testing.T) {
	for says, planned := range map[string]analysis.Planned{
		"the step at 1% catches nothing: in 10s it gets about 5 requests, too few to notice even a canary that always fails":             {Rate: 50, BadShare: 0.5, Effect: 1.5, StepTime: 10e9},
		"the step at 1% catches nothing: the counts are read every 15s, and it takes 3 times to be sure of anything; give it 60 seconds": {Rate: 50, BadShare: 0.5, Effect: 1.5, StepTime: 40e9, Interval: 15e9},
		"the step at 1% can never catch that: the tolerance allows it":                                                                   {Rate: 5000, BadShare: 0.5, Effect: 1.05, StepTime: 600e9},
	} {
		planned.Weights, planned.Power = []float64{0.01}, 0.8
		steps, err := analysis.Plan(analysis.Default(), planned)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(says, steps[0].Warning); diff != "" {
			t.Errorf("warning (-want +got):\n%s", diff)
		}
	}
}
