// Package prometheus asks Prometheus' HTTP API for sums of counters. The one
// endpoint that takes is decoded here: the official client would add to the
// start of every command, rollback included, what one of them uses.
package prometheus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/canaryctl/canaryctl/internal/metrics"
)

// What is read of an answer at most, in bytes: sums by version are small, and a
// proxy in between may answer with anything.
const (
	maxSums = 1 << 20
	maxRaw  = 64 << 20
)

// maxAddress is the longest query that goes into the address line, which servers
// bound at 8 kB and more.
const maxAddress = 4 << 10

// Server is one Prometheus.
type Server struct {
	name string
	http *http.Client
	// base finds the URL that /api/v1/query hangs below, when first needed.
	base func(context.Context) (*url.URL, error)
}

// At returns the Prometheus at a URL, which may have a path prefix.
func At(base *url.URL, client *http.Client) *Server {
	return &Server{
		name: "Prometheus at " + base.Redacted(),
		http: client,
		base: func(context.Context) (*url.URL, error) { return base, nil },
	}
}

// Name implements metrics.Source.
func (s *Server) Name() string { return s.name }

// Sum implements metrics.Source with an instant query
// (https://prometheus.io/docs/prometheus/latest/querying/api/#instant-queries).
func (s *Server) Sum(ctx context.Context, promQL, label string) (map[string]float64, error) {
	response, err := s.ask(ctx, url.Values{"query": {promQL}})
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := read(response.Body, maxSums)
	if err != nil {
		return nil, err
	}
	return decode(response.StatusCode, body, label)
}

// errTooLong is wrapped by the error for an answer that is not read to its end.
var errTooLong = errors.New("it is too long")

// ask sends an instant query. It is a GET, which through the API server's proxy
// takes the lesser permission, unless it is too long for the address line.
func (s *Server) ask(ctx context.Context, query url.Values) (*http.Response, error) {
	base, err := s.base(ctx)
	if err != nil {
		return nil, err
	}
	where := base.JoinPath("api/v1/query")
	form := query.Encode()
	method, body := http.MethodGet, io.Reader(nil)
	if len(form) > maxAddress {
		method, body = http.MethodPost, strings.NewReader(form)
	} else {
		where.RawQuery = form
	}
	request, err := http.NewRequestWithContext(ctx, method, where.String(), body)
	if err != nil {
		return nil, fmt.Errorf("query: %w", err)
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	response, err := s.http.Do(request)
	if err != nil {
		return nil, fmt.Errorf("query: %w", err)
	}
	return response, nil
}

// read reads an answer, up to a number of bytes.
func read(from io.Reader, most int64) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(from, most+1))
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	if int64(len(body)) > most {
		return nil, fmt.Errorf("read the answer: %w: more than %d MiB", errTooLong, most>>20)
	}
	return body, nil
}

type sample struct {
	Metric map[string]string  `json:"metric"`
	Value  [2]json.RawMessage `json:"value"` // time, value as a string
}

func decode(code int, body []byte, label string) (map[string]float64, error) {
	result, err := resultOf(code, body, "vector")
	if err != nil {
		return nil, err
	}
	var samples []sample
	if err := json.Unmarshal(result, &samples); err != nil {
		return nil, notPrometheus(code, body)
	}
	sums := make(map[string]float64, len(samples))
	for _, one := range samples {
		v, err := number(one.Value[1])
		if err != nil {
			return nil, err
		}
		sums[one.Metric[label]] += v
	}
	return sums, nil
}

// errRefused is wrapped by the error for a query that the server does not answer, and
// errKind for an answer of another kind than was asked for.
var (
	errRefused = errors.New("query refused")
	errKind    = errors.New("query returned something else")
)

// resultOf opens the envelope of every answer of the API: a result of that kind.
func resultOf(code int, body []byte, kind string) (json.RawMessage, error) {
	var a struct {
		Status, Error string
		Data          struct {
			ResultType string
			Result     json.RawMessage
		}
	}
	if err := json.Unmarshal(body, &a); err != nil || (a.Status != "success" && a.Status != "error") {
		return nil, notPrometheus(code, body)
	}
	if a.Status == "error" {
		return nil, fmt.Errorf("%w: %s", errRefused, a.Error)
	}
	if a.Data.ResultType != kind {
		return nil, fmt.Errorf("%w: a %s, want a %s", errKind, a.Data.ResultType, kind)
	}
	return a.Data.Result, nil
}

func number(raw json.RawMessage) (float64, error) {
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return 0, fmt.Errorf("read a sample: %w", err)
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		return 0, fmt.Errorf("read a sample: %q is not a number", text)
	}
	return v, nil
}

// notPrometheus explains an answer that something on the way gave. The API
// server's proxy answers 404 for a Service that is not there, and 503 for one
// without a ready Pod.
func notPrometheus(code int, body []byte) error {
	var status struct{ Kind, Message string }
	if json.Unmarshal(body, &status) == nil && status.Kind == "Status" {
		if code == http.StatusNotFound {
			return fmt.Errorf("%w: %s", metrics.ErrAbsent, status.Message)
		}
		return errors.New(status.Message)
	}
	first, _, _ := strings.Cut(strings.TrimSpace(string(body)), "\n")
	return fmt.Errorf("answered %d %q, which is not Prometheus' API", code, first[:min(len(first), 80)])
}
