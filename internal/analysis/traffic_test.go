package analysis_test

import (
	"strings"
	"testing"

	"github.com/canaryctl/canaryctl/internal/analysis"
)

func TestTrafficShareAgainstWeight(t *testing.T) {
	for name, test := range map[string]struct {
		weight  float64
		stable  uint64
		canary  uint64
		differs bool
	}{
		"as configured":             {0.1, 900, 100, false},
		"a little off":              {0.1, 890, 110, false},
		"twice as much":             {0.1, 800, 200, true},
		"half":                      {0.1, 950, 50, true},
		"none of half":              {0.5, 1000, 0, true},
		"everything, as configured": {1, 0, 1000, false},
		"half of everything":        {1, 500, 500, true},
	} {
		t.Run(name, func(t *testing.T) {
			a := start(t, analysis.Default())
			if err := a.Expect(analysis.Expectation{Share: test.weight}); err != nil {
				t.Fatal(err)
			}
			v := add(t, a, repeat(4, counts(test.stable, 0, test.canary, 0))...)
			if v.Traffic.Differs != test.differs {
				t.Errorf("differs: %v, want %v (%+v)", v.Traffic.Differs, test.differs, *v.Traffic)
			}
			if observed := float64(v.Traffic.Observed); observed != float64(test.canary)/float64(test.canary+test.stable) {
				t.Errorf("observed share %v", observed)
			}
		})
	}
}

// What was seen at one weight is not held against the next.
func TestTrafficShareAfterAChangeOfWeight(t *testing.T) {
	a := start(t, analysis.Default())
	n := 0
	for _, share := range []struct {
		weight         float64
		stable, canary uint64
	}{{0.05, 950, 50}, {0.5, 500, 500}, {0.05, 950, 50}} {
		if err := a.Expect(analysis.Expectation{Share: share.weight}); err != nil {
			t.Fatal(err)
		}
		for range 10 {
			v := add(t, a, at(n, analysis.Errors, counts(share.stable, 0, share.canary, 0)))
			if n++; v.Traffic != nil && v.Traffic.Differs {
				t.Fatalf("differs at a weight of %v: %+v", share.weight, *v.Traffic)
			}
		}
	}
}

func TestTrafficShareDoesNotDecide(t *testing.T) {
	a := start(t, analysis.Default())
	if err := a.Expect(analysis.Expectation{Share: 0.1}); err != nil {
		t.Fatal(err)
	}
	v := add(t, a, repeat(40, counts(900, 18, 900, 18))...)
	if v.Verdict != analysis.Pass || !strings.HasSuffix(v.Summary, "The route is to give the canary 10% of the requests, and it got 50%.") {
		t.Errorf("%s: %s", v.Verdict, v.Summary)
	}
	loose := analysis.Expectation{Share: 0.1, Loose: "connections stay where they are"}
	if err := a.Expect(loose); err != nil {
		t.Fatal(err)
	}
	if v := add(t, a); !strings.HasSuffix(v.Summary, "and it got 50%, which need not mean anything: connections stay where they are.") {
		t.Error(v.Summary)
	}
	if err := a.Expect(analysis.Expectation{Share: 1.5}); err == nil {
		t.Error("a share of 1.5 was taken")
	}
}

// An interval that began before the weight was set belongs to the weight before, and
// one right after it does in part: routers follow, and what was sent has to end.
func TestTrafficShareLeavesOutTheChangeItself(t *testing.T) {
	a := start(t, analysis.Default())
	if err := a.Expect(analysis.Expectation{Share: 0.5, From: at(10, "").Start}); err != nil {
		t.Fatal(err)
	}
	if v := add(t, a, repeat(12, counts(900, 0, 100, 0))...); v.Traffic != nil {
		t.Errorf("compared with a weight that was not set: %+v", *v.Traffic)
	}
	if v := add(t, a, at(12, analysis.Errors, counts(500, 0, 500, 0))); v.Traffic == nil || v.Traffic.Observed != 0.5 {
		t.Errorf("share %+v, want a half", v.Traffic)
	}
}
