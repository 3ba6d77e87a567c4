package mesh

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Labels are those of istio_requests_total that tell how a request ended.
type Labels struct {
	Reporter string // source or destination
	Version  string // destination_version; unknown to a sender that got no answer
	Revision string // destination_canonical_revision; latest without an endpoint
	Code     string // response_code; 0 where there was none
	Flags    string // response_flags of Envoy's access log; - for none
	GRPC     string // grpc_response_status; empty for plain HTTP
}

// Requests is what the Envoy has counted of the requests with a header x-case.
func (s *Sidecar) Requests(ctx context.Context, name string) (map[Labels]int, error) {
	found, err := s.metrics(ctx, "istio.*requests_total")
	if err != nil {
		return nil, err
	}
	counts := map[Labels]int{}
	for _, m := range found["envoy_istio_requests_total"].GetMetric() {
		l := labels(m)
		if l["test_case"] != name {
			continue
		}
		counts[Labels{
			Reporter: l["reporter"], Version: cmp.Or(l["destination_version"], "unknown"), Revision: revision(l),
			Code: l["response_code"], Flags: l["response_flags"], GRPC: l["grpc_response_status"],
		}] += int(m.GetCounter().GetValue())
	}
	return counts, nil
}

// Gauges of a cluster: the requests that are under way, and those that wait for a
// connection.
const (
	Active  = "upstream_rq_active"
	Pending = "upstream_rq_pending_active"
)

// Gauge is how many requests of a subset the Envoy has open.
func (s *Sidecar) Gauge(ctx context.Context, gauge, subset string) (int, error) {
	found, err := s.metrics(ctx, gauge+"$")
	if err != nil {
		return 0, err
	}
	open := 0
	for _, m := range found["envoy_cluster_"+gauge].GetMetric() {
		if strings.Contains(labels(m)["cluster_name"], "|"+subset+"|") {
			open += int(m.GetGauge().GetValue())
		}
	}
	return open, nil
}

// metrics reads those that match a regular expression.
func (s *Sidecar) metrics(ctx context.Context, filter string) (map[string]*dto.MetricFamily, error) {
	at := s.Admin + "/stats/prometheus?filter=" + url.QueryEscape(filter)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("read the counters of %s: %w", s.pod.Name, err)
	}
	defer resp.Body.Close()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	found, err := parser.TextToMetricFamilies(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("read the counters of %s: %w", s.pod.Name, err)
	}
	return found, nil
}

// revision is the fourth part of what istiod says about an endpoint,
// "workload;namespace;canonical name;canonical revision;cluster". Envoy's formatter
// cannot cut it out.
func revision(l map[string]string) string {
	if parts := strings.Split(l["destination_endpoint"], ";"); len(parts) > 3 {
		return parts[3]
	}
	return cmp.Or(l["destination_canonical_revision"], "latest")
}

func labels(m *dto.Metric) map[string]string {
	l := map[string]string{}
	for _, pair := range m.GetLabel() {
		l[pair.GetName()] = pair.GetValue()
	}
	return l
}

// Add sums counts.
func Add(counts ...map[Labels]int) map[Labels]int {
	sum := map[Labels]int{}
	for _, c := range counts {
		for l := range maps.Keys(c) {
			sum[l] += c[l]
		}
	}
	return sum
}
