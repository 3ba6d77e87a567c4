package echo

import (
	"context"
	"mime"
	"net/http"
	"strings"
)

// splitGRPC sends gRPC calls to one handler and all else to the other. It looks
// at each request, and not at each connection: a proxy mixes both on one.
func splitGRPC(grpc, other http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
		if r.ProtoMajor == 2 && (kind == "application/grpc" || strings.HasPrefix(kind, "application/grpc+")) {
			grpc.ServeHTTP(w, r)
			return
		}
		other.ServeHTTP(w, r)
	})
}

// calls serves gRPC. The harm that concerns the connection is done here, the
// rest in the interceptors.
func (s *Server) calls() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		unbounded(w) // a call has a deadline of its own, or none
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		answer := &grpcAnswer{ResponseWriter: w, cancel: cancel}
		if forUsers(r.URL.Path) {
			h := s.faults.draw(grpcErrors)
			ctx = suffering(ctx, h)
			answer.failure = h.failure
		}
		s.grpc.ServeHTTP(answer, r.WithContext(ctx))
		answer.end()
	})
}

// grpcAnswer writes the answer of a call as grpc-go's own server does.
//
// grpc.Server.ServeHTTP always sends headers and trailers apart
// (https://github.com/grpc/grpc-go/issues/2206; writeStatus flushes in between),
// where its own transport sends a status without messages as Trailers-Only, one
// header block that ends the stream. Proxies act on the difference: Envoy retries
// a status of Trailers-Only, and no later one. So what is flushed before anything
// is written waits here, and a call that ends like that gets its trailers as
// headers.
type grpcAnswer struct {
	http.ResponseWriter
	cancel  context.CancelFunc // ends the call
	failure failure            // broken and reset are done here
	begun   bool               // something was written, so the headers are out
	writes  int
	cut     bool // nothing more gets through
}

func (a *grpcAnswer) WriteHeader(code int) {
	if a.interrupt(reset) {
		return
	}
	a.begun = true
	a.ResponseWriter.WriteHeader(code)
}

// Write gets each message as five bytes with its length, and then its bytes.
func (a *grpcAnswer) Write(p []byte) (int, error) {
	if a.interrupt(reset) {
		return len(p), nil
	}
	a.begun = true
	if a.writes++; a.writes == 2 && a.failure == broken {
		_, _ = a.ResponseWriter.Write(p[:len(p)/2])
		a.Flush()
		a.interrupt(broken)
		return len(p), nil
	}
	return a.ResponseWriter.Write(p)
}

// Flush implements http.Flusher, which grpc-go insists on.
func (a *grpcAnswer) Flush() {
	if a.begun && !a.cut {
		_ = http.NewResponseController(a.ResponseWriter).Flush()
	}
}

// interrupt cuts the answer off if that is how it is to end, and reports
// whether it is cut.
func (a *grpcAnswer) interrupt(by failure) bool {
	if a.failure == by && !a.cut {
		a.cut = true
		a.cancel()
	}
	return a.cut
}

// end completes what grpc-go left to net/http.
func (a *grpcAnswer) end() {
	if a.cut || a.failure == reset {
		panic(http.ErrAbortHandler) // resets the stream
	}
	if a.begun {
		return
	}
	h := a.Header()
	delete(h, "Trailer")
	for name, values := range h {
		if trailer, ok := strings.CutPrefix(name, http.TrailerPrefix); ok {
			delete(h, name)
			h[http.CanonicalHeaderKey(trailer)] = values
		}
	}
	h["Content-Length"] = nil // there is no body whose length could be said
	a.ResponseWriter.WriteHeader(http.StatusOK)
}
