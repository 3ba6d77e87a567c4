package prometheus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"
)

// The HTTP API, in the shapes of
// https://prometheus.io/docs/prometheus/latest/querying/api/

// answer is what an endpoint of the API gives.
type answer struct {
	data     any
	warnings annotations.Annotations
	query    string // for the positions in warnings
}

// apiError is an error with Prometheus' type for it.
type apiError struct {
	kind string
	err  error
}

func (e *apiError) Error() string { return e.err.Error() }
func (e *apiError) Unwrap() error { return e.err }

const (
	badData     = "bad_data"
	execution   = "execution"
	canceled    = "canceled"
	timeout     = "timeout"
	internal    = "internal"
	notFound    = "not_found"
	unavailable = "unavailable"
)

func bad(format string, arguments ...any) error {
	return &apiError{badData, fmt.Errorf(format, arguments...)}
}

// Handler serves the API, and a page that says what this is.
func (p *Prometheus) Handler() http.Handler {
	mux := http.NewServeMux()
	both := func(path string, serve func(*http.Request) (answer, error)) {
		mux.Handle("GET /api/v1"+path, endpointOf(serve))
		mux.Handle("POST /api/v1"+path, endpointOf(serve))
	}
	both("/query", p.serveQuery)
	both("/query_range", p.serveQueryRange)
	both("/query_exemplars", func(*http.Request) (answer, error) { return answer{data: []any{}}, nil })
	both("/format_query", p.serveFormat)
	both("/series", p.serveSeries)
	both("/labels", p.serveLabels)
	both("/label/{name}/values", p.serveLabelValues)
	both("/metadata", p.serveMetadata)
	both("/targets", p.serveTargets)
	both("/rules", p.serveRules)
	both("/alerts", p.serveAlerts)
	both("/status/buildinfo", p.serveBuildInfo)
	both("/status/runtimeinfo", p.serveRuntimeInfo)
	mux.HandleFunc("/api/", func(w http.ResponseWriter, r *http.Request) {
		writeError(w, &apiError{notFound, fmt.Errorf("the lab's Prometheus has no %s %s", r.Method, r.URL.Path)})
	})
	mux.HandleFunc("GET /-/healthy", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "Prometheus Server is Healthy.")
	})
	mux.HandleFunc("GET /-/ready", p.serveReady)
	mux.HandleFunc("GET /{$}", p.servePage)
	return mux
}

func (p *Prometheus) serveReady(w http.ResponseWriter, _ *http.Request) {
	select {
	case <-p.ready:
		fmt.Fprintln(w, "Prometheus Server is Ready.")
	default:
		http.Error(w, "Service Unavailable", http.StatusServiceUnavailable)
	}
}

func (p *Prometheus) servePage(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprintf(w, `This is the canary-lab Prometheus: the real PromQL engine over %v of samples in memory,
taken every %v. There is no user interface; ask the HTTP API, or point Grafana here:

    curl -s http://%s/api/v1/query --data-urlencode 'query=sum by (destination_version) (rate(istio_requests_total{reporter="destination"}[30s]))'
    curl -s http://%s/api/v1/targets
`, p.config.Retention, p.config.Interval, r.Host, r.Host)
}

// endpointOf turns a function into a handler that writes Prometheus' envelope.
func endpointOf(serve func(*http.Request) (answer, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*") // as Prometheus: it holds no secrets
		if err := r.ParseForm(); err != nil {
			writeError(w, bad("error parsing form values: %w", err))
			return
		}
		result, err := serve(r)
		if err != nil {
			writeError(w, err)
			return
		}
		warnings, infos := result.warnings.AsStrings(result.query, 10, 10)
		writeJSON(w, http.StatusOK, map[string]any{"status": "success", "data": result.data, "warnings": warnings, "infos": infos})
	})
}

func writeError(w http.ResponseWriter, err error) {
	kind, code := internal, http.StatusInternalServerError
	var typed *apiError
	if errors.As(err, &typed) {
		kind = typed.kind
	}
	switch kind {
	case badData:
		code = http.StatusBadRequest
	case execution:
		code = http.StatusUnprocessableEntity
	case canceled:
		code = 499 // as nginx and Prometheus name a client that went away
	case timeout, unavailable:
		code = http.StatusServiceUnavailable
	case notFound:
		code = http.StatusNotFound
	}
	writeJSON(w, code, map[string]any{"status": "error", "errorType": kind, "error": err.Error()})
}

