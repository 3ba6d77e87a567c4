package kube

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// patience bounds a request from its start to the end of its answer. It leaves
// streams alone, which http.Client.Timeout would cut.
type patience struct {
	next    http.RoundTripper
	timeout time.Duration // 0 is no bound
}

func (p *patience) RoundTrip(r *http.Request) (*http.Response, error) {
	if p.timeout == 0 || streams(r) {
		response, err := p.next.RoundTrip(r)
		return response, explain(err)
	}
	ctx, cancel := context.WithTimeoutCause(r.Context(), p.timeout,
		fmt.Errorf("no answer within %s (--request-timeout)", p.timeout))
	response, err := p.next.RoundTrip(r.WithContext(ctx))
	if err != nil {
		if r.Context().Err() == nil && ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		cancel()
		return nil, explain(err)
	}
	response.Body = &body{response.Body, cancel}
	return response, nil
}

func streams(r *http.Request) bool {
	q := r.URL.Query()
	return q.Get("watch") != "" || q.Get("follow") != ""
}

// explain says what an EOF means here. It also keeps client-go from asking ten
// times more, a silent second apart, a server that hangs up on us: net/http has
// tried a second connection already.
func explain(err error) error {
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("the connection was closed before an answer came: %w", err)
	}
	return err
}

// body releases the deadline once the answer has been read.
type body struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (b *body) Close() error {
	defer b.cancel()
	return b.ReadCloser.Close()
}
