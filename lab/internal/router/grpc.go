package router

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// grpcStatus is how a gRPC call ended, or why there is nothing to say of it.
type grpcStatus int8

// The statuses that Envoy gives by itself; see
// https://grpc.github.io/grpc/core/md_doc_statuscodes.html
const (
	grpcCanceled          grpcStatus = 1
	grpcUnknown           grpcStatus = 2
	grpcDeadlineExceeded  grpcStatus = 4
	grpcPermissionDenied  grpcStatus = 7
	grpcResourceExhausted grpcStatus = 8
	grpcUnimplemented     grpcStatus = 12
	grpcInternal          grpcStatus = 13
	grpcUnavailable       grpcStatus = 14
	grpcUnauthenticated   grpcStatus = 16

	grpcStatuses = 17 // from 0 (OK)

	notGRPC  grpcStatus = -1 // plain HTTP
	noStatus grpcStatus = -2 // a call of which no answer came
)

// label is the metrics' grpc_response_status: empty for what has none.
func (s grpcStatus) label() string {
	if s < 0 {
		return ""
	}
	return strconv.Itoa(int(s))
}

// isGRPC looks at the content type, as Istio's telemetry does.
func isGRPC(h http.Header) bool {
	values := h["Content-Type"]
	if len(values) == 0 {
		return false
	}
	rest, ok := strings.CutPrefix(values[0], "application/grpc")
	return ok && (rest == "" || rest[0] == '+')
}

// statusOf reads how the Pod says that a call ended: in the trailers, or in the
// headers where nothing but headers came. Without either the code speaks.
func statusOf(res *http.Response) grpcStatus {
	for _, h := range []http.Header{res.Trailer, res.Header} {
		if s, ok := readStatus(h); ok {
			return s
		}
	}
	return statusOfCode(res.StatusCode)
}

func readStatus(h http.Header) (grpcStatus, bool) {
	values := h["Grpc-Status"]
	if len(values) == 0 {
		return 0, false
	}
	n, err := strconv.ParseInt(values[0], 10, 8)
	return grpcStatus(n), err == nil && n >= 0
}

// statusOfCode is gRPC's mapping of HTTP codes, for answers that are none of
// gRPC's: https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md
func statusOfCode(code int) grpcStatus {
	switch code {
	case http.StatusBadRequest:
		return grpcInternal
	case http.StatusUnauthorized:
		return grpcUnauthenticated
	case http.StatusForbidden:
		return grpcPermissionDenied
	case http.StatusNotFound:
		return grpcUnimplemented
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return grpcUnavailable
	}
	return grpcUnknown
}

// setStatus makes headers say how a call ended; with no body they are all of
// the answer.
func setStatus(h http.Header, s grpcStatus, message string) {
	h.Set("Content-Type", "application/grpc")
	h.Set("Grpc-Status", s.label())
	h.Set("Grpc-Message", encodeMessage(message))
}

// encodeMessage is gRPC's percent encoding: of all but printable ASCII, and of
// the percent sign.
func encodeMessage(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '%' {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// grpcTimeout reads a call's deadline, such as "500m" or "2S"; see "Timeout" in
// https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md. 0 means none.
func grpcTimeout(h http.Header) time.Duration {
	text := h.Get("Grpc-Timeout")
	if len(text) < 2 || len(text) > 9 {
		return 0
	}
	units := map[byte]time.Duration{
		'H': time.Hour, 'M': time.Minute, 'S': time.Second,
		'm': time.Millisecond, 'u': time.Microsecond, 'n': time.Nanosecond,
	}
	last := len(text) - 1
	n, err := strconv.ParseUint(text[:last], 10, 31)
	unit := units[text[last]]
	if err != nil || unit == 0 {
		return 0
	}
	return time.Duration(min(float64(n)*float64(unit), math.MaxInt64/2))
}

// setGRPCTimeout tells the Pod how long it has. Envoy writes milliseconds, of
// which there can be eight digits.
func setGRPCTimeout(h http.Header, d time.Duration) {
	h.Set("Grpc-Timeout", strconv.FormatInt(min(max(d.Milliseconds(), 1), 99_999_999), 10)+"m")
}
