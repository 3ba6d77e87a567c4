package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/canaryctl/canaryctl/lab/internal/lab"
)

// screen shows the steps of a start: a line for each that is done, and on a terminal
// below them one that says what is waited for.
type screen struct {
	out  io.Writer
	live bool // a terminal: lines may be rewritten

	mu      sync.Mutex
	waiting []string
}

func newScreen(out io.Writer) *screen {
	file, ok := out.(*os.File)
	return &screen{out: out, live: ok && term.IsTerminal(int(file.Fd())) && os.Getenv("TERM") != "dumb"}
}

func (s *screen) progress(p lab.Progress) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.erase()
	if !p.Done {
		s.waiting = append(s.waiting, p.Step)
	} else {
		for i, step := range s.waiting {
			if step == p.Step {
				s.waiting = append(s.waiting[:i:i], s.waiting[i+1:]...)
				break
			}
		}
		s.line(p.Step, p.Took)
	}
	if s.live && len(s.waiting) > 0 {
		fmt.Fprintf(s.out, "  … %s", strings.Join(s.waiting, ", "))
	}
}

func (s *screen) line(step string, took time.Duration) {
	if s.live {
		fmt.Fprintf(s.out, "  ✓ %-32s %5.1f s\n", step, took.Seconds())
		return
	}
	fmt.Fprintf(s.out, "%s: ready after %.1f s\n", step, took.Seconds())
}

// finish says that all is done.
func (s *screen) finish(took time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.erase()
	fmt.Fprintf(s.out, "The lab is ready after %.1f s.\n", took.Seconds())
}

// clear takes the unfinished line away.
func (s *screen) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.erase()
}

func (s *screen) erase() {
	if s.live {
		fmt.Fprint(s.out, "\r\x1b[K")
	}
}
