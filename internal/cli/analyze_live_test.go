package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/canaryctl/canaryctl/internal/analysis"
	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/metrics"
	"github.com/canaryctl/canaryctl/internal/stats"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

// traffic of 100 requests in every interval, as played plays it.
func fails(stable, canary uint64) stats.Counts {
	return stats.Counts{StableTotal: 900, StableBad: stable, CanaryTotal: 100, CanaryBad: canary}
}

// played is a stream that counts the same in every interval, and is silent in
// some.
type played struct {
	counts stats.Counts
	silent map[int]error // by call
	calls  int
	last   time.Time
}

func (p *played) Next(context.Context) ([]metrics.Interval, error) {
	p.calls++
	start := p.last
	p.last = time.Now()
	if err := p.silent[p.calls]; err != nil || start.IsZero() {
		return nil, err
	}
	return []metrics.Interval{
		{Metric: analysis.Errors, Start: start, End: p.last, Strata: []stats.Counts{p.counts},
			Pods: map[string][]stats.PodCounts{"v1": {{Pod: "a", Total: 900, Bad: p.counts.StableBad}}}},
		{Metric: "latency le=0.25", Start: start, End: p.last, Strata: []stats.Counts{p.counts}},
	}, nil
}

// runPlayed analyses a stream in a bubble, where time costs nothing.
func runPlayed(t *testing.T, stream *played, change func(*live)) (stdout, stderr string, err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var out, narration bytes.Buffer
		route := traffic.Route{Kind: "VirtualService", Namespace: "default", Name: "echo", Stable: "v1", Canary: "v2",
			Weights: canary.Weights{Stable: 90, Canary: 10}}
		l := &live{
			analyze: &analyze{Factory: NewFactory(Streams{Out: &out, Err: &narration})},
			config:  analysis.Default(), stream: stream, route: route,
			from:  func() (string, string) { return "a test", "" },
			again: func(context.Context) (traffic.Route, error) { return route, nil },
		}
		change(l)
		l.out = newVerdictView(&out, l.output)
		err = l.run(t.Context())
		stdout, stderr = out.String(), narration.String()
	})
	return stdout, stderr, err
}

func TestLiveWaitsForADecision(t *testing.T) {
	for name, test := range map[string]struct {
		counts stats.Counts
		wait   time.Duration
		is     error
		first  string
	}{
		"fail":         {fails(1, 10), time.Hour, ErrVerdictFail, "FAIL\nEvidence "},
		"pass":         {fails(90, 10), time.Hour, nil, "PASS\nEvidence "},
		"inconclusive": {fails(1, 0), 10 * time.Second, ErrInconclusive, "INCONCLUSIVE\nNot known yet: 0 of 500 requests against 5 of 4,500"},
	} {
		t.Run(name, func(t *testing.T) {
			stdout, stderr, err := runPlayed(t, &played{counts: test.counts}, func(l *live) { l.wait = test.wait })
			if !errors.Is(err, test.is) || !strings.HasPrefix(stdout, test.first) {
				t.Errorf("%v\n%s", err, stdout)
			}
			if want := "VirtualService default/echo: v2 against v1, counts from a test\n"; stderr != want {
				t.Errorf("narration %q, want %q", stderr, want)
			}
		})
	}
}

// One look takes two readings where the source remembers nothing.
func TestLiveLooksOnce(t *testing.T) {
	stream := &played{counts: fails(1, 0)}
	stdout, _, err := runPlayed(t, stream, func(*live) {})
	if !errors.Is(err, ErrInconclusive) || stream.calls != 2 || !strings.Contains(stdout, "0 of 100 requests against 1 of 900") {
		t.Errorf("%d readings, %v\n%s", stream.calls, err, stdout)
	}
}

// A source that falls silent is told, and believed again when it speaks.
func TestLiveSurvivesASilentSource(t *testing.T) {
	gone := fmt.Errorf("Prometheus at x: %w: %w", metrics.ErrUnavailable,
		&url.Error{Op: "Get", URL: "http://x/api/v1/query?query=long", Err: errors.New("connection refused")})
	stream := &played{counts: fails(90, 10), silent: map[int]error{20: gone, 21: gone}}
	stdout, _, err := runPlayed(t, stream, func(l *live) {
		l.watch, l.wait, l.output = true, time.Hour, "json"
		// Decide late, so that the silence comes before.
		l.config.Margin = 1.2
	})
	if err != nil {
		t.Fatal(err)
	}
	var held, after int
	for line := range strings.Lines(stdout) {
		var v analysis.Verdict
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatal(err)
		}
		switch {
		case v.Reason != "":
			held++
			if v.Verdict != analysis.Inconclusive || v.Reason != "Prometheus at x: metrics source unavailable: connection refused" {
				t.Errorf("while silent: %s, %q", v.Verdict, v.Reason)
			}
		case held > 0:
			after++
		}
	}
	if held == 0 || after == 0 || !strings.Contains(stdout, `{"verdict":"pass"`) {
		t.Errorf("%d verdicts while silent, %d after\n%s", held, after, stdout)
	}
}

