package router

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"
)

// attempt is one sending of a request to a Pod, from then to the end of the
// answer: only there does a mesh count. It stands in for the answer's body, to
// see how that ends.
type attempt struct {
	to     *endpoint
	load   *load
	client http.ResponseWriter
	sent   time.Time
	open   bool           // in flight, and not counted yet
	http2  bool           // how the Pod is spoken to
	answer *http.Response // nil until its headers are there
	body   io.ReadCloser
	ended  error // of reading the body: nil while it goes on, io.EOF at its end
	tunnel *tunnel
}

func (a *attempt) begin(to *endpoint, l *load) {
	*a = attempt{to: to, load: l, client: a.client, sent: time.Now(), open: true}
	to.inFlight.Add(1)
}

// receive takes the headers of the Pod's answer.
func (a *attempt) receive(res *http.Response) {
	a.answer = res
	if stream, ok := res.Body.(io.ReadWriteCloser); ok && res.StatusCode == http.StatusSwitchingProtocols {
		a.tunnel = &tunnel{ReadWriteCloser: stream}
		res.Body = a.tunnel
		return
	}
	a.body, res.Body = res.Body, a
}

// Read reads the answer's body.
func (a *attempt) Read(p []byte) (int, error) {
	n, err := a.body.Read(p)
	if err == nil || a.ended != nil {
		return n, err
	}
	if a.ended = err; !errors.Is(err, io.EOF) && a.answer.ContentLength >= 0 {
		// ReverseProxy aborts. The client gets what there was of the answer all the
		// same; of one without a length it has.
		_ = http.NewResponseController(a.client).Flush()
	}
	return n, err
}

// Close lets go of the answer's body.
func (a *attempt) Close() error { return a.body.Close() }

// end counts the attempt as the Pod's sidecar does.
func (a *attempt) end(o outcome) {
	if a.release() {
		a.to.target.report(dest, o, time.Since(a.sent))
	}
}

// release ends the attempt uncounted: the Pod's sidecar did not see it, or is gone.
func (a *attempt) release() (was bool) {
	if !a.open {
		return false
	}
	a.open = false
	a.to.inFlight.Add(-1)
	a.load.active.Add(-1)
	return true
}

// send sends the request once. An error says why there is no answer.
func (x *exchange) send(out *http.Request, to *endpoint) (*http.Response, error) {
	c := x.destination.cluster
	if !c.load.admit(c.maxRequests) {
		return nil, errOverflow
	}
	x.try.begin(to, c.load)
	if x.grpc && !c.load.called.Load() {
		c.load.called.Store(true)
	}
	x.target = to.unanswered
	out.URL.Scheme, out.URL.Host = "http", to.address
	if x.body != nil {
		out.Body = x.body.open()
	}
	one := out
	if perTry := x.rule.retry.perTry; perTry > 0 {
		// The context has to outlive this function, because the body is read
		// through it; it ends with the request.
		ctx, cancel := context.WithCancelCause(out.Context())
		timer := time.AfterFunc(perTry, func() { cancel(errTryTimeout) })
		defer timer.Stop()
		one = out.WithContext(ctx)
	}
	transport := x.router.transports.to(c, x.Request, x.grpc)
	x.try.http2 = transport == x.router.transports.http2
	res, err := transport.RoundTrip(one)
	if err != nil {
		return nil, x.lost(one.Context(), err)
	}
	x.target = to.target
	x.try.receive(res)
	res.Header.Set("X-Envoy-Upstream-Service-Time", strconv.FormatInt(time.Since(x.try.sent).Milliseconds(), 10))
	return res, nil
}
