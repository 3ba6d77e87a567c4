package router

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// lost counts an attempt without an answer as the Pod's sidecar does, and says
// why there was none.
func (x *exchange) lost(ctx context.Context, err error) error {
	var connect *connectError
	switch {
	case errors.As(err, &connect):
		x.try.release()
		return err
	case ctx.Err() != nil:
		o := outcome{0, hangsUp(x.try.http2), notGRPC}
		if x.grpc {
			o.grpc = noStatus
		}
		x.try.end(o)
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
	flag, received := x.broken()
	x.flag(flag)
	if received == "" {
		a.release()
		return
	}
	a.end(outcome{x.code, received, x.status})
}

// broken says by flags why the Pod's answer did not come to its end, "-" if it did:
// for the client's side, and for that of the Pod. The latter is empty if the Pod's
// sidecar is gone, with all that it had counted.
func (x *exchange) broken() (sent, received string) {
	a, cause := &x.try, context.Cause(x.Context())
	switch {
	case errors.Is(a.ended, io.EOF):
		return "-", "-"
	case errors.Is(cause, errRequestTimeout):
		return "UT", hangsUp(a.http2)
	case x.router.connections.isCut(a.to.address):
		return "UC", ""
	case a.tunnel.endedByPod():
		return "UC", "UC"
	case cause != nil, a.ended == nil: // the client left; in the latter case, while it was written to
		return hangsUp(x.ProtoMajor == 2), hangsUp(a.http2)
	case isStreamReset(a.ended):
		return "UR", "UR"
	case a.http2:
		return "UC", "UC"
	}
	return "UPE", "UPE" // an HTTP/1.1 body that is shorter than was said
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
