package analysis_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/canaryctl/canaryctl/internal/analysis"
	"github.com/canaryctl/canaryctl/internal/metrics"
	"github.com/canaryctl/canaryctl/internal/stats"
)

func read(text string) ([]metrics.Interval, error) {
	return analysis.Read(strings.NewReader(text), 15*time.Second)
}

func TestReadCSV(t *testing.T) {
	want := []stats.Counts{counts(950, 1, 50, 0), counts(900, 1, 100, 2)}
	for name, text := range map[string]string{
		"plain":         "950,1,50,0\n900,1,100,2\n",
		"header":        "stable_total,stable_bad,canary_total,canary_bad\n950,1,50,0\n900,1,100,2",
		"other order":   "Canary_Total,canary_bad,time,stable_bad,stable_total\n50,0,x,1,950\n100,2,y,1,900\n",
		"spreadsheet":   "\ufeff\"stable_total\",\"stable_bad\",\"canary_total\",\"canary_bad\"\r\n950,1,50,0\r\n900,1.0,1e+02,2\r\n",
		"spaced":        "# counts of Friday\n\n 950, 1, 50, 0\n\n900 ,1 ,100 ,2\n",
		"spreadsheet 2": "\ufeff950,1,50,0\n900,1,100,2\n",
	} {
		t.Run(name, func(t *testing.T) {
			intervals, err := read(text)
			if err != nil {
				t.Fatal(err)
			}
			var got []stats.Counts
			for n, i := range intervals {
				got = append(got, i.Strata...)
				if end := time.Unix(0, 0).Add(time.Duration(n+1) * 15 * time.Second); !i.End.Equal(end) || i.Metric != analysis.Errors {
					t.Errorf("interval %d of %q ends at %s, want %s", n, i.Metric, i.End, end)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("counts (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReadNamesTheLine(t *testing.T) {
	for text, says := range map[string]string{
		"":                               "no row in it; want stable_total,stable_bad,canary_total,canary_bad",
		"9,0,9,0\n9,0,-9,0\n":            "line 2: wrong counts: canary_total: impossible counts: -9 is negative",
		"9,0,9,0\n\n9,10,9,0\n":          "line 3: wrong counts: impossible counts: 10 bad of 9 stable requests",
		"9,0,9,10\n":                     "line 1: wrong counts: impossible counts: 10 bad of 9 canary requests",
		"9,NaN,9,0\n":                    "line 1: wrong counts: stable_bad: impossible counts: not a number",
		"9,Inf,9,0\n":                    "stable_bad: impossible counts: +Inf overflows",
		"9,1.5,9,0\n":                    "stable_bad: impossible counts: 1.5 is not whole",
		"9,many,9,0\n":                   `line 1: wrong counts: stable_bad: "many" is not a number`,
		"9,0,9\n":                        "line 1: wrong counts: canary_bad is missing",
		"9,0,,0\n":                       "line 1: wrong counts: canary_total is missing",
		"9,0,9,0,9\n":                    "line 1: wrong counts: 5 columns where 4 were expected",
		"stable_total,stable_bad\n9,0\n": "line 1: wrong counts: the header has no column canary_total",
		"{}\n":                           "line 1: wrong counts: the interval names no metric",
		`{"metric":"errors"}`:            "ends at 0001-01-01T00:00:00Z and begins at",
		`{"metric":"errors","bad":1}`:    `unknown field "bad"`,
		`{"metric":"errors","start":"2026-01-01T00:00:00Z","end":"2026-01-01T00:00:15Z","strata":[{"stableTotal":1,"stableBad":2}]}`: "2 bad of 1 stable requests",
	} {
		_, err := read(text)
		if !errors.Is(err, analysis.ErrFile) || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: error %v, want one that says %q", text, err, says)
		}
	}
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	want := []metrics.Interval{
		at(0, analysis.Errors, stats.Counts{Stratum: "/pay", StableTotal: 9, CanaryTotal: 1, CanaryBad: 1}),
		at(0, "latency le=0.25", counts(9, 1, 1, 0)),
	}
	want[0].Pods = map[string][]stats.PodCounts{"v1": {{Pod: "a", Total: 9}}}
	var file bytes.Buffer
	for _, i := range want {
		if err := analysis.Write(&file, i, versions()); err != nil {
			t.Fatal(err)
		}
	}
	want[0].Pods = map[string][]stats.PodCounts{"stable": {{Pod: "a", Total: 9}}}
	got, err := read(file.String())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("intervals (-want +got):\n%s", diff)
	}
}

func FuzzRead(f *testing.F) {
	f.Add("stable_total,stable_bad,canary_total,canary_bad\n9000,9,1000,10\n")
	f.Add("950,1,50,0\n900,1,100,2\n")
	f.Add(`{"metric":"errors","start":"2026-01-01T00:00:00Z","end":"2026-01-01T00:00:15Z","strata":[{"stableTotal":9,"canaryTotal":1}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		intervals, err := read(text)
		if err != nil {
			return
		}
		for _, i := range intervals {
			for _, c := range i.Strata {
				if err := c.Validate(); err != nil {
					t.Errorf("read %+v: %v", c, err)
				}
			}
		}
	})
}
