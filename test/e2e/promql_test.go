package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"testing"
	"time"

	"github.com/canaryctl/canaryctl/test/manifests"
)

// TestEveryExpressionReturnsSeries runs every PromQL expression of the rules and
// the dashboard against a Prometheus that has the demo's data. What is empty for
// a healthy release must fill once v2 fails.
func TestEveryExpressionReturnsSeries(t *testing.T) {
	tree, err := fs.Sub(os.DirFS(lab.Root), "k8s")
	if err != nil {
		t.Fatal(err)
	}
	exprs, err := manifests.Expressions(tree)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		try(t, "kubectl delete --ignore-not-found -f k8s/canary -f k8s/base -f k8s/monitoring/servicemonitor.yaml -f k8s/monitoring/prometheusrule.yaml")
	})
	sh(t, "kubectl apply -f k8s/base -f k8s/canary/deployment-v2.yaml && kubectl apply -f k8s/canary/vs-50-50.yaml -f k8s/monitoring")
	sh(t, "kubectl rollout status deploy/versioned-echo-v1 && kubectl rollout status deploy/versioned-echo-v2")
	sh(t, "kubectl set env deploy/versioned-echo-v2 FAULT_ERROR_SHARE=0.3 FAULT_LATENCY=800ms FAULT_LATENCY_SHARE=0.5 && kubectl rollout status deploy/versioned-echo-v2")
	visit(t, "versioned-echo", 80)

	for _, e := range exprs {
		t.Run(fmt.Sprintf("%s/%s", e.Kind, e.Name), func(t *testing.T) {
			eventually(t, 90*time.Second, func() (bool, string) {
				n, err := seriesOf(t.Context(), e.Query)
				if err != nil {
					t.Fatalf("%s: %v\n%s", e.File, err, e.Query)
				}
				return n > 0 || e.MayBeEmpty, "no series: " + e.Query
			})
		})
	}
	t.Run("the alert on errors", func(t *testing.T) {
		eventually(t, 90*time.Second, func() (bool, string) {
			n, err := seriesOf(t.Context(), `ALERTS{alertname="CanaryErrors"}`)
			return err == nil && n > 0, fmt.Sprintf("%d series, %v", n, err)
		})
	})
}

// seriesOf counts the series that an instant query returns.
func seriesOf(ctx context.Context, query string) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, lab.Prometheus+"/api/v1/query?query="+url.QueryEscape(query), nil)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	var answer struct {
		Status, Error string
		Data          struct {
			ResultType string
			Result     json.RawMessage
		}
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return 0, err
	}
	if answer.Status != "success" {
		return 0, fmt.Errorf("prometheus: %s", answer.Error)
	}
	if answer.Data.ResultType == "scalar" {
		return 1, nil
	}
	var series []json.RawMessage
	err = json.Unmarshal(answer.Data.Result, &series)
	return len(series), err
}
