package router

import (
	"context"
	"errors"
	"io"
	"net/http"
)

// mirror sends copies of the request to the rule's mirrors and forgets the
// answers. Requests with a body are not mirrored: the body is not kept whole.
func (x *exchange) mirror() {
	for _, m := range x.rule.mirrors {
		if x.ContentLength != 0 || !m.share.hit(x.router.config.Random()) {
			continue
		}
		to := m.cluster.pick(x.router.config.Random(), nil)
		if to == nil || !m.cluster.load.admit(m.cluster.maxRequests) {
			continue
		}
		ctx, cancel := context.WithoutCancel(x.Context()), context.CancelFunc(func() {})
		if x.limit > 0 { // without one, copies to a Pod that hangs pile up, as in Envoy
			ctx, cancel = context.WithTimeout(ctx, x.limit)
		}
		copied := x.Clone(ctx)
		copied.RequestURI, copied.Body = "", nil
		copied.URL.Scheme, copied.URL.Host = "http", to.address
		var sent attempt
		sent.begin(to, m.cluster.load)
		transport := x.router.transports.to(m.cluster, x.Request, x.grpc)
		x.router.requests.Go(func() {
			defer cancel()
			x.router.shadow(transport, copied, &sent)
		})
	}
}

// shadow sends a copy. Only the Pod's side counts it.
func (r *Router) shadow(transport *http.Transport, copied *http.Request, sent *attempt) {
	defer sent.release()
	res, err := transport.RoundTrip(copied)
	var connect *connectError
	switch {
	case err == nil:
		_, err = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		if err == nil {
			sent.end(outcome{res.StatusCode, "-", notGRPC})
		}
	case copied.Context().Err() != nil:
		sent.end(outcome{0, hangsUp(transport == r.transports.http2), notGRPC})
	case !errors.As(err, &connect) && !r.connections.isCut(sent.to.address):
		sent.end(outcome{http.StatusServiceUnavailable, "UC", notGRPC})
	}
}
