package labtest

import (
	"context"

	"github.com/canaryctl/canaryctl/internal/probe"
)

// Traffic is steady load through the lab's router, from Send to Stop.
type Traffic struct {
	cancel context.CancelFunc
	done   chan struct{}
	result probe.Result
	err    error
}

// Send asks a host at a steady rate, in requests/s, whatever it answers.
func (l *Lab) Send(ctx context.Context, host string, rate float64) *Traffic {
	c := probe.Default()
	c.URL, c.Host, c.Rate, c.Duration = l.Router+"/version", host, rate, 0
	ctx, cancel := context.WithCancel(ctx)
	t := &Traffic{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(t.done)
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
