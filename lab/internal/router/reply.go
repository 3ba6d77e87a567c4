package router

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
)

// resetText begins what Envoy says of a request that a Pod did not answer.
const resetText = "upstream connect error or disconnect/reset before headers. reset reason: "

// fail answers for a request that got no answer, with Envoy's codes and texts.
func (x *exchange) fail(w http.ResponseWriter, _ *http.Request, err error) {
	var connect *connectError
	switch {
	case errors.Is(err, errNoEndpoint):
		x.target = x.destination.cluster.nowhere
		x.refuse(w, http.StatusServiceUnavailable, "UH", "no healthy upstream")
	case errors.Is(err, errOverflow):
		x.target = x.destination.cluster.nowhere
		w.Header().Set("X-Envoy-Overloaded", "true")
		x.refuse(w, http.StatusServiceUnavailable, "UO", resetText+"overflow")
	case errors.As(err, &connect):
		x.refuse(w, http.StatusServiceUnavailable, "UF", resetText+"connection failure")
	case errors.Is(err, errRequestTimeout), errors.Is(err, errTryTimeout):
		x.refuse(w, http.StatusGatewayTimeout, "UT", "upstream request timeout")
	case x.Context().Err() != nil:
		x.left()
		panic(http.ErrAbortHandler)
	default:
		x.refuse(w, http.StatusServiceUnavailable, "UC", resetText+"connection termination")
	}
}

// left notes that the client went away before there was an answer.
func (x *exchange) left() {
	x.code = 0
	x.flag(hangsUp(x.ProtoMajor == 2))
}

// hangsUp is the flag for who takes a request back: by ending the connection, or by
// resetting one stream of it.
func hangsUp(http2 bool) string {
	if http2 {
		return "DR"
	}
	return "DC"
}

// refuse answers in the Pod's stead. To a gRPC call Envoy says it in headers
// alone, with code 200.
func (x *exchange) refuse(w http.ResponseWriter, code int, flag, text string) {
	x.flag(flag)
	x.passed = false
	o := x.refusal(code, x.flags)
	x.code, x.status = o.code, o.grpc
	if x.grpc {
		setStatus(w.Header(), o.grpc, text)
		w.WriteHeader(o.code)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	_, _ = io.WriteString(w, text)
}

// refusal is what a proxy counts that answers in a Pod's stead.
func (x *exchange) refusal(code int, flags string) outcome {
	if x.grpc {
		return outcome{http.StatusOK, flags, statusOfCode(code)}
	}
	return outcome{code, flags, notGRPC}
}

// answer sends a response that the route itself holds.
func (x *exchange) answer(w http.ResponseWriter, d *directResponse) {
	x.code = d.Status
	x.rule.headers.response.apply(w.Header())
	body := []byte(nil)
	if d.Body != nil {
		body = append([]byte(d.Body.String), d.Body.Bytes...)
	}
	if x.grpc {
		x.refuse(w, d.Status, "-", string(body))
		return
	}
	w.WriteHeader(d.Status)
	_, _ = w.Write(body)
}

// answer sends the client elsewhere, and returns the code.
func (r *redirect) answer(w http.ResponseWriter, c *call) int {
	to := url.URL{Scheme: "http", Host: c.Host, Path: c.URL.Path, RawQuery: c.URL.RawQuery}
	if r.scheme != "" {
		to.Scheme = r.scheme
	}
	if r.host != "" {
		to.Host = r.host
	}
	if r.port != 0 {
		to.Host = net.JoinHostPort(hostname(to.Host), strconv.Itoa(r.port))
	}
	if r.path != nil {
		to.Path = r.path(to.Path)
	}
	w.Header().Set("Location", to.String())
	w.WriteHeader(r.code)
	return r.code
}
