package router

import (
	"context"
	"math"
	"net/http"
	"net/http/httputil"
	"time"
)

// exchange is one request on its way through the router, and what came of it.
type exchange struct {
	call
	router      *Router
	rule        *rule
	destination *destination
	started     time.Time
	grpc        bool
	limit       time.Duration // of the whole request; 0: none
	body        *replay
	try         attempt // the last one

	// What the client's side will say: flags as Envoy writes them ("-" for none).
	target *target
	code   int
	flags  string
	status grpcStatus
	passed bool // a Pod's answer is passed on
}

func (r *Router) exchange(req *http.Request) *exchange {
	x := &exchange{router: r, call: call{Request: req, host: hostname(req.Host)}, started: time.Now(), flags: "-", status: notGRPC}
	if x.grpc = isGRPC(req.Header); x.grpc {
		x.status = noStatus
	}
	return x
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
		x.flag("DI")
		if !sleep(x.Context(), f.delay) {
			x.left()
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
	allSaid := func() {}
	if x.limit = x.timeout(); x.limit > 0 && x.Header.Get("Upgrade") == "" {
		timer := x.limited()
		defer timer.Stop()
		allSaid = func() { timer.Reset(x.limit) }
	}
	switch {
	case x.ContentLength == 0:
		allSaid()
	case x.limit > 0 || x.rule.retry.attempts > 0:
		x.body = newReplay(x.Body, allSaid)
	}
	x.mirror()
	x.try.client = w
	proxy := httputil.ReverseProxy{
		Rewrite:        x.rewriteRequest,
		ModifyResponse: x.modifyResponse,
		ErrorHandler:   x.fail,
		Transport:      x,
		BufferPool:     &x.router.buffers,
		ErrorLog:       x.router.errorLog,
	}
	proxy.ServeHTTP(w, x.Request)
}

// timeout is how long the request may take; 0: for ever. Istio has Envoy take a
// call's own deadline, up to the route's time (max_grpc_timeout).
func (x *exchange) timeout() time.Duration {
	limit := x.rule.timeout
	if !x.grpc {
		return limit
	}
	if asked := grpcTimeout(x.Header); asked > 0 && (limit == 0 || asked < limit) {
		return asked
	}
	return limit
}

// limited makes the request end when a timer fires, which is not started yet: as
// in Envoy time runs from when the client has said all. So an upgraded connection,
// and a stream that the client keeps open, have no limit. The context is left as
// it is in the end, for finish asks it who ended the request.
func (x *exchange) limited() *time.Timer {
	ctx, cancel := context.WithCancelCause(x.Context())
	x.Request = x.WithContext(ctx)
	return time.AfterFunc(math.MaxInt64, func() { cancel(errRequestTimeout) })
}

// finish counts the request as the client's side saw it, once it is over: with
// the last byte of the answer, or with whatever ended it before.
func (x *exchange) finish() {
	if x.passed {
		x.conclude()
	}
	x.try.release()
	x.target.report(source, outcome{x.code, x.flags, x.status}, time.Since(x.started))
}

// flag adds one of Envoy's response flags, in the order in which things happened.
func (x *exchange) flag(f string) {
	switch {
	case f == "-":
	case x.flags == "-":
		x.flags = f
	default:
		x.flags += "," + f
	}
}
