package worker

import (
	"bytes"
	"sync"
)

// maxHead is how much of a probe's output is worth showing, in bytes: the
// kubelet's limit.
const maxHead = 10 << 10

// head keeps the beginning of what two streams write.
type head struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (h *head) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.buf.Write(p[:min(len(p), maxHead-h.buf.Len())])
	return len(p), nil
}

func (h *head) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.buf.String()
}
