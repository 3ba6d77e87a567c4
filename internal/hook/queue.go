package hook

import (
	"context"
	"slices"
	"sync"

	"github.com/canaryctl/canaryctl/internal/event"
)

// mostQueued bounds the events that wait for one target: an hour of steps, or
// minutes of readings.
const mostQueued = 256

// expendable are the kinds that come again soon and then say more.
func expendable(kind event.Kind) bool { return kind == event.Evidence || kind == event.Waiting }

// queue holds events for one taker. Nobody who puts into it ever waits.
type queue struct {
	most    int
	more    chan struct{} // holds one when there may be something to take
	closing chan struct{}

	mu      sync.Mutex
	events  []event.Event
	closed  bool
	dropped int
}

func newQueue(most int) *queue {
	return &queue{most: most, more: make(chan struct{}, 1), closing: make(chan struct{})}
}

// put appends an event. In a full queue the oldest expendable one gives way, or
// else the oldest.
func (q *queue) put(e event.Event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		q.dropped++
		return
	}
	q.events = append(q.events, e)
	if len(q.events) > q.most {
		i := max(slices.IndexFunc(q.events, func(e event.Event) bool { return expendable(e.Kind) }), 0)
		q.events = slices.Delete(q.events, i, i+1)
		q.dropped++
	}
	select {
	case q.more <- struct{}{}:
	default:
	}
}

// take returns the oldest event, and waits for one. It returns false once the
// queue is closed and empty, or the context has ended.
func (q *queue) take(ctx context.Context) (event.Event, bool) {
	for ctx.Err() == nil {
		e, ok, closed := q.pop()
		if ok || closed {
			return e, ok
		}
		select {
		case <-q.more:
		case <-q.closing:
		case <-ctx.Done():
		}
	}
	return event.Event{}, false
}

func (q *queue) pop() (e event.Event, ok, closed bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.events) == 0 {
		return e, false, q.closed
	}
	e, q.events = q.events[0], q.events[1:]
	return e, true, q.closed
}

// close lets what is queued be taken, and nothing more be put. What is expendable
// and has something else behind it goes: the time is short now, and the end of a
// release says what was known.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return
	}
	q.closed = true
	close(q.closing)
	last := len(q.events)
	for last > 0 && expendable(q.events[last-1].Kind) {
		last--
	}
	kept := slices.DeleteFunc(slices.Clone(q.events[:last]), func(e event.Event) bool { return expendable(e.Kind) })
	q.events = append(kept, q.events[last:]...)
}

// pressed reports whether the queue is closed and something waits in it.
func (q *queue) pressed() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closed && len(q.events) > 0
}

// lost counts what gave way, and what is still there.
func (q *queue) lost() (dropped, left int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.dropped, len(q.events)
}
