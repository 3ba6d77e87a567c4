package router

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// retryPolicy says how often, and after what, a request is sent again.
type retryPolicy struct {
	attempts int // beyond the first
	perTry   time.Duration
	backoff  time.Duration // base of the exponential, jittered wait
	connect  bool          // the Pod could not be reached
	reset    bool          // the connection ended, or the try timed out, before an answer
	codes    []int         // answers that are tried again
	all5xx   bool
}

const (
	defaultAttempts = 2
	defaultBackoff  = 25 * time.Millisecond // Envoy's retry_back_off.base_interval
	// defaultRetryOn is what Istio uses where a route says nothing. The gRPC
	// conditions among it never hold for plain HTTP.
	defaultRetryOn = "connect-failure,refused-stream,unavailable,cancelled"
)

func defaultRetry() retryPolicy {
	return retryPolicy{attempts: defaultAttempts, backoff: defaultBackoff, connect: true}
}

// compileRetry reads Envoy's retry_on; see
// https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/router_filter#x-envoy-retry-on
func compileRetry(r *httpRetry) (retryPolicy, error) {
	if r == nil {
		return defaultRetry(), nil
	}
	p := retryPolicy{attempts: r.Attempts, perTry: time.Duration(r.PerTryTimeout), backoff: time.Duration(r.Backoff)}
	if p.backoff == 0 {
		p.backoff = defaultBackoff
	}
	on := r.RetryOn
	if on == "" {
		on = defaultRetryOn
	}
	var unknown []string
	for token := range strings.SplitSeq(on, ",") {
		switch token = strings.TrimSpace(token); token {
		case "5xx":
			p.all5xx, p.connect, p.reset = true, true, true
		case "gateway-error":
			p.codes = append(p.codes, 502, 503, 504)
		case "retriable-4xx":
			p.codes = append(p.codes, http.StatusConflict)
		case "connect-failure", "refused-stream":
			p.connect = true
		case "reset":
			p.connect, p.reset = true, true
		case "reset-before-request", // net/http's transport does this by itself
			"retriable-status-codes", // the codes are listed beside it
			"cancelled", "deadline-exceeded", "internal", "resource-exhausted", "unavailable", "":
		default:
			code, err := strconv.Atoi(token)
			if err != nil {
				unknown = append(unknown, token)
				continue
			}
			p.codes = append(p.codes, code)
		}
	}
	if len(unknown) > 0 {
		return p, fmt.Errorf("retry conditions %q are not known", unknown)
	}
	return p, nil
}

// again says whether the policy asks for another try after this outcome.
func (p *retryPolicy) again(res *http.Response, err error) bool {
	var connect *connectError
	switch {
	case err == nil:
		return p.all5xx && res.StatusCode >= 500 || slices.Contains(p.codes, res.StatusCode)
	case errors.Is(err, errNoEndpoint):
		return false
	case errors.As(err, &connect):
		return p.connect
	case errors.Is(err, errTryTimeout):
		return p.reset || slices.Contains(p.codes, http.StatusGatewayTimeout)
	}
	return p.reset
}

// wait pauses before the try with the given number (1 is the first repetition),
// and says whether the request is still wanted.
func (p *retryPolicy) wait(ctx context.Context, try int, bits uint64) bool {
	longest := min(p.backoff<<(try-1), 10*p.backoff)
	return sleep(ctx, time.Duration(scale(bits, uint64(longest)+1)))
}

// sleep waits, and says whether it was let to.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// connectError is a Pod that could not be reached: no byte of the request got
// there.
type connectError struct {
	address string
	err     error
}

func (e *connectError) Error() string {
	return fmt.Sprintf("connect to Pod at %s: %v", e.address, e.err)
}
func (e *connectError) Unwrap() error { return e.err }

var (
	errNoEndpoint     = errors.New("no ready endpoint")
	errTryTimeout     = errors.New("try timed out")
	errRequestTimeout = errors.New("request timed out")
)

// replayLimit is how much of a request body is kept for another try; a request
// that sent more is not tried again. Envoy's buffers have such a limit as well.
const replayLimit = 64 << 10

// replay is a request body that can be sent again from its beginning.
type replay struct {
	source io.ReadCloser
	kept   []byte
	over   bool          // more was read than is kept
	closed chan struct{} // of the last try
}

// open returns the body for one try.
func (r *replay) open() io.ReadCloser {
	r.closed = make(chan struct{})
	return &replayTry{replay: r, release: sync.OnceFunc(func() { close(r.closed) })}
}

// rewind waits until the last try has let go of the body (the transport may
// read on after it returned an error), and says whether it can be sent again.
func (r *replay) rewind() bool {
	<-r.closed
	return !r.over
}

type replayTry struct {
	*replay
	at      int
	release func()
}

func (t *replayTry) Read(p []byte) (int, error) {
	if t.at < len(t.kept) {
		n := copy(p, t.kept[t.at:])
		t.at += n
		return n, nil
	}
	n, err := t.source.Read(p)
	switch {
	case t.over:
	case len(t.kept)+n > replayLimit:
		t.over = true
	default:
		t.kept = append(t.kept, p[:n]...)
		t.at += n
	}
	return n, err
}

// Close ends the try; the server closes the source itself.
func (t *replayTry) Close() error {
	t.release()
	return nil
}
