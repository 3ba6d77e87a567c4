package metrics

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// recorded answers by the metric that a query names, and keeps the queries.
type recorded struct {
	name    string
	answers map[string]map[string]float64
	err     error
	asked   []string
}

func (r *recorded) Name() string { return r.name }

func (r *recorded) Sum(_ context.Context, promQL, label string) (map[string]float64, error) {
	r.asked = append(r.asked, label+": "+promQL)
	for metric, values := range r.answers {
		if strings.Contains(promQL, metric+"{") {
			return values, r.err
		}
	}
	return nil, r.err
}

// slow never answers before it is told to give up.
type slow struct{}

func (slow) Name() string { return "slow" }

func (slow) Sum(ctx context.Context, _, _ string) (map[string]float64, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestObserved(t *testing.T) {
	absent := &recorded{name: "gone", err: fmt.Errorf("%w: 404", ErrAbsent)}
	broken := &recorded{name: "broken", err: errors.New("query refused")}
	idle := &recorded{name: "idle", answers: map[string]map[string]float64{"istio_requests_total": {"v1": 0}}}
	mesh := &recorded{name: "mesh", answers: map[string]map[string]float64{
		"istio_requests_total": {"v1": 90, "v2": 10}, "http_requests_total": {"v1": 1}}}
	app := &recorded{name: "app", answers: map[string]map[string]float64{"http_requests_total": {"v1": 30, "v2": 70}}}

	for name, test := range map[string]struct {
		sources []Source
		want    Observation
	}{
		"mesh is believed first": {[]Source{absent, mesh}, Observation{
			Requests: map[string]float64{"v1": 90, "v2": 10}, Window: time.Minute, Source: "mesh, istio_requests_total"}},
		"application where there is no mesh": {[]Source{app}, Observation{
			Requests: map[string]float64{"v1": 30, "v2": 70}, Window: time.Minute, Source: "app, http_requests_total"}},
		"first with figures wins": {[]Source{idle, broken, app, mesh}, Observation{
			Requests: map[string]float64{"v1": 30, "v2": 70}, Window: time.Minute, Source: "app, http_requests_total"}},
		"nothing there":       {[]Source{absent, absent}, Observation{Window: time.Minute, Reason: "no Prometheus found; name one with --prometheus-url"}},
		"a failure says more": {[]Source{absent, broken}, Observation{Window: time.Minute, Reason: "broken: query refused"}},
		"no traffic":          {[]Source{idle}, Observation{Window: time.Minute, Reason: "idle has no request of echo in the last 1m0s"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := Observed(t.Context(), Query{Namespace: "default", Service: "echo", App: "echo"}, test.sources...)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("observation (-want +got):\n%s", diff)
			}
		})
	}
}

func TestQueriesPinOneReporterAndLeaveProbesOut(t *testing.T) {
	r := &recorded{name: "idle"}
	Observed(t.Context(), Query{Namespace: "shop", Service: "cart.shop.svc.cluster.local", App: "cart", Window: 30 * time.Second}, r)
	want := []string{
		`destination_version: sum by (destination_version) (increase(istio_requests_total{reporter="destination",destination_service_name="cart",destination_service_namespace="shop"}[30s]))`,
		`version: sum by (version) (increase(http_requests_total{namespace="shop",pod=~"cart-.+",route!~"/health|/metrics"}[30s]))`,
	}
	if diff := cmp.Diff(want, r.asked); diff != "" {
		t.Errorf("queries (-want +got):\n%s", diff)
	}
}

func TestObservedLosesPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		got := Observed(t.Context(), Query{Service: "echo"}, slow{})
		if took := time.Since(start); took != Patience {
			t.Errorf("waited %s, want %s", took, Patience)
		}
		if got.OK() || !strings.Contains(got.Reason, "deadline exceeded") {
			t.Errorf("got %+v, want a reason that names the deadline", got)
		}
	})
}

func TestShare(t *testing.T) {
	o := Observation{Requests: map[string]float64{"v1": 90, "v2": 10}}
	if share, ok := o.Share("v2"); share != .1 || !ok {
		t.Errorf("v2: %v %v, want 0.1", share, ok)
	}
	if share, ok := o.Share("v3"); share != 0 || !ok {
		t.Errorf("v3: %v %v, want 0: it answered nothing", share, ok)
	}
	if _, ok := (Observation{Reason: "none"}).Share("v1"); ok {
		t.Error("a share of nothing")
	}
}
