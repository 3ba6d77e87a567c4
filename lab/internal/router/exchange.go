package router

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"strconv"
	"time"
)

// exchange is one request on its way through the router, and what came of it.
type exchange struct {
	call
	router      *Router
	rule        *rule
	destination *destination
	started     time.Time
	body        *replay

	// What the metrics will say: flags as Envoy writes them ("-" for none).
	target *target
	code   int
	flags  string
}

// serve applies the first rule that matches.
func (x *exchange) serve(w http.ResponseWriter, host *virtualHost) {
	x.target = host.nowhere
	if x.rule = host.match(&x.call); x.rule == nil {
		x.refuse(w, http.StatusNotFound, "NR", "canary-lab router: no rule of the route matches this request")
		return
	}
	if x.rule.redirect == nil && x.rule.direct == nil {
		x.destination = x.rule.split.pick(x.router.config.Random())
		if x.destination == nil {
			x.refuse(w, http.StatusInternalServerError, "NC", "canary-lab router: the rule sends no traffic anywhere")
			return
		}
		x.target = x.destination.cluster.nowhere
	}
	if !x.inject(w) {
		return
	}
	switch {
	case x.rule.redirect != nil:
		x.code = x.rule.redirect.answer(w, &x.call)
	case x.rule.direct != nil:
		x.answer(w, x.rule.direct)
	case x.destination.cluster.missing != "":
		x.refuse(w, x.rule.unresolved, "NC", "cluster not found: "+x.destination.cluster.missing)
	default:
		x.forward(w)
	}
}

// inject applies the rule's faults, and says whether the request goes on.
func (x *exchange) inject(w http.ResponseWriter) bool {
	f := &x.rule.fault
	if f.delay > 0 && f.delayShare.hit(x.router.config.Random()) {
		x.flags = "DI"
		if !sleep(x.Context(), f.delay) {
			x.code, x.flags = 0, "DI,DC"
			return false
		}
	}
	if f.abort > 0 && f.abortShare.hit(x.router.config.Random()) {
		x.refuse(w, f.abort, "FI", "fault filter abort")
		return false
	}
	return true
}

// forward proxies the request to a Pod.
func (x *exchange) forward(w http.ResponseWriter) {
	req := x.Request
	if x.rule.timeout > 0 {
		ctx, cancel := context.WithCancelCause(req.Context())
		timer := time.AfterFunc(x.rule.timeout, func() { cancel(errRequestTimeout) })
		defer func() { timer.Stop(); cancel(nil) }()
		req = req.WithContext(ctx)
	}
	if req.ContentLength != 0 && x.rule.retry.attempts > 0 {
		x.body = &replay{source: req.Body}
	}
	x.mirror()
	proxy := httputil.ReverseProxy{
		Rewrite:        x.rewriteRequest,
		ModifyResponse: x.modifyResponse,
		ErrorHandler:   x.fail,
		Transport:      x,
		BufferPool:     &x.router.buffers,
		ErrorLog:       x.router.errorLog,
	}
	proxy.ServeHTTP(w, req)
}

// RoundTrip sends the request to an endpoint of the chosen destination, and
// again as the rule's retry policy says.
func (x *exchange) RoundTrip(out *http.Request) (*http.Response, error) {
	policy := &x.rule.retry
	var tried []*endpoint
	for try := 1; ; try++ {
		to := x.destination.cluster.pick(x.router.config.Random(), tried)
		if to == nil {
			return nil, errNoEndpoint
		}
		res, err := x.try(out, to)
		if !policy.again(res, err) && !x.leftBehind(to, err) || out.Context().Err() != nil {
			return res, err
		}
		if try > policy.attempts {
			if policy.attempts > 0 {
				x.flags = "URX"
			}
			return res, err
		}
		if !x.rewind() {
			return res, err
		}
		if res != nil {
			_, _ = io.CopyN(io.Discard, res.Body, 4096) // a short answer leaves the connection usable
			_ = res.Body.Close()
		}
		tried = append(tried, to)
		if !policy.wait(out.Context(), try, x.router.config.Random()) {
			return nil, context.Cause(out.Context())
		}
	}
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

func (x *exchange) rewind() bool { return x.body == nil || x.body.rewind() }

// try sends the request once.
func (x *exchange) try(out *http.Request, to *endpoint) (*http.Response, error) {
	sent := time.Now()
	to.inFlight.Add(1)
	defer to.inFlight.Add(-1)
	x.target = to.target
	out.URL.Scheme, out.URL.Host = "http", to.address
	if x.body != nil {
		out.Body = x.body.open()
	}
	attempt := out
	if perTry := x.rule.retry.perTry; perTry > 0 {
		// The context has to outlive this function, because the body is read
		// through it; it ends with the request.
		ctx, cancel := context.WithCancelCause(out.Context())
		timer := time.AfterFunc(perTry, func() { cancel(errTryTimeout) })
		defer timer.Stop()
		attempt = out.WithContext(ctx)
	}
	res, err := x.router.transport.RoundTrip(attempt)
	took := time.Since(sent)
	if err != nil {
		return nil, x.lost(attempt, to, err, took)
	}
	to.target.report(dest, res.StatusCode, "-", took)
	res.Header.Set("X-Envoy-Upstream-Service-Time", strconv.FormatInt(took.Milliseconds(), 10))
	return res, nil
}

// lost counts a try without an answer as the Pod's side would, if the request
// got there, and says why there was none.
func (x *exchange) lost(attempt *http.Request, to *endpoint, err error, took time.Duration) error {
	var connect *connectError
	switch {
	case errors.As(err, &connect):
		x.target = x.destination.cluster.nowhere
		return err
	case attempt.Context().Err() != nil:
		to.target.report(dest, 0, "DC", took)
		return context.Cause(attempt.Context())
	}
	to.target.report(dest, http.StatusServiceUnavailable, "UC", took)
	return fmt.Errorf("read the answer of Pod at %s: %w", to.address, err)
}

// fail answers for a request that got no answer, with Envoy's codes and texts.
func (x *exchange) fail(w http.ResponseWriter, _ *http.Request, err error) {
	const reset = "upstream connect error or disconnect/reset before headers. reset reason: "
	var connect *connectError
	switch {
	case errors.Is(err, errNoEndpoint):
		x.target = x.destination.cluster.nowhere
		x.refuse(w, http.StatusServiceUnavailable, "UH", "no healthy upstream")
	case errors.As(err, &connect):
		x.refuse(w, http.StatusServiceUnavailable, "UF", reset+"connection failure")
	case errors.Is(err, errRequestTimeout), errors.Is(err, errTryTimeout):
		x.refuse(w, http.StatusGatewayTimeout, "UT", "upstream request timeout")
	case x.Context().Err() != nil: // the client went away
		x.code, x.flags = 0, "DC"
		panic(http.ErrAbortHandler)
	default:
		x.refuse(w, http.StatusServiceUnavailable, "UC", reset+"connection termination")
	}
}

// refuse answers in the Pod's stead.
func (x *exchange) refuse(w http.ResponseWriter, code int, flag, text string) {
	x.code = code
	if x.flags == "-" {
		x.flags = flag
	} else { // DI before, or URX
		x.flags = flag + "," + x.flags
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	_, _ = io.WriteString(w, text)
}

// finish counts the request as the client's side saw it.
func (x *exchange) finish() {
	x.target.report(source, x.code, x.flags, time.Since(x.started))
}
