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

func decodeMatrix(code int, body []byte) ([]rangeSeries, error) {
	result, err := resultOf(code, body, "matrix")
	switch {
	case errors.Is(err, errRefused) && code < http.StatusInternalServerError && code != http.StatusTooManyRequests:
		return nil, err
	case errors.Is(err, errKind):
		return nil, err
	case err != nil:
		return nil, unavailable(err) // overloaded, or still starting
	}
	var series []rangeSeries
	if err := json.Unmarshal(result, &series); err != nil {
		return nil, err
	}
	for _, s := range series {
		if s.Metric == nil {
			return nil, errors.New("query returned a series without labels")
		}
	}
	return series, nil
}
