package analysis_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/canaryctl/canaryctl/internal/analysis"
	"github.com/canaryctl/canaryctl/internal/metrics"
	"github.com/canaryctl/canaryctl/internal/stats"
)

// fleet is a version whose Pods fail 1% of 600 requests a minute, by a factor of their
// own whose logarithm has the standard deviation spread, in bursts of a mean size.
type fleet struct {
	pods          int
	spread, burst float64
}

// minutes are intervals of a minute. The same seed gives the same.
func (f fleet) minutes(n int, seed uint64) []metrics.Interval {
	random := rand.New(rand.NewPCG(seed, seed))
	own := make([]float64, f.pods)
	for i := range own {
		own[i] = 0.01 * math.Exp(f.spread*random.NormFloat64())
	}
	all := make([]metrics.Interval, n)
	for k := range all {
		start := time.Unix(1_800_000_000, 0).Add(time.Duration(k) * time.Minute)
		pods := make([]stats.PodCounts, f.pods)
		for i, rate := range own {
			p := stats.PodCounts{Pod: fmt.Sprintf("pod-%02d", i), Total: 560 + random.Uint64N(81)}
			for range p.Total {
				if random.Float64() >= rate/f.burst {
					continue
				}
				for p.Bad++; random.Float64() < 1-1/f.burst; p.Bad++ {
				}
			}
			p.Bad = min(p.Bad, p.Total)
			pods[i] = p
		}
		all[k] = metrics.Interval{Metric: analysis.Errors, Start: start, End: start.Add(time.Minute),
			Pods: map[string][]stats.PodCounts{"v1": pods}}
	}
	return all
}

