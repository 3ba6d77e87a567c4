package echo

import (
	"net/http"
	"strconv"
	"time"

	grpcprom "github.com/grpc-ecosystem/go-grpc-middleware/providers/prometheus"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// meter counts what users asked for. Probes, scrapes and changes of faults are
// not counted: they are no traffic, and would water down the error share and
// the latency that a canary is judged by.
type meter struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	duration prometheus.ObserverVec
	inFlight prometheus.Gauge
	grpc     *grpcprom.ServerMetrics
}

func newMeter(version string) *meter {
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "http_requests_total",
		Help: "Requests answered, by route, method and status code.",
	}, []string{"route", "method", "code", "version"})
	times := histogram()
	times.Name = "http_request_duration_seconds"
	times.Help = "Time from a request's header to the end of its answer."
	duration := prometheus.NewHistogramVec(times, []string{"route", "method", "version"})
	own := prometheus.Labels{"version": version}
	inFlight := prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "http_requests_in_flight",
		Help:        "Requests that are being answered, WebSockets that are open.",
		ConstLabels: own,
	})
	calls := newCallMetrics(own)

	registry := prometheus.NewRegistry()
	registry.MustRegister(requests, duration, inFlight, calls,
		collectors.NewBuildInfoCollector(),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return &meter{
		registry: registry,
		requests: requests.MustCurryWith(own),
		duration: duration.MustCurryWith(own),
		inFlight: inFlight,
		grpc:     calls,
	}
}

// newCallMetrics is the middleware that most gRPC services in Go count with, as
// it comes: calls to the health service count, too.
func newCallMetrics(own prometheus.Labels) *grpcprom.ServerMetrics {
	times := histogram()
	return grpcprom.NewServerMetrics(
		grpcprom.WithServerCounterOptions(grpcprom.WithConstLabels(own)),
		grpcprom.WithServerHandlingTimeHistogram(grpcprom.WithHistogramOpts(&times), grpcprom.WithHistogramConstLabels(own)))
}

// histogram is the resolution of all latencies.
func histogram() prometheus.HistogramOpts {
	return prometheus.HistogramOpts{
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		// The native form costs one series and resolves quantiles to 10%; a
		// scraper that speaks protobuf gets it, others get the buckets above.
		NativeHistogramBucketFactor:     1.1,
		NativeHistogramMaxBucketNumber:  160,
		NativeHistogramMinResetDuration: time.Hour,
	}
}

// handler serves the metrics, and counts its own scrapes.
func (m *meter) handler() http.Handler {
	return promhttp.InstrumentMetricHandler(m.registry,
		promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry}))
}

// count measures a route. The route is its pattern and never the path, so that
// no client can make up label values. It counts when and what promhttp's
// InstrumentHandlerCounter counts, which would write methods in lower case: at
// the end, 200 if the handler wrote nothing, and nothing if it panicked.
func (m *meter) count(route string, next http.Handler) http.Handler {
	return promhttp.InstrumentHandlerInFlight(m.inFlight, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		answer := &recorder{ResponseWriter: w, code: http.StatusOK}
		next.ServeHTTP(answer, r)
		method := methodLabel(r.Method)
		m.requests.WithLabelValues(route, method, strconv.Itoa(answer.code)).Inc()
		m.duration.WithLabelValues(route, method).Observe(time.Since(start).Seconds())
	}))
}

// methodLabel bounds the label: HTTP lets a client invent methods.
func methodLabel(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut,
		http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	}
	return "other"
}

// recorder remembers the status code of an answer.
type recorder struct {
	http.ResponseWriter
	code int
}

func (r *recorder) WriteHeader(code int) {
	r.code = code
	r.ResponseWriter.WriteHeader(code)
}

// Unwrap lets http.ResponseController reach the writer below.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
