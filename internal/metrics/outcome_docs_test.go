package metrics

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestOutcomesAsDocumented takes the table of docs/analyze.md at its word: what a
// cell says that is counted, with the outcome that it says.
func TestOutcomesAsDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/analyze.md")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(page), "| what happened | the user got | sender | receiver | the application's own |\n|---|---|---|---|---|\n")
	table, _, _ := strings.Cut(after, "\n\n")
	outcomes := map[string]outcome{"good": good(), "failed": failed(), "given up": givenUp()}
	cell := regexp.MustCompile("`([^`]+)` (good|failed|given up)")
	checked := 0
	for row := range strings.SplitSeq(table, "\n") {
		columns := strings.Split(strings.Trim(row, "|"), "|")
		if len(columns) != 5 {
			t.Fatalf("%d columns: %s", len(columns), row)
		}
		for i, side := range []string{"source", "destination", ""} {
			for _, said := range cell.FindAllStringSubmatch(columns[2+i], -1) {
				checked++
				profile, name, labels := "app", "http_requests_total", appLabels(said[1])
				if side != "" {
					profile, name, labels = "istio", "istio_requests_total", envoyLabels(side, said[1])
				} else if labels["grpc_code"] != "" {
					name = "grpc_server_handled_total"
				}
				p, err := FindProfile(profile)
				if err != nil {
					t.Fatal(err)
				}
				if got := countOne(t, p, name, labels); got != outcomes[said[2]] {
					t.Errorf("%s, %s%s: %+v, and the page says %s", strings.TrimSpace(columns[0]), side, said[1], got, said[2])
				}
			}
		}
	}
	if checked < 35 {
		t.Errorf("only %d cells of the table were found", checked)
	}
}

// envoyLabels are those of "code flags grpc", the last two if they are there.
func envoyLabels(reporter, text string) map[string]string {
	f := append(strings.Fields(text), "-", "")
	if len(f) == 5 {
		f = f[:3]
	}
	if f[2] == "-" {
		f[2] = ""
	}
	return map[string]string{"reporter": reporter, "response_code": f[0], "response_flags": f[1], "grpc_response_status": f[2]}
}

func appLabels(text string) map[string]string {
	labels := map[string]string{"namespace": "shop", "pod": "cart-v2-5d9c7b8f6d-abcde"}
	for pair := range strings.SplitSeq(text, ",") {
		name, value, _ := strings.Cut(pair, "=")
		labels[name] = value
	}
	return labels
}
