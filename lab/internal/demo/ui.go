package demo

import (
	"fmt"
	"strings"

	"github.com/canaryctl/canaryctl/internal/stats"
)

type style string

const (
	bold   style = "1"
	dim    style = "2"
	red    style = "31"
	green  style = "32"
	yellow style = "33"
	cyan   style = "36"
)

func (s *stage) paint(st style, text string) string {
	if !s.colour {
		return text
	}
	return "\x1b[" + string(st) + "m" + text + "\x1b[0m"
}

func (s *stage) title(name, why string) {
	s.act++
	fmt.Fprintf(s.Out, "\n%s\n", s.paint(cyan, fmt.Sprintf("%d  %s", s.act, name)))
	if why != "" {
		fmt.Fprintf(s.Out, "   %s\n", why)
	}
}

func (s *stage) say(format string, args ...any) {
	fmt.Fprintf(s.Out, "   "+format+"\n", args...)
}

// live rewrites one line on a terminal; a pipe gets nothing of it.
func (s *stage) live(text string) {
	if s.colour {
		fmt.Fprintf(s.Out, "\r\x1b[K   %s", text)
	}
}

func (s *stage) liveEnd() {
	if s.colour {
		fmt.Fprint(s.Out, "\r\x1b[K")
	}
}

// report prints what a step has shown: shares with their intervals, and errors.
func (s *stage) report(stable, canary string, seen Counts) {
	total := seen[stable].Requests + seen[canary].Requests
	share, interval := shareOf(seen[canary].Requests, total)
	fmt.Fprintf(s.Out, "   %s  configured %3d%%   observed %5.1f%%   95%% interval %s\n",
		s.bar(seen[canary].Requests, total), s.canary, share, interval)
	for _, v := range []string{stable, canary} {
		errors := s.paint(green, "no errors")
		if n := seen[v].Errors; n > 0 {
			part, interval := shareOf(n, seen[v].Requests)
			errors = s.paint(red, fmt.Sprintf("%d errors: %.1f%%, 95%% interval %s", n, part, interval))
		}
		fmt.Fprintf(s.Out, "     %s  %5d requests   %s\n", v, seen[v].Requests, errors)
	}
}

// shareOf returns part/total in percent and its Wilson interval in words.
func shareOf(part, total int) (percent float64, interval string) {
	if total == 0 {
		return 0, "none: no requests"
	}
	i := stats.Wilson(part, total, 0.95)
	return 100 * float64(part) / float64(total), fmt.Sprintf("%.1f .. %.1f%%", 100*i.Low, 100*i.High)
}

// bar draws the canary's share in thirty cells.
func (s *stage) bar(part, total int) string {
	const cells = 30
	n := 0
	if total > 0 {
		n = (part*cells + total/2) / total
	}
	if !s.colour {
		return "[" + strings.Repeat("#", n) + strings.Repeat(".", cells-n) + "]"
	}
	return s.paint(yellow, strings.Repeat("█", n)) + s.paint(dim, strings.Repeat("░", cells-n))
}
