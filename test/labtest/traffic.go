package labtest

import (
	"context"
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

	mu  sync.Mutex
	bad time.Time // when the first answer of 500 or above came
}

// Send asks a host at a steady rate, in requests/s, whatever it answers.
func (l *Lab) Send(ctx context.Context, host string, rate float64) *Traffic {
	ctx, cancel := context.WithCancel(ctx)
	t := &Traffic{cancel: cancel, done: make(chan struct{})}
	c := probe.Default()
	c.URL, c.Host, c.Rate, c.Duration = l.Router+"/version", host, rate, 0
	transport := &http.Transport{MaxIdleConnsPerHost: c.Concurrency}
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

// FirstBad is when the first answer of 500 or above came; zero for none so far.
func (t *Traffic) FirstBad() time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.bad
}

// look looks at the answers as they come.
type look struct {
	http.RoundTripper
	at *Traffic
}

func (l look) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := l.RoundTripper.RoundTrip(r)
	if err == nil && answer.StatusCode >= http.StatusInternalServerError {
		l.at.mu.Lock()
		defer l.at.mu.Unlock()
		if l.at.bad.IsZero() {
			l.at.bad = time.Now()
		}
	}
	return answer, err
}
