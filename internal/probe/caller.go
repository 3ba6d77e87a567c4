package probe

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/emptypb"
)

// caller makes unary gRPC calls. Of the messages it needs to know nothing: one
// of no bytes is valid for every method, and an answer may have fields that its
// reader does not know.
type caller struct {
	config  Config
	clients []*connect.Client[emptypb.Empty, emptypb.Empty]
	next    atomic.Uint64
	own     []*http.Transport // to close
	greeting
}

func newCaller(c Config) *caller {
	s := &caller{config: c}
	for range c.Connections {
		transport := c.Transport
		if transport == nil {
			own := oneConnection()
			s.listen(own)
			s.own, transport = append(s.own, own), own
		}
		s.clients = append(s.clients, connect.NewClient[emptypb.Empty, emptypb.Empty](witness{transport}, c.URL, connect.WithGRPC()))
	}
	return s
}

// oneConnection keeps to one connection of HTTP/2, with TLS or without, however
// few streams it may have at a time, as gRPC's clients do.
func oneConnection() *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Transport{
		Proxy:     http.ProxyFromEnvironment,
		Protocols: protocols,
		HTTP2:     &http.HTTP2Config{StrictMaxConcurrentRequests: true},
	}
}

func (s *caller) close() {
	for _, t := range s.own {
		t.CloseIdleConnections()
	}
}

func (s *caller) send(ctx context.Context) outcome {
	request := connect.NewRequest(&emptypb.Empty{})
	request.Header().Set("User-Agent", userAgent)
	if s.config.Host != "" {
		request.Header().Set("Host", s.config.Host)
	}
	var seen *http.Response
	client := s.clients[s.next.Add(1)%uint64(len(s.clients))]
	start := s.config.Clock.Now()
	_, err := client.CallUnary(context.WithValue(ctx, witnessKey{}, &seen), request)
	if seen == nil {
		failed := failure(ctx, err)
		if failed != GivenUp && s.noHTTP2() {
			failed = NoHTTP2
		}
		return outcome{failure: failed}
	}
	o := outcome{
		version: s.config.Version(metadata(seen), nil),
		code:    statusName(err),
		took:    s.config.Clock.Since(start),
	}
	switch {
	case err == nil:
	case connect.IsWireError(err), !isGRPC(seen): // another's answer stands for a status, too
		if serversFault(connect.CodeOf(err)) {
			o.end = bad
		}
	default:
		o.code, o.end = "", cutShort(ctx)
	}
	return o
}

// witness keeps the header of an answer for the caller, who learns nothing of it
// from connect when the answer has no end.
type witness struct{ http.RoundTripper }

type witnessKey struct{}

// Do implements connect.HTTPClient.
func (w witness) Do(r *http.Request) (*http.Response, error) {
	response, err := w.RoundTrip(r)
	if seen, ok := r.Context().Value(witnessKey{}).(**http.Response); ok && err == nil {
		*seen = response
	}
	return response, err
}

func isGRPC(r *http.Response) bool {
	return r.StatusCode == http.StatusOK && strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc")
}

// metadata is what an answer says beside its message: before it, after it, or
// both. It is called when the answer has been read.
func metadata(r *http.Response) http.Header {
	all := r.Header.Clone()
	for name, values := range r.Trailer {
		all[name] = append(all[name], values...)
	}
	return all
}

// statusName is a status as https://grpc.io/docs/guides/status-codes/ writes it.
func statusName(err error) string {
	if err == nil {
		return "OK"
	}
	if code := connect.CodeOf(err); code != connect.CodeCanceled {
		return strings.ToUpper(code.String())
	}
	return "CANCELLED" // Go writes it with one L
}

// serversFault tells the statuses that OpenTelemetry takes for errors of a
// server, https://opentelemetry.io/docs/specs/semconv/rpc/grpc/.
func serversFault(code connect.Code) bool {
	switch code {
	case connect.CodeUnknown, connect.CodeDeadlineExceeded, connect.CodeUnimplemented,
		connect.CodeInternal, connect.CodeUnavailable, connect.CodeDataLoss:
		return true
	}
	return false
}
