package main

import (
	"bytes"
	"context"
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/canaryctl/canaryctl/test/labtest"
)

// Where a release counts.
const (
	fromPods       = "pods"
	fromPrometheus = "prometheus"
)

// ofPrometheus are the faults of where the counts come from.
func ofPrometheus() []kind {
	var all []kind
	for _, how := range []string{"gone", "slow", "answers 500", "says NaN", "says nothing", "says infinity", "says huge numbers", "answers with wrong types", "answers with another page", "answers with megabytes"} {
		all = append(all, kind{
			name:   "Prometheus " + how,
			source: fromPrometheus,
			draw:   func(r *rand.Rand) fault { return prometheus{how, between(r, 3*time.Second, 8*time.Second)} },
		})
	}
	return all
}

// prometheus is a Prometheus that cannot be relied on.
type prometheus struct {
	How  string
	Long time.Duration
}

func (f prometheus) strike(ctx context.Context, s *scene) error {
	s.prometheus.during(ctx, f.Long, f.meddler())
	return nil
}

func (f prometheus) meddler() labtest.Meddler {
	const empty = `{"status":"success","data":{"resultType":"vector","result":[]}}`
	switch f.How {
	case "gone":
		return func(http.ResponseWriter, *http.Request, http.Handler) { panic(http.ErrAbortHandler) }
	case "slow":
		return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			rest(r.Context(), 3*time.Second)
			next.ServeHTTP(w, r)
		}
	case "answers 500":
		return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
			http.Error(w, "out of memory", http.StatusInternalServerError)
		}
	case "says nothing":
		return instead([]byte(empty))
	case "answers with another page":
		return instead([]byte("<html><title>Sign in</title></html>"))
	case "answers with megabytes":
		return instead(append(bytes.Repeat([]byte(" "), 96<<20), empty...))
	case "says NaN":
		return values("NaN")
	case "says infinity":
		return values("+Inf")
	case "says huge numbers":
		return values("1e308")
	}
	return values(map[string]any{"not": "a number"})
}

// instead answers every request with the same.
func instead(body []byte) labtest.Meddler {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(body)
	}
}

// values has Prometheus answer, and puts another value in the place of each.
func values(lie any) labtest.Meddler {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		r.Header.Del("Accept-Encoding")
		truth := httptest.NewRecorder()
		next.ServeHTTP(truth, r)
		var answer any
		if json.Unmarshal(truth.Body.Bytes(), &answer) == nil {
			twist(answer, lie)
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(truth.Code)
		_ = json.NewEncoder(w).Encode(answer)
	}
}

// twist replaces the value of every sample: the second of the pair of a time and
// a value.
func twist(in, lie any) {
	switch in := in.(type) {
	case map[string]any:
		for key, v := range in {
			if pair, ok := v.([]any); ok && key == "value" && len(pair) == 2 {
				pair[1] = lie
				continue
			}
			if list, ok := v.([]any); ok && key == "values" {
				for _, one := range list {
					if pair, ok := one.([]any); ok && len(pair) == 2 {
						pair[1] = lie
					}
				}
				continue
			}
			twist(v, lie)
		}
	case []any:
		for _, v := range in {
			twist(v, lie)
		}
	}
}