// writeJSON leaves empty warnings and infos out, as Prometheus does.
func writeJSON(w http.ResponseWriter, code int, envelope map[string]any) {
	for _, optional := range []string{"warnings", "infos"} {
		if list, ok := envelope[optional].([]string); ok && len(list) == 0 {
			delete(envelope, optional)
		}
	}
	body, err := json.Marshal(envelope)
	if err != nil {
		writeError(w, fmt.Errorf("encode the answer: %w", err))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(body)
}

// serveQuery evaluates an expression at one moment.
func (p *Prometheus) serveQuery(r *http.Request) (answer, error) {
	at, err := timeParam(r, "time", time.Now())
	if err != nil {
		return answer{}, err
	}
	return p.evaluate(r, func(ctx context.Context, opts promql.QueryOpts) (promql.Query, error) {
		return p.engine.NewInstantQuery(ctx, p.store, opts, r.FormValue("query"), at)
	})
}

// serveQueryRange evaluates an expression at every step of a range.
func (p *Prometheus) serveQueryRange(r *http.Request) (answer, error) {
	start, err := timeParam(r, "start", time.Time{})
	if err != nil {
		return answer{}, err
	}
	end, err := timeParam(r, "end", time.Time{})
	if err != nil {
		return answer{}, err
	}
	step, err := durationParam(r, "step", 0)
	switch {
	case err != nil:
		return answer{}, err
	case end.Before(start):
		return answer{}, bad(`invalid parameter "end": end timestamp must not be before start time`)
	case step <= 0:
		return answer{}, bad(`invalid parameter "step": zero or negative query resolution step widths are not accepted. Try a positive integer`)
	case end.Sub(start)/step > 11000:
		return answer{}, bad("exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)")
	}
	return p.evaluate(r, func(ctx context.Context, opts promql.QueryOpts) (promql.Query, error) {
		return p.engine.NewRangeQuery(ctx, p.store, opts, r.FormValue("query"), start, end, step)
	})
}

func (p *Prometheus) evaluate(r *http.Request, prepare func(context.Context, promql.QueryOpts) (promql.Query, error)) (answer, error) {
	limit, err := durationParam(r, "timeout", time.Minute)
	if err != nil {
		return answer{}, err
	}
	lookback, err := durationParam(r, "lookback_delta", 0)
	if err != nil {
		return answer{}, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), limit)
	defer cancel()
	q, err := prepare(ctx, promql.NewPrometheusQueryOpts(false, lookback, nil))
	if err != nil {
		return answer{}, bad(`invalid parameter "query": %w`, err)
	}
	defer q.Close()
	result := q.Exec(ctx)
	if result.Err != nil {
		return answer{}, queryError(result.Err)
	}
	// Encoded here, because Close hands the result's memory back to the engine.
	encoded, err := json.Marshal(map[string]any{"resultType": result.Value.Type(), "result": notNil(result.Value)})
	if err != nil {
		return answer{}, fmt.Errorf("encode the result: %w", err)
	}
	return answer{data: json.RawMessage(encoded), warnings: result.Warnings, query: q.String()}, nil
}

// notNil makes an empty result [] rather than null.
func notNil(value any) any {
	switch v := value.(type) {
	case promql.Vector:
		if v == nil {
			return promql.Vector{}
		}
	case promql.Matrix:
		if v == nil {
			return promql.Matrix{}
		}
	}
	return value
}

func queryError(err error) error {
	var cancelled promql.ErrQueryCanceled
	var late promql.ErrQueryTimeout
	var store promql.ErrStorage
	switch {
	case errors.As(err, &cancelled):
		return &apiError{canceled, err}
	case errors.As(err, &late):
		return &apiError{timeout, err}
	case errors.As(err, &store):
		return &apiError{internal, err}
	}
	return &apiError{execution, err}
}

var _ storage.Queryable = (*store)(nil)
