package main

import (
	"fmt"
	"strings"
	"sync"
	"time"
)

// diary keeps what happened in a run, for whoever has to find out why.
type diary struct {
	began time.Time
	mu    sync.Mutex
	lines []string
}

// notef adds a line, with the time since the run began.
func (d *diary) notef(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, fmt.Sprintf("%6.2fs  "+format, append([]any{time.Since(d.began).Seconds()}, args...)...))
}

func (d *diary) String() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return strings.Join(d.lines, "\n")
}
