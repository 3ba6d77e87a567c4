package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"testing"
	"time"
)

// verdict is the part of analyze's output that the tests look at.
type verdict struct {
	Verdict, Summary, Reason string
	Causes                   []string
	Metrics                  []struct {
		Name           string
		Stable, Canary struct{ Requests, Bad int }
	}
}

// requests of the canary that were counted.
func (v verdict) requests() int {
	if len(v.Metrics) == 0 {
		return 0
	}
	return v.Metrics[0].Canary.Requests
}

// watched is an analyze -w -o json under way.
type watched struct {
	t        *testing.T
	cmd      *exec.Cmd
	stderr   bytes.Buffer
	verdicts chan verdict // closed when it ends
}

// watch starts a line that execs an analyze -w -o json.
func watch(t *testing.T, line string, env ...string) *watched {
	t.Helper()
	w := &watched{t: t, verdicts: make(chan verdict)}
	w.cmd = exec.CommandContext(t.Context(), "bash", "-c", "exec "+line)
	w.cmd.Dir, w.cmd.Env, w.cmd.Stderr = lab.Root, append(append([]string{}, lab.Env()...), env...), &w.stderr
	out, err := w.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := w.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { // ends with the program
		defer close(w.verdicts)
		lines := bufio.NewScanner(out)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			var v verdict
			if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
				t.Errorf("decode %q: %v", lines.Text(), err)
			}
			w.verdicts <- v
		}
	}()
	t.Cleanup(w.end)
	return w
}

// until returns the first verdict from now on for which the condition holds.
func (w *watched) until(within time.Duration, what string, condition func(verdict) bool) verdict {
	w.t.Helper()
	var last verdict
	late := time.After(within)
	for {
		select {
		case v, ok := <-w.verdicts:
			if !ok {
				w.t.Fatalf("analyze ended before %s; the last: %+v\n%s", what, last, &w.stderr)
			}
			if condition(v) {
				return v
			}
			last = v
		case <-late:
			w.t.Fatalf("no %s within %s; the last: %+v", what, within, last)
		}
	}
}

// interrupt is Ctrl-C, after which the exit status is 130.
func (w *watched) interrupt() {
	w.t.Helper()
	if err := w.cmd.Process.Signal(os.Interrupt); err != nil {
		w.t.Error(err)
	}
	w.end()
	if code := w.cmd.ProcessState.ExitCode(); code != 130 {
		w.t.Errorf("exit %d after an interrupt, want 130\n%s", code, &w.stderr)
	}
}

// end waits for the program. The end of the test kills it.
func (w *watched) end() {
	for range w.verdicts { // nobody asks for these any more
	}
	_ = w.cmd.Wait() // what it says is in ProcessState, also the second time
}
