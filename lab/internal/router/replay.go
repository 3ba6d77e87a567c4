package router

import (
	"errors"
	"io"
	"sync"
)

// replayLimit is how much of a request body is kept for another try; a request
// that sent more is not tried again. Envoy's buffers have such a limit as well.
const replayLimit = 64 << 10

// replay is a request body that can be sent again from its beginning. A try that
// was given up may still be reading, from a client that has not sent all: what it
// reads is kept for the next.
type replay struct {
	source io.Reader
	ended  func() // called once, when the client has sent all

	mu      sync.Mutex
	change  sync.Cond
	kept    []byte
	gone    bool  // the front of the body is not kept any more
	reading bool  // a try is reading from the source
	err     error // of the source; io.EOF at its end
	try     *replayTry
}

func newReplay(source io.Reader, ended func()) *replay {
	r := &replay{source: source, ended: ended}
	r.change.L = &r.mu
	return r
}

// open returns the body for one try, and ends that of the try before.
func (r *replay) open() io.ReadCloser {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.try = &replayTry{replay: r}
	r.change.Broadcast()
	return r.try
}

// again says whether the body can be sent once more.
func (r *replay) again() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.gone
}

// fill reads on from the source.
func (r *replay) fill(p []byte) {
	r.reading = true
	r.mu.Unlock()
	n, err := r.source.Read(p)
	r.mu.Lock()
	r.reading = false
	r.kept = append(r.kept, p[:n]...)
	if r.err == nil && err != nil {
		if r.err = err; errors.Is(err, io.EOF) {
			r.ended()
		}
	}
	r.change.Broadcast()
}

// replayTry is the body of one try.
type replayTry struct {
	*replay
	at     int
	closed bool
}

var errTryOver = errors.New("this try of the request is over")

func (t *replayTry) Read(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for {
		switch {
		case t.closed || t.try != t:
			return 0, errTryOver
		case t.at < len(t.kept):
			n := copy(p, t.kept[t.at:])
			if t.at += n; t.at > replayLimit {
				t.kept, t.at, t.gone = append(t.kept[:0], t.kept[t.at:]...), 0, true
			}
			return n, nil
		case t.err != nil:
			return 0, t.err
		case t.reading:
			t.change.Wait()
		default:
			t.fill(p)
		}
	}
}

// Close ends the try; the server closes the source itself.
func (t *replayTry) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	t.change.Broadcast()
	return nil
}
