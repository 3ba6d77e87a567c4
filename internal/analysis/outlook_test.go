package analysis_test

import (
	"testing"

	"github.com/canaryctl/canaryctl/internal/analysis"
	"github.com/canaryctl/canaryctl/internal/stats"
)

// The outlook comes true when traffic goes on as it did.
func TestOutlookComesTrue(t *testing.T) {
	for name, test := range map[string]struct {
		counts stats.Counts
		seen   int
		want   analysis.Outcome
	}{
		"towards a fail": {counts(900, 9, 100, 3), 5, analysis.Fail},
		"towards a pass": {counts(900, 18, 300, 6), 5, analysis.Pass},
	} {
		t.Run(name, func(t *testing.T) {
			a := start(t, analysis.Default())
			v := add(t, a, repeat(test.seen, test.counts)...)
			if v.Outlook == nil || v.Outlook.Verdict != test.want {
				t.Fatalf("outlook %+v, want %s", v.Outlook, test.want)
			}
			if want := 15 * float64(v.Outlook.Intervals); v.Outlook.Seconds != want {
				t.Errorf("%v seconds for %d intervals of 15", v.Outlook.Seconds, v.Outlook.Intervals)
			}
			last := test.seen + v.Outlook.Intervals
			for n := test.seen; n < last; n++ {
				if got := add(t, a, at(n, analysis.Errors, test.counts)).Verdict; (got == test.want) != (n == last-1) {
					t.Fatalf("%s after %d more intervals, foreseen for %d", got, n+1-test.seen, v.Outlook.Intervals)
				}
			}
		})
	}
}

func TestNoOutlook(t *testing.T) {
	for name, v := range map[string]analysis.Verdict{
		"nothing seen":    add(t, start(t, analysis.Default())),
		"without errors":  add(t, start(t, analysis.Default()), repeat(5, counts(900, 0, 100, 0))...),
		"decided already": add(t, start(t, analysis.Default()), repeat(40, counts(900, 18, 900, 18))...),
	} {
		if v.Outlook != nil {
			t.Errorf("%s: outlook %+v", name, v.Outlook)
		}
	}
}
