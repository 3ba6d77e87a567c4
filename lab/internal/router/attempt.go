package router

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
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
	res, err := x.router.transports.to(c, x.Request, x.grpc).RoundTrip(one)
	if err != nil {
		return nil, x.lost(one.Context(), err)
	}
	x.target = to.target
	x.try.receive(res)
	res.Header.Set("X-Envoy-Upstream-Service-Time", fmt.Sprint(time.Since(x.try.sent).Milliseconds()))
	return res, nil
}

// lost counts an attempt without an answer as the Pod's sidecar does, and says
// why there was none.
func (x *exchange) lost(ctx context.Context, err error) error {
	var connect *connectError
	switch {
	case errors.As(err, &connect):
		x.try.release()
		return err
	case ctx.Err() != nil:
		x.try.end(x.withdrawn(context.Cause(ctx)))
		return context.Cause(ctx)
	case x.router.connections.isCut(x.try.to.address):
		x.try.release()
		return errCut
	}
	flag := "UC"
	if isStreamReset(err) {
		flag = "UR"
	}
	x.try.end(x.refusal(http.StatusServiceUnavailable, flag))
	return &resetError{flag: flag, err: fmt.Errorf("read the answer of Pod at %s: %w", x.try.to.address, err)}
}

// withdrawn is what the Pod's sidecar counts when the client's side takes a
// request back before there is an answer. Of a call whose time is over it has
// been told the deadline, and the Pod gives up by itself.
func (x *exchange) withdrawn(cause error) outcome {
	switch {
	case !x.grpc:
		return outcome{flags: "DC", grpc: notGRPC}
	case errors.Is(cause, errRequestTimeout), errors.Is(cause, errTryTimeout):
		return outcome{code: http.StatusOK, flags: "UR", grpc: grpcUnavailable}
	}
	return outcome{flags: "DR", grpc: noStatus}
}

// sidecarAnswer is what a Pod's sidecar answers in the Pod's stead when that
// broke the connection: to the client's side it is an answer like any other. All
// else it returns as it is.
func (x *exchange) sidecarAnswer(out *http.Request, res *http.Response, err error) (*http.Response, error) {
	var reset *resetError
	if !errors.As(err, &reset) {
		return res, err
	}
	text := resetText + reset.reason()
	res = &http.Response{StatusCode: http.StatusServiceUnavailable, ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{}, Request: out}
	if x.grpc {
		res.StatusCode = http.StatusOK
		setStatus(res.Header, grpcUnavailable, text)
		res.Body = http.NoBody
	} else {
		res.Header.Set("Content-Type", "text/plain")
		res.Body, res.ContentLength = io.NopCloser(strings.NewReader(text)), int64(len(text))
	}
	x.target = x.try.to.target
	x.try.receive(res)
	return res, nil
}

// conclude counts the attempt whose answer was passed on, and notes how that
// ended for the client's side.
func (x *exchange) conclude() {
	a := &x.try
	if x.grpc {
		x.status = statusOf(a.answer)
	}
	flag, cut := x.broken()
	x.flag(flag)
	if cut {
		a.release()
		return
	}
	if flag == "UT" {
		flag = "DC" // the client's side hung up
	}
	a.end(outcome{x.code, flag, x.status})
}

// broken says why the Pod's answer did not come to its end, "-" if it did, and
// whether that is because the Pod's sidecar is gone, with all it had counted.
func (x *exchange) broken() (flag string, cut bool) {
	a, cause := &x.try, context.Cause(x.Context())
	switch {
	case errors.Is(a.ended, io.EOF), a.tunnel.endedBy(byPod):
		return "-", false
	case errors.Is(cause, errRequestTimeout):
		return "UT", false
	case x.router.connections.isCut(a.to.address):
		return "UC", true
	case a.tunnel.endedBy(byReset):
		return "UC", false
	case cause != nil, a.ended == nil: // the client left; in the latter case, while it was written to
		return "DC", false
	case isStreamReset(a.ended):
		return "UR", false
	case a.answer.ProtoMajor == 2:
		return "UC", false
	}
	return "UPE", false // an HTTP/1.1 body that is shorter than was said
}

// tunnel is an upgraded connection to a Pod. As with Envoy it is over when one
// side ends it; which, makes a difference: a client that hangs up is counted as
// one.
type tunnel struct {
	io.ReadWriteCloser
	first atomic.Int32
}

const (
	byPod   int32 = 1 + iota
	byReset       // of the Pod's
	byClient
)

var errTunnelOver = errors.New("the upgraded connection is over")

func (t *tunnel) endedBy(whom int32) bool { return t != nil && t.first.Load() == whom }

// Read reads what the Pod says.
func (t *tunnel) Read(p []byte) (int, error) {
	n, err := t.ReadWriteCloser.Read(p)
	switch {
	case errors.Is(err, io.EOF):
		t.first.CompareAndSwap(0, byPod)
		err = errTunnelOver // an io.EOF would have ReverseProxy wait for the client
	case errors.Is(err, syscall.ECONNRESET):
		t.first.CompareAndSwap(0, byReset)
	}
	return n, err
}

// CloseWrite is called when the client has hung up.
func (t *tunnel) CloseWrite() error {
	t.first.CompareAndSwap(0, byClient)
	return errTunnelOver
}

// resetError is a Pod that broke off before it answered.
type resetError struct {
	flag string
	err  error
}

func (e *resetError) Error() string { return e.err.Error() }
func (e *resetError) Unwrap() error { return e.err }

func (e *resetError) reason() string {
	if e.flag == "UR" {
		return "remote reset"
	}
	return "connection termination"
}

// isStreamReset says whether the peer ended one stream of an HTTP/2 connection.
// net/http fills any type of this shape: see As in its h2_error.go.
func isStreamReset(err error) bool {
	var reset streamError
	return errors.As(err, &reset)
}

type streamError struct {
	StreamID uint32
	Code     uint32
	Cause    error
}

func (e streamError) Error() string {
	return fmt.Sprintf("stream %d was reset: %d", e.StreamID, e.Code)
}
