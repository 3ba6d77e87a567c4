package cli

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/canaryctl/canaryctl/internal/canary"
)

// interruptPatience is how long a person is waited for who pressed Ctrl-C. The
// release goes on meanwhile.
const interruptPatience = 10 * time.Second

// askInterrupt asks who pressed Ctrl-C what becomes of the release: pause it where
// it is, or roll it back. It says as well whether that was answered: where nobody
// can be asked or nobody answers, and at another Ctrl-C, it is to be paused, which
// changes nothing for the users.
//
// It blocks, so an engine asks beside its work. A read from a terminal cannot be
// interrupted: the goroutine that does so ends with the process.
func askInterrupt(f *Factory, again <-chan os.Signal) (answer canary.Response, answered bool) {
	if !f.Interactive() {
		return canary.Pause, false
	}
	return interruptQuestion{in: f.In, out: f.Err, patience: f.Clock.After(interruptPatience), again: again}.ask()
}

// interruptQuestion is the question, with all that may end it.
type interruptQuestion struct {
	in       io.Reader
	out      io.Writer
	patience <-chan time.Time
	again    <-chan os.Signal
}

func (q interruptQuestion) ask() (canary.Response, bool) {
	lines, done := make(chan string), make(chan struct{})
	defer close(done)
	go q.read(lines, done)
	fmt.Fprintf(q.out, "\nPause the release where it is, or roll it back? [p/r] (in %s it is paused) ", interruptPatience)
	for {
		select {
		case line, ok := <-lines:
			if !ok {
				return q.pause("nobody can answer")
			}
			if answer, ok := interruptAnswer(line); ok {
				return answer, true
			}
			fmt.Fprint(q.out, "p pauses it, r rolls it back: ")
		case <-q.patience:
			return q.pause("no answer")
		case <-q.again:
			return q.pause("interrupted again")
		}
	}
}

func (q interruptQuestion) pause(why string) (canary.Response, bool) {
	fmt.Fprintf(q.out, "\n%s: it is paused\n", why)
	return canary.Pause, false
}

// read sends what is typed, line by line, until the question is over.
func (q interruptQuestion) read(lines chan<- string, done <-chan struct{}) {
	defer close(lines)
	typed := bufio.NewScanner(q.in)
	for typed.Scan() {
		select {
		case lines <- typed.Text():
		case <-done:
			return
		}
	}
}

// interruptAnswer understands an answer, or does not. Who just presses Enter takes
// what is offered first.
func interruptAnswer(line string) (canary.Response, bool) {
	switch strings.ToLower(strings.TrimSpace(line)) {
	case "", "p", "pause":
		return canary.Pause, true
	case "r", "roll back", "rollback":
		return canary.RollBack, true
	}
	return "", false
}
