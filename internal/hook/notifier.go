package hook

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/canaryctl/canaryctl/internal/event"
	"github.com/canaryctl/canaryctl/internal/hint"
)

// Notifier tells those outside what happens. Each target has a queue of its own,
// so one that is slow or gone delays neither the release nor the others.
type Notifier struct {
	outlets []*outlet
	stop    context.CancelFunc
	done    sync.WaitGroup
}

// NewNotifier checks the notifications and starts one goroutine for each, until
// Close. Its error wraps ErrSpec.
func NewNotifier(specs []Notification, c Config) (*Notifier, error) {
	for i, spec := range specs {
		if err := invalid(fmt.Sprintf("spec.notify[%d]", i), spec.Mistakes()); err != nil {
			return nil, hint.Wrap(err, "mend it in the plan; docs/hooks.md shows notifications of all kinds")
		}
	}
	c = c.completed()
	c.Warn = oneAtATime(c.Warn)
	ctx, stop := context.WithCancel(context.Background())
	n := &Notifier{stop: stop}
	for i, spec := range specs {
		o := newOutlet(fmt.Sprintf("notify[%d]", i), spec, c)
		n.outlets = append(n.outlets, o)
		n.done.Go(func() { o.run(ctx) })
	}
	return n, nil
}

// Notify queues an event for each target that wants its kind, and returns at
// once. Where a queue is full, readings of the evidence and waits give way to
// what is not told twice. The event is not changed by anybody afterwards.
func (n *Notifier) Notify(e event.Event) {
	for _, o := range n.outlets {
		if o.kinds[e.Kind] {
			o.queue.put(e)
		}
	}
}

// Close tells what is still queued, for as long as the context lasts, and ends.
// While it does, readings and waits give way to what came after them, and only
// the last event is tried more than once. The error counts what was not told; the
// release went on without.
func (n *Notifier) Close(ctx context.Context) error {
	for _, o := range n.outlets {
		o.queue.close()
	}
	quit := context.AfterFunc(ctx, n.stop)
	defer quit()
	n.done.Wait()
	n.stop()
	var errs []error
	for _, o := range n.outlets {
		errs = append(errs, o.missed())
	}
	return errors.Join(errs...)
}

// oneAtATime lets several goroutines call f.
func oneAtATime(f func(string)) func(string) {
	var mu sync.Mutex
	return func(text string) {
		mu.Lock()
		defer mu.Unlock()
		f(text)
	}
}