func TestLiveStopsAtErrorsThatWaitingDoesNotMend(t *testing.T) {
	forbidden := errors.New("forbidden")
	_, _, err := runPlayed(t, &played{silent: map[int]error{1: forbidden}}, func(l *live) { l.wait = time.Hour })
	if !errors.Is(err, forbidden) || !strings.HasPrefix(err.Error(), "analyse VirtualService default/echo: ") {
		t.Errorf("error %v", err)
	}
}

func TestLiveEndsWithTheRelease(t *testing.T) {
	_, _, err := runPlayed(t, &played{counts: fails(1, 0)}, func(l *live) {
		l.wait = time.Hour
		next := l.route
		next.Stable, next.Canary = "v2", ""
		l.again = func(context.Context) (traffic.Route, error) { return next, nil }
	})
	if !errors.Is(err, ErrInconclusive) || !strings.Contains(err.Error(), `it compares other versions now: stable "v2"`) {
		t.Errorf("error %v", err)
	}
}

// What was recorded is decided in the same way.
func TestRecordIsReplayed(t *testing.T) {
	var file bytes.Buffer
	stdout, _, err := runPlayed(t, &played{counts: fails(1, 10)}, func(l *live) { l.wait, l.record, l.output = time.Hour, &file, "json" })
	if !errors.Is(err, ErrVerdictFail) {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "release.jsonl")
	if err := os.WriteFile(path, file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, narration bytes.Buffer
	status := Run(t.Context(), []string{"canaryctl", "analyze", "--counts", path, "-o", "json"}, Streams{Out: &out, Err: &narration})
	if status != ExitRolledBack {
		t.Fatalf("status %d: %s", status, narration.String())
	}
	numbers := func(text string) []analysis.Evidence {
		var v analysis.Verdict
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			t.Fatal(err)
		}
		return []analysis.Evidence{v.Metrics[0].Rollback, v.Metrics[0].NonInferiority}
	}
	if diff := cmp.Diff(numbers(stdout), numbers(out.String())); diff != "" {
		t.Errorf("evidence (-live +replayed):\n%s", diff)
	}
}

func TestRatioChart(t *testing.T) {
	got := ratioChart([]analysis.Ratio{
		{Estimate: 1, Lower: 0, Upper: 100}, {Estimate: 4, Lower: 1, Upper: 8}, {Estimate: 100, Lower: 8, Upper: 500},
	})
	want := strings.Join([]string{
		"canary fails so many times as often as stable, over time",
		"    8x ││●",
		"    4x │● ",
		"    2x ││ ",
		"    1x ●│·",
		"  1/2x │  ",
		"  1/4x │  ",
		"  1/8x │  ", "",
	}, "\n")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("chart (-want +got):\n%s", diff)
	}
}

func TestLiveJudgesLatency(t *testing.T) {
	stdout, stderr, err := runPlayed(t, &played{counts: fails(1, 20)}, func(l *live) {
		l.method, l.wait = newMethod(), time.Hour
		l.method.latency.edge = 250 * time.Millisecond
		if l.config, _ = l.method.config(); l.config.Metrics[1].Name != "latency le=0.25" {
			t.Fatalf("metrics %+v", l.config.Metrics)
		}
	})
	if !errors.Is(err, ErrVerdictFail) || !strings.Contains(stdout, "that v2 takes longer than 250ms more than 1.1 times as often as v1") {
		t.Errorf("%v\n%s", err, stdout)
	}
	if strings.Contains(stderr, "edge") {
		t.Errorf("narration %q", stderr)
	}
	_, stderr, err = runPlayed(t, &played{counts: fails(90, 10)}, func(l *live) {
		l.method, l.wait = newMethod(), time.Minute
		l.method.latency.edge = 300 * time.Millisecond
		l.config, _ = l.method.config()
	})
	if !errors.Is(err, ErrUsage) || err.Error() != "--latency 300ms: the histogram has no such edge; it has 250ms" {
		t.Errorf("%v, narration %q", err, stderr)
	}
}

func TestWrap(t *testing.T) {
	for text, want := range map[string]string{
		"":                  "",
		"one":               "one",
		"one two three":     "one two\nthree",
		"seven123 a":        "seven123\na",
		"overlongword a bc": "overlongword\na bc",
	} {
		if diff := cmp.Diff(want, wrap(text, 8)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
}
