package probe

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/emptypb"
)

const method = "/shop.v1.Cart/List"

// answerCall is a gRPC server's handler: it answers every call with a status, 0
// for OK, and the version in its metadata.
func answerCall(code connect.Code) http.Handler {
	return connect.NewUnaryHandler(method, func(context.Context, *connect.Request[emptypb.Empty]) (*connect.Response[emptypb.Empty], error) {
		if code != 0 {
			failed := connect.NewError(code, errors.New("no"))
			failed.Meta().Set("X-App-Version", "v2")
			return nil, failed
		}
		answer := connect.NewResponse(&emptypb.Empty{})
		answer.Header().Set("X-App-Version", "v2")
		return answer, nil
	})
}

// beginCall is a server that sends the header of an answer and half of a
// message, and then does as told.
func beginCall(then http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/grpc+proto")
		w.Header().Set("X-App-Version", "v2")
		_, _ = w.Write([]byte{0, 0, 0, 0, 8, 1, 2})
		_ = http.NewResponseController(w).Flush()
		then(w, r)
	}
}

func abort(http.ResponseWriter, *http.Request)    { panic(http.ErrAbortHandler) }
func hang(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// serve2 serves HTTP/2 without TLS.
func serve2(t *testing.T, h http.Handler, streams int) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(h)
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Config.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: streams}
	server.Start()
	t.Cleanup(server.Close)
	return server
}

func calls(timeout time.Duration) func(*Config) {
	return func(c *Config) { c.GRPC, c.Timeout = true, timeout }
}

func TestCallsByWhatBecomesOfThem(t *testing.T) {
	type sum struct {
		Version                           string // "" if no answer named one
		Requests, Errors, Broken, GivenUp int
		Codes, Failures                   map[string]int
	}
	for name, test := range map[string]struct {
		server  http.Handler
		timeout time.Duration
		want    sum
	}{
		"good":                      {answerCall(0), 0, sum{Version: "v2", Requests: 3, Codes: map[string]int{"OK": 3}}},
		"the server's fault":        {answerCall(connect.CodeInternal), 0, sum{Version: "v2", Requests: 3, Errors: 3, Codes: map[string]int{"INTERNAL": 3}}},
		"the client's":              {answerCall(connect.CodeNotFound), 0, sum{Version: "v2", Requests: 3, Codes: map[string]int{"NOT_FOUND": 3}}},
		"cancelled by the server":   {answerCall(connect.CodeCanceled), 0, sum{Version: "v2", Requests: 3, Codes: map[string]int{"CANCELLED": 3}}},
		"broken off":                {beginCall(abort), 0, sum{Version: "v2", Requests: 3, Errors: 3, Broken: 3, Codes: map[string]int{"broken off": 3}}},
		"given up after the header": {beginCall(hang), 2 * time.Second, sum{Version: "v2", Requests: 3, GivenUp: 3, Codes: map[string]int{"given up": 3}}},
		"given up before":           {http.HandlerFunc(hang), 50 * time.Millisecond, sum{Failures: map[string]int{"given up": 3}}},
		"reset":                     {http.HandlerFunc(abort), 0, sum{Failures: map[string]int{"stream reset": 3}}},
		"no gRPC": {http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") }), 0,
			sum{Requests: 3, Errors: 3, Codes: map[string]int{"UNKNOWN": 3}}},
		"a proxy's own answer": {http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "no healthy upstream", http.StatusServiceUnavailable)
		}), 0, sum{Requests: 3, Errors: 3, Codes: map[string]int{"UNAVAILABLE": 3}}},
	} {
		t.Run(name, func(t *testing.T) {
			server := serve2(t, test.server, 0)
			timeout := test.timeout
			if timeout == 0 {
				timeout = 10 * time.Second
			}
			p := once(t, server.URL+method, 3, calls(timeout))
			got := sum{Failures: p.Failures}
			answers := p.Unknown
			if len(p.Versions) == 1 {
				got.Version, answers = p.Versions[0].Name, &p.Versions[0].Answers
			}
			if answers != nil {
				got.Requests, got.Errors, got.Broken, got.GivenUp, got.Codes =
					answers.Requests, answers.Errors, answers.Broken, answers.GivenUp, answers.Codes
			}
			if got.Failures != nil && len(got.Failures) == 0 {
				got.Failures = nil
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestCallToHTTP1(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	if got := once(t, server.URL+method, 2, calls(10*time.Second)).Failures; got[NoHTTP2] != 2 {
		t.Errorf("failures %v, want two that say it speaks no HTTP/2", got)
	}
}

func TestCallGoesWhereItIsSent(t *testing.T) {
	var host, path, agent, deadline string
	server := serve2(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, path, agent, deadline = r.Host, r.URL.Path, r.UserAgent(), r.Header.Get("Grpc-Timeout")
		answerCall(0).ServeHTTP(w, r)
	}), 0)
	once(t, server.URL+method, 1, func(c *Config) { c.GRPC, c.Host = true, "cart.shop" })
	if host != "cart.shop" || path != method || !strings.HasPrefix(agent, "canaryctl-probe") || deadline == "" {
		t.Errorf("host %q, path %q, agent %q, deadline %q", host, path, agent, deadline)
	}
}

func TestCallsAreDealtOutToConnections(t *testing.T) {
	for _, n := range []int{1, 3} {
		var mu sync.Mutex
		from := make(map[string]int)
		server := serve2(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			from[r.RemoteAddr]++
			mu.Unlock()
			answerCall(0).ServeHTTP(w, r)
		}), 0)
		once(t, server.URL+method, 12, func(c *Config) { c.GRPC, c.Connections = true, n })
		if len(from) != n {
			t.Errorf("calls by connection: %v, want %d connections", from, n)
		}
	}
}

// A client whose connection is full stands still: it opens no other.
func TestCallsWaitForAStream(t *testing.T) {
	var mu sync.Mutex
	var asked int
	from := make(map[string]bool)
	server := serve2(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		first := asked == 0
		asked++
		from[r.RemoteAddr] = true
		mu.Unlock()
		if first {
			answerCall(0).ServeHTTP(w, r) // the limit is known after the first answer
			return
		}
		hang(w, r)
	}), 2)
	p := once(t, server.URL+method, 6, func(c *Config) { c.GRPC, c.Rate, c.Timeout = true, 50, time.Second })
	mu.Lock()
	defer mu.Unlock()
	if len(from) != 1 || p.Failures["given up"] != 5 {
		t.Errorf("%d connections, failures %v: want one, and 5 given up", len(from), p.Failures)
	}
}
