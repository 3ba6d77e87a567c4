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
	statuses []grpcStatus  // of calls that ended without any message
	all5xx   bool
}

const (
	defaultAttempts = 2
	defaultBackoff  = 25 * time.Millisecond // Envoy's retry_back_off.base_interval
	// defaultRetryOn is what Istio uses where a route says nothing.
	defaultRetryOn = "connect-failure,refused-stream,unavailable,cancelled"
)

func defaultRetry() retryPolicy {
	p, _ := compileRetry(&httpRetry{Attempts: defaultAttempts})
	return p
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
			"retriable-status-codes", "": // the codes are listed beside it
		case "cancelled":
			p.statuses = append(p.statuses, grpcCanceled)
		case "deadline-exceeded":
			p.statuses = append(p.statuses, grpcDeadlineExceeded)
		case "internal":
			p.statuses = append(p.statuses, grpcInternal)
		case "resource-exhausted":
			p.statuses = append(p.statuses, grpcResourceExhausted)
		case "unavailable":
			p.statuses = append(p.statuses, grpcUnavailable)
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
		// Headers that hold the status are all of the answer.
		status, ended := readStatus(res.Header)
		return p.all5xx && res.StatusCode >= 500 || slices.Contains(p.codes, res.StatusCode) ||
			ended && slices.Contains(p.statuses, status)
	case errors.Is(err, errOverflow):
		return false
	case errors.As(err, &connect):
		return p.connect
	case errors.Is(err, errTryTimeout):
		return p.reset || slices.Contains(p.codes, http.StatusGatewayTimeout)
	}
	return p.reset
}

// RoundTrip sends the request to an endpoint of the chosen destination, and
// again as the rule's retry policy says.
func (x *exchange) RoundTrip(out *http.Request) (*http.Response, error) {
	policy := &x.rule.retry
	var tried []*endpoint
	for n := 1; ; n++ {
		to := x.destination.cluster.pick(x.router.config.Random(), tried)
		if to == nil {
			return nil, errNoEndpoint
		}
		res, err := x.send(out, to)
		again := x.leftBehind(to, err)
		if !again {
			res, err = x.sidecarAnswer(out, res, err)
			again = policy.again(res, err)
		}
		switch last := n > policy.attempts; {
		case !again:
			return res, err
		case out.Context().Err() != nil:
			x.discard(res)
			return nil, context.Cause(out.Context())
		case last && policy.attempts > 0:
			x.flag("URX")
			fallthrough
		case last, x.body != nil && !x.body.again():
			return x.sidecarAnswer(out, res, err)
		}
		x.discard(res)
		tried = append(tried, to)
		if !policy.wait(out.Context(), n, x.router.config.Random()) {
			return nil, context.Cause(out.Context())
		}
	}
}

// discard counts an answer that the client does not get. If it is short, its
// connection stays usable.
func (x *exchange) discard(res *http.Response) {
	if res == nil {
		return
	}
	o := outcome{res.StatusCode, "-", notGRPC}
	if x.grpc {
		o.grpc = statusOf(res)
	}
	if res.ContentLength >= 0 && res.ContentLength <= 4096 {
		_, _ = io.Copy(io.Discard, res.Body)
	}
	_ = res.Body.Close()
	x.try.end(o)
	x.target = x.try.to.unanswered
}

// leftBehind says whether the request met a Pod that was just leaving: chosen
// while it was ready, and closed on while it drained. It is as good as not
// connected, if it can do no harm to ask twice.
func (x *exchange) leftBehind(to *endpoint, err error) bool {
	if err == nil || !to.withdrawn.Load() {
		return false
	}
	switch x.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return true
	}
	return false
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
	errOverflow       = errors.New("the destination has as many requests in flight as its DestinationRule allows")
	errCut            = errors.New("the Pod's sidecar has ended")
	errTryTimeout     = errors.New("try timed out")
	errRequestTimeout = errors.New("request timed out")
)
