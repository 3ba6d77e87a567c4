package prometheus

import (
	"context"
	"errors"
	"net"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/prometheus/client_golang/api"
	apiv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
)

// epoch is a moment that test data start at.
func epoch() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) }

// newTest makes a Prometheus without API server and port.
func newTest(t testing.TB) *Prometheus {
	t.Helper()
	config := Config{DialContext: func(context.Context, string, string) (net.Conn, error) {
		return nil, errors.New("no network in this test")
	}}
	if err := config.complete(); err != nil {
		t.Fatal(err)
	}
	p := newEngine(config)
	t.Cleanup(func() {
		if err := p.engine.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// client is the field's own client of the HTTP API.
func (p *Prometheus) client(t testing.TB) apiv1.API {
	t.Helper()
	server := httptest.NewServer(p.Handler())
	t.Cleanup(server.Close)
	c, err := api.NewClient(api.Config{Address: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if closer, ok := c.(api.CloseIdler); ok {
			closer.CloseIdleConnections()
		}
	})
	return apiv1.NewAPI(c)
}

// fill appends one value a second from the epoch on; pairs are labels.
func (p *Prometheus) fill(t testing.TB, values []float64, pairs ...string) {
	t.Helper()
	for i, v := range values {
		at := epoch().Add(time.Duration(i) * time.Second).UnixMilli()
		if err := p.store.append(labels.FromStrings(pairs...), sample{t: at, v: v}); err != nil {
			t.Fatal(err)
		}
	}
}

// ask evaluates an expression some seconds after the epoch and returns the
// samples as "labels => value".
func ask(t testing.TB, c apiv1.API, expression string, seconds float64) []string {
	t.Helper()
	value, warnings, _, err := c.Query(t.Context(), expression, epoch().Add(time.Duration(seconds*float64(time.Second))))
	if err != nil || len(warnings) > 0 {
		t.Fatalf("%s: %v %v", expression, err, warnings)
	}
	got := []string{}
	switch v := value.(type) {
	case model.Vector:
		for _, s := range v {
			got = append(got, s.Metric.String()+" => "+s.Value.String())
		}
	case *model.Scalar:
		got = append(got, v.Value.String())
	}
	return got
}
