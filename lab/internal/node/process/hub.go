package process

import (
	"context"
	"errors"
	"io"
	"sync"
)

// Names of the output streams. A terminal has Stdout only.
const (
	Stdout = "stdout"
	Stderr = "stderr"
)

const (
	// backlog is how much early output is kept for whoever attaches first, bytes.
	backlog = 64 << 10
	// patience is how far a client may lag behind before it is cut off, in bytes.
	// The process is never held up: its log and its end have to go on.
	patience = 4 << 20
)

// errTooSlow ends the attachment of a client that does not read.
var errTooSlow = errors.New("the output was not read fast enough")

// chunk is a piece of output.
type chunk struct {
	stream string
	data   []byte
}

// hub hands the output of a process to those who are attached.
type hub struct {
	mu      sync.Mutex
	clients map[*client]bool
	// early is the output before the first attachment. "kubectl run -it" creates
	// the Pod and attaches a moment later; with it nothing is lost in between.
	early     []chunk
	earlySize int
	keepEarly bool
	joined    bool
	ended     bool
}

func newHub(keepEarly bool) *hub {
	return &hub{clients: make(map[*client]bool), keepEarly: keepEarly}
}

// writer returns the entrance of one stream.
func (h *hub) writer(stream string) io.Writer { return hubWriter{h, stream} }

type hubWriter struct {
	hub    *hub
	stream string
}

func (w hubWriter) Write(p []byte) (int, error) {
	w.hub.mu.Lock()
	defer w.hub.mu.Unlock()
	c := chunk{w.stream, append([]byte(nil), p...)}
	if w.hub.keepEarly && !w.hub.joined {
		w.hub.remember(c)
	}
	for client := range w.hub.clients {
		client.push(c)
	}
	return len(p), nil
}

func (h *hub) remember(c chunk) {
	h.early = append(h.early, c)
	h.earlySize += len(c.data)
	for h.earlySize > backlog && len(h.early) > 1 {
		h.earlySize -= len(h.early[0].data)
		h.early = h.early[1:]
	}
}

// join adds a client; the first gets the early output too. It returns nil for
// a process that has ended and has nothing left to say.
func (h *hub) join() *client {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended && (h.joined || !h.keepEarly) {
		return nil
	}
	c := &client{wake: make(chan struct{}, 1), ended: h.ended}
	for _, piece := range h.early {
		c.push(piece)
	}
	h.early, h.joined = nil, true
	h.clients[c] = true
	return c
}

func (h *hub) leave(c *client) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.clients, c)
}

// end says that no more will be written.
func (h *hub) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ended = true
	for c := range h.clients {
		c.finish()
	}
}

// client is one attachment's queue of output.
type client struct {
	wake chan struct{}

	mu      sync.Mutex
	chunks  []chunk
	size    int
	ended   bool
	tooSlow bool
}

func (c *client) push(piece chunk) {
	c.mu.Lock()
	if c.size += len(piece.data); c.size > patience {
		c.tooSlow = true
	} else {
		c.chunks = append(c.chunks, piece)
	}
	c.mu.Unlock()
	c.notify()
}

func (c *client) finish() {
	c.mu.Lock()
	c.ended = true
	c.mu.Unlock()
	c.notify()
}

func (c *client) notify() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// next waits for output. io.EOF says that there will be no more.
func (c *client) next(ctx context.Context) ([]chunk, error) {
	for {
		c.mu.Lock()
		chunks, ended, tooSlow := c.chunks, c.ended, c.tooSlow
		c.chunks, c.size = nil, 0
		c.mu.Unlock()
		switch {
		case tooSlow:
			return nil, errTooSlow
		case len(chunks) > 0:
			return chunks, nil
		case ended:
			return nil, io.EOF
		}
		select {
		case <-c.wake:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
