package router

import (
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Reporters: a mesh counts a request where it is sent and again where it
// arrives. Queries pin one of them.
const (
	source = iota
	dest
)

// telemetry is Istio's standard metrics; see
// https://istio.io/latest/docs/reference/config/metrics/
type telemetry struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	tcp      tcpTelemetry
}

// destinationLabels are what all metrics begin with.
func destinationLabels() []string {
	return []string{
		"reporter", "source_workload",
		"destination_workload", "destination_workload_namespace", "destination_app", "destination_version",
		"destination_service", "destination_service_name", "destination_service_namespace", "destination_canonical_revision",
	}
}

func newTelemetry() *telemetry {
	labels := append(destinationLabels(),
		"response_code", "request_protocol", "grpc_response_status", "response_flags", "connection_security_policy")
	registry := prometheus.NewRegistry()
	t := &telemetry{
		registry: registry,
		tcp:      newTCPTelemetry(registry),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "istio_requests_total",
			Help: "Requests and streams that have ended, as the client's side (reporter=\"source\") and the Pod's side (\"destination\") saw them.",
		}, labels),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "istio_request_duration_milliseconds",
			Help: "Time from the request to the end of the response.",
			Buckets: []float64{0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000,
				300000, 600000, 1800000, 3600000},
		}, labels),
	}
	t.registry.MustRegister(t.requests, t.duration)
	return t
}

func (t *telemetry) handler() http.Handler {
	return promhttp.HandlerFor(t.registry, promhttp.HandlerOpts{})
}

func (t *telemetry) forget(service string) {
	of := prometheus.Labels{"destination_service": service}
	t.requests.DeletePartialMatch(of)
	t.duration.DeletePartialMatch(of)
	t.tcp.forget(of)
}

// outcome is what one side of the mesh says of a request that has ended.
type outcome struct {
	code  int    // of the response; 0 where none began
	flags string // as Envoy writes them; "-" for none
	grpc  grpcStatus
}

// identity is the labels that say where a request went.
type identity struct {
	workload, namespace, app, version, revision string
	service, serviceName, serviceNamespace      string
}

// target counts the requests to one workload behind one Service. The series of
// answers without a response flag are kept at hand, because finding them by 15
// labels costs more than all the rest of the bookkeeping.
type target struct {
	telemetry *telemetry
	identity  identity
	answered  [2][500]atomic.Pointer[series]          // by reporter, and by code from 100
	called    [2][grpcStatuses]atomic.Pointer[series] // gRPC with code 200, by status
}

type series struct {
	count    prometheus.Counter
	duration prometheus.Observer
}

// report counts one request.
func (t *target) report(reporter int, o outcome, took time.Duration) {
	s := t.series(reporter, o)
	s.count.Inc()
	s.duration.Observe(float64(took) / float64(time.Millisecond))
}

func (t *target) series(reporter int, o outcome) *series {
	var slot *atomic.Pointer[series]
	switch {
	case o.flags != "-":
	case o.grpc == notGRPC && o.code >= 100 && o.code < 600:
		slot = &t.answered[reporter][o.code-100]
	case o.grpc >= 0 && o.grpc < grpcStatuses && o.code == http.StatusOK:
		slot = &t.called[reporter][o.grpc]
	}
	if slot == nil {
		return t.find(reporter, o)
	}
	if s := slot.Load(); s != nil {
		return s
	}
	s := t.find(reporter, o)
	slot.Store(s)
	return s
}

func (t *target) find(reporter int, o outcome) *series {
	protocol := "grpc"
	if o.grpc == notGRPC {
		protocol = "http"
	}
	values, security := t.labels(reporter)
	values = append(values, strconv.Itoa(o.code), protocol, o.grpc.label(), o.flags, security)
	return &series{
		count:    t.telemetry.requests.WithLabelValues(values...),
		duration: t.telemetry.duration.WithLabelValues(values...),
	}
}

// labels are the values of destinationLabels, and the connection's security,
// which only the receiving side knows.
func (t *target) labels(reporter int) (values []string, security string) {
	side, security := "source", "unknown"
	if reporter == dest {
		side, security = "destination", "none"
	}
	i := &t.identity
	return []string{
		side, "unknown",
		i.workload, i.namespace, i.app, i.version,
		i.service, i.serviceName, i.serviceNamespace, i.revision,
	}, security
}

// unknown replaces what a mesh does not know.
func unknown(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}
