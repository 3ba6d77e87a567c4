#!/usr/bin/env bash
# promhttp of github.com/prometheus/client_golang 1.25.0: its instrumented handlers
#
#   - count a request whose user left before any answer with code="200": the handler
#     returned without a word, and what net/http would have sent is taken for sent;
#   - do not count an answer that breaks off at all: a handler ends one with
#     panic(http.ErrAbortHandler), as net/http's documentation says, and a panic passes
#     by the counter. The user has seen 200 and half a body.
#
# So a service that answers nobody looks as if it answered everybody well.
#
# Seen:   requests_total{code="200",path="left"} 3
#         and no series with path="broken", after three of each.
#
# Needs Go and the Go module proxy. Ends with 1 where the behaviour is another.
set -euo pipefail
dir=$(mktemp -d)
trap 'chmod -R u+w "$dir"; rm -rf "$dir"' EXIT
cd "$dir"

cat >main.go <<'EOF'
package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

func main() {
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "requests_total"}, []string{"path", "code"})
	registry := prometheus.NewRegistry()
	registry.MustRegister(requests)
	ended := make(chan struct{}, 10)
	serve := func(path string, handler http.HandlerFunc) http.Handler {
		counted := promhttp.InstrumentHandlerCounter(requests.MustCurryWith(prometheus.Labels{"path": path}), handler)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer func() { ended <- struct{}{} }()
			counted.ServeHTTP(w, r)
		})
	}
	mux := http.NewServeMux()
	mux.Handle("/left", serve("left", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	mux.Handle("/broken", serve("broken", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		fmt.Fprint(w, "half of it")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}))
	server := httptest.NewServer(mux)
	defer server.Close()

	for range 3 {
		ctx, leave := context.WithTimeout(context.Background(), 200*time.Millisecond)
		req, _ := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/left", nil)
		_, err := http.DefaultClient.Do(req)
		fmt.Println("user of /left:", err)
		leave()
		resp, err := http.Get(server.URL + "/broken")
		if err != nil {
			panic(err)
		}
		_, err = io.ReadAll(resp.Body)
		fmt.Println("user of /broken:", resp.StatusCode, err)
		<-ended
		<-ended
	}
	counts := httptest.NewRecorder()
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(counts, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	fmt.Print(counts.Body)
}
EOF
export GOWORK=off GOFLAGS=-mod=mod
go mod init finding 2>/dev/null
go get github.com/prometheus/client_golang@v1.25.0 2>/dev/null
go run . | tee out
if ! grep -qxF 'requests_total{code="200",path="left"} 3' out || grep -q 'path="broken"' out; then
  echo "it is not so any more" >&2
  exit 1
fi
echo "as described"
