package probe

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"syscall"
)

// maxBody bounds what is read of an answer, in bytes: a version is in the
// beginning of it, or not there.
const maxBody = 64 << 10

// sender sends one request at a time, over connections that are kept.
type sender struct {
	config Config
	client *http.Client
	own    *http.Transport // to close; nil when the caller gave one
}

func newSender(c Config) *sender {
	s := &sender{config: c}
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

func (s *sender) close() {
	if s.own != nil {
		s.own.CloseIdleConnections()
	}
}

// send reports ok unless ctx ended first: how that request would have ended,
// nobody knows.
func (s *sender) send(ctx context.Context) (o outcome, ok bool) {
	limited, cancel := context.WithTimeout(ctx, s.config.Timeout)
	defer cancel()
	o, err := s.exchange(limited)
	if err == nil {
		return o, true
	}
	if ctx.Err() != nil {
		return outcome{}, false
	}
	return outcome{failure: failure(err)}, true
}

func (s *sender) exchange(ctx context.Context) (outcome, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.config.URL, nil)
	if err != nil {
		return outcome{}, err
	}
	request.Host = s.config.Host
	request.Header.Set("User-Agent", "canaryctl-probe")
	start := s.config.Clock.Now()
	response, err := s.client.Do(request)
	if err != nil {
		return outcome{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBody))
	if err != nil {
		return outcome{}, err
	}
	return outcome{
		version: s.config.Version(response.Header, body),
		code:    response.StatusCode,
		took:    s.config.Clock.Since(start),
	}, nil
}

// failure sorts errors into few kinds: the text of an error names ports, and
// would make a kind of each.
func failure(err error) string {
	var dns *net.DNSError
	var timeout net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "connection reset"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "connection closed"
	case errors.As(err, &dns):
		return "unknown host"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "timeout"
	}
	return "other"
}
