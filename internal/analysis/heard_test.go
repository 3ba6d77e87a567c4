package analysis_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/canaryctl/canaryctl/internal/analysis"
	"github.com/canaryctl/canaryctl/internal/stats"
)

// Of a version that has traffic and is not counted it is known since when, unless it
// may have had no request by chance.
func TestSilence(t *testing.T) {
	for name, test := range map[string]struct {
		share   float64
		seconds int
		counts  stats.Counts
		want    [2]time.Duration // of stable and of the canary
	}{
		"both are counted":              {0.1, 30, counts(90, 0, 10, 0), [2]time.Duration{}},
		"the canary is not":             {0.1, 12, counts(90, 0, 0, 0), [2]time.Duration{0, 12 * time.Second}},
		"stable is not":                 {0.5, 12, counts(0, 0, 50, 0), [2]time.Duration{12 * time.Second, 0}},
		"it has no traffic":             {0, 30, counts(90, 0, 0, 0), [2]time.Duration{}},
		"it has all":                    {1, 30, counts(0, 0, 90, 0), [2]time.Duration{}},
		"it may be chance":              {0.01, 30, counts(10, 0, 0, 0), [2]time.Duration{}},
		"few requests, for a long time": {0.01, 300, counts(10, 0, 0, 0), [2]time.Duration{0, 300 * time.Second}},
		"a moment":                      {0.1, 3, counts(900, 0, 0, 0), [2]time.Duration{}},
	} {
		a := start(t, analysis.Default())
		expect(t, a, analysis.Expectation{Share: test.share, From: second(0), Loose: "whatever the share is"})
		for n := range test.seconds {
			i := each(n, analysis.Errors, test.counts)
			i.Unread = []string{"v2"} // it does not matter here why
			feed(t, a, i)
		}
		stable, canary := a.Silence()
		if diff := cmp.Diff(test.want, [2]time.Duration{stable, canary}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestSilenceEnds(t *testing.T) {
	a := start(t, analysis.Default())
	for n := range 60 { // before it has traffic
		feed(t, a, each(n, analysis.Errors, counts(90, 0, 0, 0)))
	}
	expect(t, a, analysis.Expectation{Share: 0.1, From: second(60)})
	lasted := func(n int, canary uint64) time.Duration {
		feed(t, a, each(n, analysis.Errors, counts(90, 0, canary, 0)))
		_, silent := a.Silence()
		return silent
	}
	for n := 60; n < 63; n++ {
		if silent := lasted(n, 0); silent != 0 {
			t.Errorf("silent for %s after %d s of traffic", silent, n+1-60)
		}
	}
	if silent := lasted(63, 0); silent != 4*time.Second {
		t.Errorf("silent for %s, want 4s", silent)
	}
	if silent := lasted(64, 1); silent != 0 {
		t.Errorf("silent for %s, and it was counted", silent)
	}
	if v := must(t, a); !v.Counted.Canary.Equal(second(65)) || !v.Counted.Stable.Equal(second(65)) {
		t.Errorf("counted last at %+v", v.Counted)
	}
}
