package cli_test

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/canaryctl/canaryctl/internal/cli"
)

const (
	vectorA = "9000,9,1000,10\n"
	vectorB = "950,1,50,0\n900,1,100,2\n750,2,250,4\n500,1,500,9\n"
)

// analyzeCounts runs the program on counts from standard input.
func analyzeCounts(t *testing.T, counts string, flags ...string) (status int, stdout string) {
	t.Helper()
	var out, narration bytes.Buffer
	args := append([]string{"canaryctl", "analyze", "--counts", "-"}, flags...)
	status = cli.Run(t.Context(), args, cli.Streams{In: strings.NewReader(counts), Out: &out, Err: &narration})
	if status == cli.ExitFailed || status == cli.ExitUsage {
		t.Fatalf("%s: %s", args, narration.String())
	}
	return status, out.String()
}

// TestAnalyzeMatchesVectors holds the command to values that two independent
// implementations agreed on.
func TestAnalyzeMatchesVectors(t *testing.T) {
	type evidence struct {
		LogEvidence float64 `json:"logEvidence"`
	}
	type ratio struct {
		Estimate, Lower, Upper float64
	}
	for name, test := range map[string]struct {
		counts         string
		flags          []string
		rollback       float64
		nonInferiority float64
		ratio          ratio
	}{
		"A":              {vectorA, []string{"--tolerance=0"}, 8.529140170111, -2.579824422788, ratio{10, 2.16336, 48.4602}},
		"A, other":       {vectorA, []string{"--tolerance=10%", "--margin=2"}, 7.850062911781, -2.779294357367, ratio{10, 2.16336, 48.4602}},
		"B":              {vectorB, []string{"--tolerance=0"}, 6.297449747738, -2.480359196302, ratio{9.3 / 1.15, 1.51632, 75.1244}},
		"B, other":       {vectorB, []string{"--tolerance=0.1", "--margin=2"}, 5.632885854968, -2.609161973936, ratio{9.3 / 1.15, 1.51632, 75.1244}},
		"B, with onset":  {vectorB, []string{"--tolerance=0", "--onset", "--onset-intervals=4"}, 6.008519145400, -2.480359196302, ratio{9.3 / 1.15, 1.51632, 75.1244}},
		"B, with header": {"stable_total,stable_bad,canary_total,canary_bad\n" + vectorB, []string{"--tolerance=0"}, 6.297449747738, -2.480359196302, ratio{9.3 / 1.15, 1.51632, 75.1244}},
	} {
		t.Run(name, func(t *testing.T) {
			flags := append([]string{"--onset=false", "--evidence-cap=off", "--dispersion=1", "-o", "json"}, test.flags...)
			status, stdout := analyzeCounts(t, test.counts, flags...)
			var got struct {
				Verdict string
				Metrics []struct {
					Rollback, NonInferiority evidence
					Ratio                    ratio
				}
			}
			if err := json.Unmarshal([]byte(stdout), &got); err != nil {
				t.Fatal(err)
			}
			if got.Verdict != "fail" || status != cli.ExitRolledBack || len(got.Metrics) != 1 {
				t.Fatalf("verdict %s, status %d, %d metrics", got.Verdict, status, len(got.Metrics))
			}
			m := got.Metrics[0]
			for name, pair := range map[string][2]float64{
				"rollback":       {m.Rollback.LogEvidence, test.rollback},
				"nonInferiority": {m.NonInferiority.LogEvidence, test.nonInferiority},
			} {
				if math.Abs(pair[0]-pair[1]) > 1e-9 {
					t.Errorf("%s: log evidence %.12f, want %.12f", name, pair[0], pair[1])
				}
			}
			// The published bounds have six digits.
			if diff := cmp.Diff(test.ratio, m.Ratio, cmpopts.EquateApprox(1e-4, 0)); diff != "" {
				t.Errorf("ratio (-want +got):\n%s", diff)
			}
		})
	}
}

// TestAnalyzeContract holds -o json to the example of docs/analyze.md, every
// field of it.
func TestAnalyzeContract(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "analyze.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "```json\n")
	want, _, found := strings.Cut(rest, "```\n")
	if !found {
		t.Fatal("docs/analyze.md has no example in JSON")
	}
	_, got := analyzeCounts(t, vectorB, "--weight=20", "--negligible=0.1%", "--dispersion=1", "-o", "json")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("docs/analyze.md differs from the program (-page +program):\n%s", diff)
	}
}

// What cannot be meant is said in the words of the flag.
func TestAnalyzeFlags(t *testing.T) {
	for flags, want := range map[string]string{
		"--given-up=2":                    "--given-up 2 and --unanswered 0.25 take all of --alpha, and leave nothing for errors",
		"--given-up=50% --unanswered=60%": "--given-up 0.5 and --unanswered 0.6 take all of --alpha, and leave nothing for errors",
		"--given-up=-10%":                 "--given-up -0.1: a part of --alpha cannot be negative",
		"--unanswered=-0.1":               "--unanswered -0.1: a part of --alpha cannot be negative",
		"--onset-intervals=0 --onset":     "--onset-intervals 0: say 1 or more, or --onset=false",
	} {
		var narration bytes.Buffer
		args := append([]string{"canaryctl", "analyze", "--counts", "-"}, strings.Fields(flags)...)
		status := cli.Run(t.Context(), args, cli.Streams{In: strings.NewReader(vectorA), Out: &narration, Err: &narration})
		if got, _, _ := strings.Cut(narration.String(), "\n"); status != cli.ExitUsage || got != "canaryctl: "+want {
			t.Errorf("%s: status %d, %s, want %s", flags, status, got, want)
		}
	}
}
