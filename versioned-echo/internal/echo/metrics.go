package echo

import (
	"net/http"
	"strconv"
	"time"

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
}

func newMeter(version string) *meter {
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "http_requests_total",
		Help: "Requests answered, by route, method and status code.",
	}, []string{"route", "method", "code", "version"})
	duration := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "http_request_duration_seconds",
		Help:    "Time from a request's header to the end of its answer.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		// The native form costs one series and resolves quantiles to 10%; a
		// scraper that speaks protobuf gets it, others get the buckets above.
		NativeHistogramBucketFactor:     1.1,
		NativeHistogramMaxBucketNumber:  160,
		NativeHistogramMinResetDuration: time.Hour,
	}, []string{"route", "method", "version"})

	registry := prometheus.NewRegistry()
	registry.MustRegister(requests, duration,
		collectors.NewBuildInfoCollector(),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	own := prometheus.Labels{"version": version}
	return &meter{
		registry: registry,
		requests: requests.MustCurryWith(own),
		duration: duration.MustCurryWith(own),
	}
}

// handler serves the metrics, and counts its own scrapes.
func (m *meter) handler() http.Handler {
	return promhttp.InstrumentMetricHandler(m.registry,
		promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry}))
}

// count measures a route. The route is its pattern and never the path, so that
// no client can make up label values.
func (m *meter) count(route string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		answer := &recorder{ResponseWriter: w, code: http.StatusOK}
		next.ServeHTTP(answer, r)
		method := methodLabel(r.Method)
		m.requests.WithLabelValues(route, method, strconv.Itoa(answer.code)).Inc()
		m.duration.WithLabelValues(route, method).Observe(time.Since(start).Seconds())
	})
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
