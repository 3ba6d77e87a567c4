package echo

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// maxLatency keeps an added latency below what the server itself allows an
// answer to take, so that a slow answer stays an answer.
const maxLatency = writeTimeout / 2

// Faults is how the service misbehaves. Times count from the moment the faults
// were set: the start of the process, or the PUT.
type Faults struct {
	// ErrorShare is the part of requests, 0 to 1, that is answered with
	// ErrorStatus, once ErrorAfter has passed.
	ErrorShare  float64  `json:"errorShare"`
	ErrorStatus int      `json:"errorStatus"`
	ErrorAfter  Duration `json:"errorAfter"`
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
	return Faults{ErrorStatus: http.StatusInternalServerError, LatencyShare: 1}
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
	share("latencyShare", f.LatencyShare)
	positive("errorAfter", f.ErrorAfter)
	positive("latency", f.Latency)
	positive("crashAfter", f.CrashAfter)
	if f.ErrorStatus < 500 || f.ErrorStatus > 599 {
		errs = append(errs, fmt.Errorf("errorStatus is %d: want 500 to 599", f.ErrorStatus))
	}
	if time.Duration(f.Latency) > maxLatency {
		errs = append(errs, fmt.Errorf("latency is %s: want at most %s", f.Latency, maxLatency))
	}
	return errors.Join(errs...)
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
