package labtest

import (
	"context"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/canaryctl/canaryctl/internal/probe"
)

// Traffic is steady load through the lab's router, from Send to Stop.
type Traffic struct {
	cancel context.CancelFunc
	done   chan struct{}
	result probe.Result
	err    error

	mu    sync.Mutex
	bad   time.Time // when the first request went wrong for its user
	wrong int       // requests that did
}

// Send asks a host at a steady rate, in requests/s, whatever it answers.
func (l *Lab) Send(ctx context.Context, host string, rate float64) *Traffic {
	c := probe.Default()
	c.Rate = rate
	return l.SendAs(ctx, host, c)
}

// SendAs does so as a configuration says, but for where to and how long.
func (l *Lab) SendAs(ctx context.Context, host string, c probe.Config) *Traffic {
	ctx, cancel := context.WithCancel(ctx)
	t := &Traffic{cancel: cancel, done: make(chan struct{})}
	c.URL, c.Host, c.Duration = l.Router+"/version", host, 0
	transport := &http.Transport{MaxIdleConnsPerHost: c.Concurrency, IdleConnTimeout: 90 * time.Second}
	if c.GRPC {
		c.URL = l.Router + "/canaryctl.echo.v1.Echo/Echo"
		transport.Protocols = new(http.Protocols)
		transport.Protocols.SetUnencryptedHTTP2(true)
		transport.HTTP2 = &http.HTTP2Config{StrictMaxConcurrentRequests: true} // one connection, as gRPC's clients have
	}
	c.Transport = look{transport, t}
	go func() {
		defer close(t.done)
		defer transport.CloseIdleConnections()
		t.result, t.err = probe.Run(ctx, c)
	}()
	return t
}

// Stop ends the traffic and says what became of it. It may be called again.
func (t *Traffic) Stop() (probe.Result, error) {
	t.cancel()
	<-t.done
	return t.result, t.err
}

// FirstBad is when the first request went wrong for its user: an answer of 500 or
// above, none in time, or one that broke off. It is zero for none so far.
func (t *Traffic) FirstBad() time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.bad
}

// Bad is how many went wrong so far.
func (t *Traffic) Bad() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.wrong
}

func (t *Traffic) isBad() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.wrong++
	if t.bad.IsZero() {
		t.bad = time.Now()
	}
}

// look looks at the answers as they come.
type look struct {
	http.RoundTripper
	at *Traffic
}

func (l look) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := l.RoundTripper.RoundTrip(r)
	if err != nil || answer.StatusCode >= http.StatusInternalServerError {
		l.at.isBad()
		return answer, err
	}
	answer.Body = body{answer.Body, answer, l.at}
	return answer, nil
}

// body looks at how an answer ends.
type body struct {
	io.ReadCloser
	of *http.Response
	at *Traffic
}

func (b body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	switch status := b.of.Header.Get("Grpc-Status") + b.of.Trailer.Get("Grpc-Status"); {
	case err == nil:
	case err != io.EOF, status != "" && status != "0":
		b.at.isBad()
	}
	return n, err
}
