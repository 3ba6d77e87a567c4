package cli

import (
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// screen shows something that changes: on a terminal in one place, which is
// drawn anew, elsewhere by what it is after every change.
type screen struct {
	out   io.Writer
	live  bool
	last  string
	lines int // on the terminal, of what was shown last
}

func newScreen(out io.Writer) *screen {
	return &screen{out: out, live: isTerminal(out) && os.Getenv("TERM") != "dumb"}
}

func (s *screen) show(text string) {
	if text == s.last {
		return
	}
	if !s.live {
		s.last = text
		fmt.Fprintln(s.out, text)
		return
	}
	s.clear()
	s.last = text
	for line := range strings.Lines(text) {
		fmt.Fprintln(s.out, fit(strings.TrimRight(line, "\n"), s.width()))
		s.lines++
	}
}

// clear takes what was shown off the terminal again, to write something that
// stays.
func (s *screen) clear() {
	if s.lines > 0 {
		fmt.Fprintf(s.out, "\x1b[%dA\x1b[J", s.lines) // up, and clear from there
	}
	s.last, s.lines = "", 0
}

func (s *screen) width() int {
	if file, ok := s.out.(*os.File); ok {
		if width, _, err := term.GetSize(int(file.Fd())); err == nil && width > 0 {
			return width
		}
	}
	return 80
}

// fit cuts a line that would wrap, which would break redrawing. Colours take no
// room, and a line that loses some of itself ends without any.
func fit(line string, width int) string {
	const reset = "\x1b[0m"
	room, escape := width, false
	for i, r := range line {
		switch {
		case r == '\x1b':
			escape = true
		case escape:
			escape = r != 'm'
		case room == 0:
			return line[:i] + reset
		default:
			room--
		}
	}
	return line
}
