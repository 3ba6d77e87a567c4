package prometheus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/canaryctl/canaryctl/internal/metrics"
)

// reply is the raw series of a selector, and the server's clock; zero if it does
// not say.
type reply struct {
	series []rangeSeries
	at     time.Time
}

// raw asks for the samples of the last while as they were scraped: a range
// selector in an instant query. An error wraps metrics.ErrUnavailable when the
// same query may be answered later.
func (s *Server) raw(ctx context.Context, selector string, lookback time.Duration) (reply, error) {
	return s.matrix(ctx, url.Values{"query": {fmt.Sprintf("%s[%dms]", selector, lookback.Milliseconds())}})
}

// matrix sends a query whose answer is raw series.
func (s *Server) matrix(ctx context.Context, query url.Values) (reply, error) {
	response, err := s.ask(ctx, query)
	if err != nil {
		return reply{}, unavailable(err)
	}
	defer response.Body.Close()
	body, err := read(response.Body, maxRaw)
	if err != nil {
		return reply{}, unavailable(err)
	}
	series, err := decodeMatrix(response.StatusCode, body)
	if err != nil {
		return reply{}, err
	}
	at, err := http.ParseTime(response.Header.Get("Date"))
	if err != nil {
		at = time.Time{}
	}
	return reply{series: series, at: at}, nil
}

// unavailable marks what may be tried again. A server that does not exist is not.
func unavailable(err error) error {
	if errors.Is(err, metrics.ErrAbsent) {
		return err
	}
	return fmt.Errorf("%w: %w", metrics.ErrUnavailable, err)
}

// errRefused is wrapped by the error for a query that the server does not answer.
var errRefused = errors.New("query refused")

func decodeMatrix(code int, body []byte) ([]rangeSeries, error) {
	var a struct {
		Status, Error string
		Data          struct {
			ResultType string
			Result     json.RawMessage
		}
	}
	if err := json.Unmarshal(body, &a); err != nil || (a.Status != "success" && a.Status != "error") {
		return nil, unavailable(notPrometheus(code, body))
	}
	if a.Status == "error" {
		err := fmt.Errorf("%w: %s", errRefused, a.Error)
		if code >= http.StatusInternalServerError || code == http.StatusTooManyRequests {
			return nil, unavailable(err) // overloaded, or still starting
		}
		return nil, err
	}
	if a.Data.ResultType != "matrix" {
		return nil, fmt.Errorf("query returned a %s, want a matrix", a.Data.ResultType)
	}
	var series []rangeSeries
	if err := json.Unmarshal(a.Data.Result, &series); err != nil {
		return nil, err
	}
	for _, s := range series {
		if s.Metric == nil {
			return nil, errors.New("query returned a series without labels")
		}
	}
	return series, nil
}