func calibrate(t *testing.T, c analysis.Config, k analysis.Calibration, intervals []metrics.Interval) analysis.Calibrated {
	t.Helper()
	r, err := analysis.Calibrate(t.Context(), c, k, intervals)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func hourly(canary int) analysis.Calibration {
	return analysis.Calibration{Version: "v1", Window: time.Hour, Canary: canary}
}

// Pods that are alike raise alarms as seldom as promised, also when errors come in
// bursts, and no tolerance is asked for. The dispersion of bursts whose size is
// geometric with a mean of m is 2m−1.
func TestCalibrateOnPodsThatAreAlike(t *testing.T) {
	c := analysis.Default()
	for _, f := range []fleet{{pods: 10, burst: 1}, {pods: 10, burst: 3}} {
		r := calibrate(t, c, hourly(2), f.minutes(24*60, 1))
		for _, trials := range r.Trials {
			if trials.Releases != 240 || float64(trials.Rate) > c.RollbackAlpha || trials.Effective != 24 {
				t.Errorf("%+v: %+v", f, trials)
			}
		}
		if r.Windows != 24 || r.Pods != 10 || len(r.Trials) != 2 || r.Tolerance.Suggested != c.Tolerance {
			t.Errorf("%+v: %+v", f, r)
		}
		d, want := r.Metrics[0].Dispersion, 2*f.burst-1
		if math.Abs(d.One/want-1) > 0.1 || math.Abs(d.Twenty/want-1) > 0.3 {
			t.Errorf("%+v: dispersion %+v, want %v", f, d, want)
		}
		if s := r.Metrics[0].Spread; s.Shown || s.Pods != 10 || s.Blocks != 24 {
			t.Errorf("%+v: spread %+v", f, *s)
		}
		if r.Conclusion != analysis.TooLittle || r.WindowsNeeded != 368 {
			t.Errorf("%+v: %s of %d windows, %d needed", f, r.Conclusion, r.Windows, r.WindowsNeeded)
		}
	}
}

// Pods that differ for good do raise alarms; their spread is found, and the tolerance
// that follows from it takes the alarms away.
func TestCalibrateOnPodsThatDiffer(t *testing.T) {
	const spread = 0.6
	f := fleet{pods: 12, spread: spread, burst: 1}
	r := calibrate(t, analysis.Default(), hourly(2), f.minutes(16*60, 2))
	s := r.Metrics[0].Spread
	if !s.Shown || math.Abs(s.Estimate/spread-1) > 0.25 {
		t.Errorf("spread %+v, want about %v", *s, spread)
	}
	want := math.Expm1(2.33 * s.Estimate * math.Sqrt(1./2+1./12))
	if math.Abs(float64(s.Tolerance)/want-1) > 1e-9 || r.Tolerance.Suggested != math.Ceil(100*want)/100 {
		t.Errorf("tolerance %v, suggested %+v, want %v", s.Tolerance, r.Tolerance, want)
	}
	if len(r.Trials) != 3 {
		t.Fatalf("%d kinds of trials: %+v", len(r.Trials), r.Trials)
	}
	single, two, mended := r.Trials[0], r.Trials[1], r.Trials[2]
	if single.FalseAlarms < 10 || two.FalseAlarms < 10 || mended.FalseAlarms > two.FalseAlarms/5 {
		t.Errorf("alarms of one Pod %d, of two %d, with the tolerance %d", single.FalseAlarms, two.FalseAlarms, mended.FalseAlarms)
	}
	if two.Effective >= 12 || two.Effective < 1 {
		t.Errorf("%v of %d releases are effective, with the same 12 Pods in all 16 windows", two.Effective, two.Releases)
	}
	for _, says := range []string{
		fmt.Sprintf("%d of 192 releases that were played with 2 Pods as the canary were rolled back", two.FalseAlarms),
		fmt.Sprintf("takes false alarms from %d to %d here.", two.FalseAlarms, mended.FalseAlarms),
	} {
		if !strings.Contains(r.Summary, says) {
			t.Errorf("summary %q lacks %q", r.Summary, says)
		}
	}
}

func TestCalibrateSaysWhatIsTooLittle(t *testing.T) {
	short := fleet{pods: 3, burst: 1}.minutes(30, 1)
	for name, test := range map[string]struct {
		k        analysis.Calibration
		releases int
		warns    string
	}{
		"no window":      {hourly(1), 0, "no window of 60 minutes fits into the 30 minutes"},
		"too many Pods":  {analysis.Calibration{Version: "v1", Window: 10 * time.Minute, Canary: 3}, 0, "a canary of 3 Pods cannot be played with 3 Pods"},
		"few intervals":  {analysis.Calibration{Version: "v1", Window: 10 * time.Minute, Canary: 2}, 9, "takes two blocks of 20 intervals, and there are 30"},
		"a single block": {analysis.Calibration{Version: "v1", Window: 15 * time.Minute, Canary: 1}, 6, "takes two blocks of 20 intervals"},
	} {
		r := calibrate(t, analysis.Default(), test.k, short)
		last := r.Trials[len(r.Trials)-1]
		if last.Releases != test.releases || r.Conclusion != analysis.TooLittle || !strings.Contains(strings.Join(r.Warnings, "\n"), test.warns) {
			t.Errorf("%s: %+v", name, r)
		}
		if !strings.Contains(r.Summary, "oo little history") {
			t.Errorf("%s: summary %q", name, r.Summary)
		}
	}
}

// A gap ends a window, and the next begins after it.
func TestCalibrateWindowsDoNotSpanGaps(t *testing.T) {
	minutes := fleet{pods: 3, burst: 1}.minutes(200, 1)
	with := slices.Concat(minutes[:50], minutes[70:]) // 50 minutes, a gap of 20, 130 minutes
	r := calibrate(t, analysis.Default(), hourly(1), with)
	if r.Windows != 2 || r.Trials[0].Releases != 6 {
		t.Errorf("%d windows, %+v", r.Windows, r.Trials[0])
	}
}

func TestCalibrateWantsPods(t *testing.T) {
	alone := fleet{pods: 1, burst: 1}.minutes(60, 1)
	for says, intervals := range map[string][]metrics.Interval{
		"of 5 intervals none says what each Pod of v1 answered": repeat(5, counts(100, 1, 10, 0)),
		"there is one Pod of v1":                                alone,
	} {
		_, err := analysis.Calibrate(t.Context(), analysis.Default(), hourly(1), intervals)
		if !errors.Is(err, analysis.ErrNoPods) || !strings.Contains(err.Error(), says) {
			t.Errorf("error %v, want %q", err, says)
		}
	}
	for _, k := range []analysis.Calibration{{Version: "v1", Canary: 1}, {Version: "v1", Window: time.Hour}} {
		if _, err := analysis.Calibrate(t.Context(), analysis.Default(), k, alone); err == nil {
			t.Errorf("%+v was taken", k)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := analysis.Calibrate(ctx, analysis.Default(), hourly(1), fleet{pods: 3, burst: 1}.minutes(60, 1)); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}

// Latency varies in its own way.
func TestCalibrateMeasuresEveryMetric(t *testing.T) {
	c := analysis.Default()
	c.Metrics = []analysis.Metric{{Name: analysis.Errors, Weight: 0.5, Does: "fails"}, {Name: "latency le=0.25", Weight: 0.5, Does: "is slow"}}
	errorCounts := fleet{pods: 8, burst: 1}.minutes(120, 1)
	slow := fleet{pods: 8, burst: 1, spread: 0.5}.minutes(120, 2)
	for i := range slow {
		slow[i].Metric = "latency le=0.25"
	}
	r := calibrate(t, c, hourly(1), append(errorCounts, slow...))
	var names []string
	for _, m := range r.Metrics {
		names = append(names, m.Name)
	}
	if diff := cmp.Diff([]string{"errors", "latency le=0.25"}, names); diff != "" {
		t.Fatal(diff)
	}
	if r.Metrics[0].Spread.Shown || !r.Metrics[1].Spread.Shown || r.Trials[0].FalseAlarms == 0 {
		t.Errorf("spreads %+v and %+v, %d alarms", *r.Metrics[0].Spread, *r.Metrics[1].Spread, r.Trials[0].FalseAlarms)
	}
}
