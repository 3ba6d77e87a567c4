package cli

import (
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	"go.uber.org/goleak"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/canaryctl/canaryctl/internal/canary"
)

func TestInterruptQuestion(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	for _, test := range []struct {
		name, typed string
		answer      canary.Response
		answered    bool
		asked       int // how often it says what the letters mean
	}{
		{"p", "p\n", canary.Pause, true, 0},
		{"r", "r\n", canary.RollBack, true, 0},
		{"a word", " Rollback \n", canary.RollBack, true, 0},
		{"Enter", "\n", canary.Pause, true, 0},
		{"something else first", "what?\nr\n", canary.RollBack, true, 1},
		{"nothing more to read", "", canary.Pause, false, 0},
		{"a line without an end", "r", canary.RollBack, true, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			var out strings.Builder
			answer, answered := interruptQuestion{in: strings.NewReader(test.typed), out: &out}.ask()
			if answer != test.answer || answered != test.answered {
				t.Errorf("%q, answered: %t; want %q, %t", answer, answered, test.answer, test.answered)
			}
			if n := strings.Count(out.String(), "p pauses it, r rolls it back"); n != test.asked {
				t.Errorf("asked again %d times, want %d:\n%s", n, test.asked, out.String())
			}
		})
	}
}

// Who does not answer, or presses Ctrl-C again, has it paused at once.
func TestInterruptQuestionUnanswered(t *testing.T) {
	late, signal := make(chan time.Time, 1), make(chan os.Signal, 1)
	late <- time.Time{}
	signal <- os.Interrupt
	for name, q := range map[string]interruptQuestion{
		"no answer":         {patience: late},
		"interrupted again": {again: signal},
	} {
		t.Run(name, func(t *testing.T) {
			in, typing := io.Pipe()
			defer typing.Close()
			var out strings.Builder
			q.in, q.out = in, &out
			if answer, answered := q.ask(); answer != canary.Pause || answered {
				t.Errorf("%q, answered: %t", answer, answered)
			}
			if !strings.HasSuffix(out.String(), "\n"+name+": it is paused\n") {
				t.Errorf("told: %q", out.String())
			}
		})
	}
}

// At a terminal the question is put, and waits for ten seconds; elsewhere it is not.
func TestAskInterrupt(t *testing.T) {
	terminal, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	defer tty.Close()
	go func() { _, _ = io.Copy(io.Discard, terminal) }() // ends with the terminal
	clock := clocktesting.NewFakeClock(time.Unix(0, 0))
	f := &Factory{Streams: Streams{In: tty, Out: io.Discard, Err: tty}, Clock: clock}
	type result struct {
		answer   canary.Response
		answered bool
	}
	asked := make(chan result)
	go func() {
		answer, answered := askInterrupt(f, nil)
		asked <- result{answer, answered}
	}()
	for !clock.HasWaiters() {
		time.Sleep(time.Millisecond)
	}
	if _, err := terminal.WriteString("r\n"); err != nil {
		t.Fatal(err)
	}
	if got := <-asked; got != (result{canary.RollBack, true}) {
		t.Errorf("at a terminal: %+v", got)
	}
	if answer, answered := askInterrupt(&Factory{Streams: Streams{In: strings.NewReader("r\n"), Err: io.Discard}}, nil); answer != canary.Pause || answered {
		t.Errorf("without one: %q, answered: %t", answer, answered)
	}
}
