package echo

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"google.golang.org/grpc/codes"
)

// maxLatency keeps an added latency below what the server itself allows an
// answer to take, so that a slow answer stays an answer.
const maxLatency = writeTimeout / 2

// Faults is how the service misbehaves. Times count from the moment the faults
// were set: the start of the process, or the PUT. A request ends in one way, so
// the shares of HTTP's failures add up to at most 1, and so do those of gRPC's.
type Faults struct {
	// ErrorShare is the part of HTTP requests, 0 to 1, that is answered with
	// ErrorStatus.
	ErrorShare  float64 `json:"errorShare"`
	ErrorStatus int     `json:"errorStatus"`
	// ErrorAfter is the time before failures of any kind begin.
	ErrorAfter Duration `json:"errorAfter"`
	// GRPCShare is the part of gRPC calls that ends with GRPCStatus, GRPCWhen.
	GRPCShare  float64    `json:"grpcShare"`
	GRPCStatus codes.Code `json:"grpcStatus"`
	GRPCWhen   GRPCWhen   `json:"grpcWhen"`
	// HangShare is the part of all requests that is not answered, for as long
	// as the client stays.
	HangShare float64 `json:"hangShare"`
	// BreakShare is the part of all answers that breaks off: after half of the
	// body or of gRPC's first message, after the greeting of a WebSocket.
	BreakShare float64 `json:"breakShare"`
	// ResetShare is the part of all requests whose connection (HTTP/2: stream)
	// is cut before the header of an answer.
	ResetShare float64 `json:"resetShare"`
	// Latency is added to the LatencyShare part of requests.
	Latency      Duration `json:"latency"`
	LatencyShare float64  `json:"latencyShare"`
	// Unhealthy makes /health fail.
	Unhealthy bool `json:"unhealthy"`
	// CrashAfter ends the process, abruptly; zero is never.
	CrashAfter Duration `json:"crashAfter"`
}

// NoFaults is good behaviour, with the values that a partial PUT builds on.
func NoFaults() Faults {
	return Faults{
		ErrorStatus:  http.StatusInternalServerError,
		GRPCStatus:   codes.Internal,
		GRPCWhen:     TrailersOnly,
		LatencyShare: 1,
	}
}

// DecodeFaults reads one JSON object on top of NoFaults. Strictly: a misspelt
// fault that is silently ignored would teach the wrong lesson.
func DecodeFaults(r io.Reader) (Faults, error) {
	f := NoFaults()
	d := json.NewDecoder(r)
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return Faults{}, fmt.Errorf("read faults: %w", err)
	}
	if err := d.Decode(new(json.RawMessage)); !errors.Is(err, io.EOF) {
		return Faults{}, errors.New("read faults: want one JSON object and nothing after it")
	}
	return f, f.Validate()
}

// Validate names every field that is out of range.
func (f Faults) Validate() error {
	var errs []error
	share := func(name string, v float64) {
		if !(v >= 0 && v <= 1) { // the negation catches NaN
			errs = append(errs, fmt.Errorf("%s is %v: want a share from 0 to 1", name, v))
		}
	}
	positive := func(name string, d Duration) {
		if d < 0 {
			errs = append(errs, fmt.Errorf("%s is %s: want a time that is not negative", name, d))
		}
	}
	share("errorShare", f.ErrorShare)
	share("grpcShare", f.GRPCShare)
	share("hangShare", f.HangShare)
	share("breakShare", f.BreakShare)
	share("resetShare", f.ResetShare)
	share("latencyShare", f.LatencyShare)
	if either := f.HangShare + f.BreakShare + f.ResetShare; either+max(f.ErrorShare, f.GRPCShare) > 1 {
		errs = append(errs, errors.New("the shares of errors (or gRPC statuses), hanging, broken and reset requests add up to more than 1"))
	}
	positive("errorAfter", f.ErrorAfter)
	positive("latency", f.Latency)
	positive("crashAfter", f.CrashAfter)
	if f.ErrorStatus < 500 || f.ErrorStatus > 599 {
		errs = append(errs, fmt.Errorf("errorStatus is %d: want 500 to 599", f.ErrorStatus))
	}
	if f.GRPCStatus == codes.OK || f.GRPCStatus > codes.Unauthenticated {
		errs = append(errs, fmt.Errorf("grpcStatus is %d: want 1 to 16, or a name such as INTERNAL", f.GRPCStatus))
	}
	if err := f.GRPCWhen.validate(); err != nil {
		errs = append(errs, fmt.Errorf("grpcWhen: %w", err))
	}
	if time.Duration(f.Latency) > maxLatency {
		errs = append(errs, fmt.Errorf("latency is %s: want at most %s", f.Latency, maxLatency))
	}
	return errors.Join(errs...)
}

// GRPCWhen is the moment that a call gets its status at. It matters to whoever
// is between: a status in Trailers-Only may be tried again, a later one may not.
type GRPCWhen string

// The moments, in the terms of
// https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#responses.
// A unary call has no message beside an error, so that AfterMessages is
// AfterHeaders to it.
const (
	TrailersOnly  GRPCWhen = "trailers-only"
	AfterHeaders  GRPCWhen = "after-headers"
	AfterMessages GRPCWhen = "after-messages"
)

func (w GRPCWhen) validate() error {
	switch w {
	case TrailersOnly, AfterHeaders, AfterMessages:
		return nil
	}
	return fmt.Errorf("%q: want %s, %s or %s", string(w), TrailersOnly, AfterHeaders, AfterMessages)
}

// Duration is a time.Duration that reads and writes as text: "250ms".
type Duration time.Duration

func (d Duration) String() string { return time.Duration(d).String() }

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	*d = Duration(v)
	return err
}
