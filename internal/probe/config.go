// Package probe sends requests at a steady rate, or gRPC calls, and counts which
// version answered. It is the load and the ledger; where the requests go, who is
// configured to get how many, and how the figures are shown, its caller says.
package probe

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"k8s.io/utils/clock"
)

// Bounds of a configuration. A probe shows a split; it is no load test.
const (
	MaxRate        = 5000 // requests/s
	MaxConcurrency = 1000
	MaxConnections = 100
)

// Config says what to send, how fast and for how long.
type Config struct {
	URL  string
	Host string // Host header; empty is the URL's

	// GRPC calls the unary method that is the URL's path, with a message of no
	// bytes, over HTTP/2. The calls are dealt out to Connections, each of which
	// waits when the other side allows it no more streams: so do gRPC's clients.
	GRPC        bool
	Connections int

	Rate     float64       // requests/s, whether or not answers come
	Duration time.Duration // 0: until the context ends
	Count    int           // requests to send; 0: no limit
	// Concurrency is how many requests may be in flight. A request that is due
	// when all are taken is skipped, and counted as such: waiting would lower
	// the rate just when answers are slow, and hide that they are.
	Concurrency int
	Timeout     time.Duration // of one request, which is given up then; a call's deadline

	// Version tells from an answer which version gave it; "" when it does not
	// say. The body may be cut short, or nil; of a call, header is all metadata.
	Version func(header http.Header, body []byte) string

	// Weights reads the configured weights, in percent by version; nil when
	// there are none to compare with. It is asked every WeightsEvery: when the
	// answer changes, counting starts anew in a new Phase.
	Weights      func(context.Context) (map[string]float64, error)
	WeightsEvery time.Duration

	// Progress is called every ProgressEvery, never twice at once, and not
	// after Run has returned; may be nil.
	Progress      func(Result)
	ProgressEvery time.Duration

	Transport http.RoundTripper
	Clock     clock.WithTicker
}

// Default is twenty requests a second for half a minute, which is enough to
// tell 10% from 0% and from 30%.
func Default() Config {
	return Config{
		Rate:          20,
		Duration:      30 * time.Second,
		Concurrency:   50,
		Connections:   1,
		Timeout:       10 * time.Second,
		Version:       FirstVersion(FieldVersion("version"), HeaderVersion(DefaultHeader)),
		WeightsEvery:  time.Second,
		ProgressEvery: 5 * time.Second,
		Clock:         clock.RealClock{},
	}
}

// Validate names every field that is out of range.
func (c Config) Validate() error {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if u, err := url.Parse(c.URL); err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		wrong("URL %q: want http://host:port/path", c.URL)
	}
	if !(c.Rate > 0 && c.Rate <= MaxRate) { // the negation catches NaN
		wrong("rate %v: want more than 0 and at most %d requests/s", c.Rate, MaxRate)
	}
	if c.Duration < 0 {
		wrong("duration %s: want a time, or 0 for no limit", c.Duration)
	}
	if c.Count < 0 {
		wrong("count %d: want a number of requests, or 0 for no limit", c.Count)
	}
	if c.Concurrency < 1 || c.Concurrency > MaxConcurrency {
		wrong("concurrency %d: want 1 to %d", c.Concurrency, MaxConcurrency)
	}
	if c.GRPC && (c.Connections < 1 || c.Connections > MaxConnections) {
		wrong("connections %d: want 1 to %d", c.Connections, MaxConnections)
	}
	if c.Timeout <= 0 {
		wrong("timeout %s: want a time", c.Timeout)
	}
	return errors.Join(errs...)
}
