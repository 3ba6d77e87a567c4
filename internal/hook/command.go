package hook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/canaryctl/canaryctl/internal/event"
)

const (
	defaultRun = time.Minute
	// afterlife is how long a command's output is waited for once it ended: a
	// process that it left behind may hold that open.
	afterlife = 2 * time.Second

	exitLater  = 75  // EX_TEMPFAIL of sysexits.h
	exitNotRun = 126 // from here on, a shell's own words
)

// run runs a command with text on its standard input and returns its exit status
// and the last line that it wrote. An error says that it gave none: it did not
// start, took too long, or was killed.
func (c Config) run(ctx context.Context, command Command, text []byte, variables []string) (int, string, error) {
	limit := command.Timeout.Std()
	if limit == 0 {
		limit = defaultRun
	}
	timed, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var out tail
	cmd := exec.CommandContext(timed, command.Args[0], command.Args[1:]...)
	cmd.Env = append(cmd.Environ(), variables...)
	cmd.Stdin = bytes.NewReader(text)
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = afterlife
	apart(cmd)
	err := cmd.Run()
	_, ended := errors.AsType[*exec.ExitError](err)
	switch {
	case ctx.Err() == nil && timed.Err() != nil:
		return 0, "", fmt.Errorf("%s did not end within %s", command.name(), limit)
	case err != nil && !ended && !errors.Is(err, exec.ErrWaitDelay):
		if failed, ok := errors.AsType[*exec.Error](err); ok {
			err = failed.Err
		}
		return 0, "", fmt.Errorf("run %s: %w", command.name(), err)
	case cmd.ProcessState.ExitCode() < 0:
		return 0, "", fmt.Errorf("%s was ended by a signal", command.name())
	}
	return cmd.ProcessState.ExitCode(), out.last(), nil
}

// name is the program without its arguments, which may hold what is nobody's
// business.
func (c Command) name() string { return filepath.Base(c.Args[0]) }

// environment is an event for programs that do not read JSON.
func environment(e event.Event) []string {
	var verdict string
	if e.Known != nil {
		verdict = string(e.Known.Verdict)
	}
	var set []string
	for _, v := range [][2]string{
		{"KIND", string(e.Kind)}, {"TIME", e.Time.UTC().Format(time.RFC3339)}, {"MESSAGE", e.Message}, {"BY", e.By},
		{"RELEASE", e.Release.ID}, {"APP", e.Release.App}, {"NAMESPACE", e.Release.Namespace}, {"ROUTE", e.Release.Route},
		{"FROM", e.Release.From}, {"TO", e.Release.To}, {"IMAGE", e.Release.Image},
		{"PHASE", string(e.At.Phase)}, {"STEP", strconv.Itoa(e.At.Step)}, {"STEPS", strconv.Itoa(e.At.Steps)},
		{"WEIGHT", e.At.Weight.String()}, {"BASIS", string(e.At.Basis)}, {"VERDICT", verdict},
	} {
		set = append(set, "CANARYCTL_"+v[0]+"="+strings.ReplaceAll(v[1], "\x00", ""))
	}
	return set
}

// tail keeps the end of what is written to it.
type tail struct{ text []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.text = append(t.text, p...)
	if extra := len(t.text) - mostAnswer; extra > 0 {
		t.text = append(t.text[:0], t.text[extra:]...)
	}
	return len(p), nil
}

// last is the last line with words in it.
func (t *tail) last() string {
	lines := strings.Split(string(t.text), "\n")
	for i := len(lines) - 1; i >= 0; i-- {
		if line := plain(lines[i]); line != "" {
			return line
		}
	}
	return ""
}
