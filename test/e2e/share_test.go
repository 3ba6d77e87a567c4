package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/canaryctl/canaryctl/internal/stats"
)

// falseAlarm is how often a correct split fails one share check: with about a
// hundred checks a run, once in ten million runs.
const falseAlarm = 1e-9

// wantShare sends n requests through the router to the host and fails unless
// the version's share of the answers is what a binomial with the given share
// would give. A share of 0 or 1 must hold for every request, once the router
// knows of it: like any mesh, it hears of a write a moment after the writer.
func wantShare(t *testing.T, host, version string, share float64, n int) {
	t.Helper()
	settle(t, host)
	if share == 0 || share == 1 {
		eventually(t, 10*time.Second, func() (bool, string) {
			hits := ask(t, host, n)[version]
			return hits == int(share)*n, fmt.Sprintf("%s answered %d of %d requests to %s", version, hits, n, host)
		})
		return
	}
	hits := ask(t, host, n)[version]
	if p := stats.BinomialTest(hits, n, share); p < falseAlarm {
		t.Errorf("%s answered %d of %d requests to %s: configured share %g, p = %.2g", version, hits, n, host, share, p)
	}
}

// settle waits until the router knows the endpoints of what it routes to: on a
// busy machine they come a moment after the Pods are ready.
func settle(t *testing.T, host string) {
	t.Helper()
	eventually(t, 10*time.Second, func() (bool, string) {
		for range 50 {
			if _, err := request(t.Context(), host); err != nil {
				return false, err.Error()
			}
		}
		return true, ""
	})
}

// ask sends n requests and counts who answered. An answer other than 200 fails.
func ask(t *testing.T, host string, n int) map[string]int {
	t.Helper()
	answers := map[string]int{}
	for range n {
		version, err := request(t.Context(), host)
		if err != nil {
			t.Fatal(err)
		}
		answers[version]++
	}
	return answers
}

func request(ctx context.Context, host string) (version string, err error) {
	return requestBy(ctx, http.DefaultClient, host)
}

func requestBy(ctx context.Context, client *http.Client, host string) (version string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, lab.Router+"/version", nil)
	if err != nil {
		return "", err
	}
	req.Host = host
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s answered %s: %s", host, resp.Status, body)
	}
	var answer struct{ Version string }
	return answer.Version, json.Unmarshal(body, &answer)
}
