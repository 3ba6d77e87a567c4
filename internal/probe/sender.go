package probe

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"syscall"

	"golang.org/x/net/http2"
)

// sender sends one request at a time, over connections that are kept. It says
// how the request ended, or that it was given up, when ctx ends.
type sender interface {
	send(ctx context.Context) outcome
	close()
}

func newSender(c Config) sender {
	if c.GRPC {
		return newCaller(c)
	}
	return newGetter(c)
}

// maxBody bounds what is kept of an answer, in bytes: a version is in the
// beginning of it, or not there.
const maxBody = 64 << 10

// getter sends GET requests.
type getter struct {
	config Config
	client *http.Client
	own    *http.Transport // to close; nil when the caller gave one
}

func newGetter(c Config) *getter {
	s := &getter{config: c}
	transport := c.Transport
	if transport == nil {
		s.own = &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			MaxIdleConnsPerHost: c.Concurrency,
			ForceAttemptHTTP2:   true,
		}
		transport = s.own
	}
	s.client = &http.Client{
		Transport: transport,
		// A redirect is an answer like any other.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return s
}

func (s *getter) close() {
	if s.own != nil {
		s.own.CloseIdleConnections()
	}
}

func (s *getter) send(ctx context.Context) outcome {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.config.URL, nil)
	if err != nil {
		return outcome{failure: failure(ctx, err)}
	}
	request.Host = s.config.Host
	request.Header.Set("User-Agent", userAgent)
	start := s.config.Clock.Now()
	response, err := s.client.Do(request)
	if err != nil {
		return outcome{failure: failure(ctx, err)}
	}
	defer response.Body.Close()
	body, err := readAll(response.Body)
	o := outcome{
		version: s.config.Version(response.Header, body),
		code:    strconv.Itoa(response.StatusCode),
		took:    s.config.Clock.Since(start),
	}
	switch {
	case err != nil:
		o.end = cutShort(ctx)
	case response.StatusCode >= http.StatusInternalServerError:
		o.end = bad
	}
	return o
}

const userAgent = "canaryctl-probe"

// readAll reads to the end, where it shows whether an answer is whole, and
// returns the first maxBody bytes.
func readAll(r io.Reader) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r, maxBody))
	if err == nil {
		_, err = io.Copy(io.Discard, r)
	}
	return body, err
}

// cutShort says who ended an answer that had begun.
func cutShort(ctx context.Context) end {
	if ctx.Err() != nil {
		return givenUp
	}
	return broken
}

// Kinds of failure that have their own remedies: requests that were not
// answered by the time-out, calls to somebody who speaks HTTP/1.1 only.
const (
	GivenUp = "given up"
	NoHTTP2 = "no HTTP/2"
)

// failure sorts errors into few kinds: the text of an error names ports, and
// would make a kind of each.
func failure(ctx context.Context, err error) string {
	var dns *net.DNSError
	var timeout net.Error
	var stream http2.StreamError
	switch {
	case ctx.Err() != nil:
		return GivenUp
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "connection reset"
	case errors.As(err, &stream):
		return "stream reset"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "connection closed"
	case errors.As(err, &dns):
		return "unknown host"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "timeout"
	}
	return "other"
}
