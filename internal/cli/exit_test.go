package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/canaryctl/canaryctl/internal/hint"
)

func TestExitCode(t *testing.T) {
	for _, test := range []struct {
		err  error
		want int
	}{
		{nil, 0},
		{errors.New("boom"), 1},
		{usagef("no such thing"), 2},
		{hint.Wrap(usagef("no such thing"), "try another"), 2},
		{fmt.Errorf("step 2: %w", ErrRolledBack), 3},
		{fmt.Errorf("step 2: %w", ErrInconclusive), 4},
		{fmt.Errorf("wait: %w", context.Canceled), 130},
		{fmt.Errorf("%w: it is paused", ErrInterrupted), 130},
		{fmt.Errorf("wait: %w", context.DeadlineExceeded), 1},
	} {
		if got := exitCode(test.err); got != test.want {
			t.Errorf("exitCode(%v) = %d, want %d", test.err, got, test.want)
		}
	}
}

func TestReport(t *testing.T) {
	cmd := &cobra.Command{Use: "canaryctl"}
	for _, test := range []struct {
		err  error
		want string
	}{
		{errors.New("boom"), "canaryctl: boom\n"},
		{hint.Wrap(errors.New("boom"), "duck"), "canaryctl: boom\nhint: duck\n"},
		{usagef("what?"), "canaryctl: what?\nhint: canaryctl --help shows examples\n"},
		{hint.Wrap(context.Canceled, "duck"), "canaryctl: interrupted\n"},
		{hint.Wrap(fmt.Errorf("%w: it is paused", ErrInterrupted), "go on"), "canaryctl: interrupted: it is paused\nhint: go on\n"},
	} {
		var b bytes.Buffer
		report(&b, cmd, test.err)
		if b.String() != test.want {
			t.Errorf("report(%v) wrote %q, want %q", test.err, b.String(), test.want)
		}
	}
}

// Every command leads its help with examples, and ends it with its statuses.
func TestHelp(t *testing.T) {
	var out bytes.Buffer
	root := newRoot(NewFactory(Streams{Out: &out, Err: &out}), "canaryctl")
	for _, cmd := range root.Commands() {
		if cmd.Hidden {
			continue
		}
		out.Reset()
		if err := cmd.Help(); err != nil {
			t.Fatal(err)
		}
		examples, usage := strings.Index(out.String(), "Examples:"), strings.Index(out.String(), "Usage:")
		if examples < 0 || usage < examples {
			t.Errorf("%s: the help does not lead with examples:\n%s", cmd.Name(), out.String())
		}
		_, statuses, _ := strings.Cut(out.String(), "EXIT STATUS\n")
		for _, code := range []string{"    0  ", "    1  error", "    2  the command line", "  130  interrupted"} {
			if !strings.Contains(statuses, code) {
				t.Errorf("%s: the help does not document status %q:\n%s", cmd.Name(), code, statuses)
			}
		}
	}
}

func TestDisplayName(t *testing.T) {
	for arg0, want := range map[string]string{
		"/usr/local/bin/canaryctl": "canaryctl", "canaryctl.exe": "canaryctl", "./renamed": "canaryctl",
		"/home/x/.krew/bin/kubectl-canary": "kubectl canary", "kubectl-canary.exe": "kubectl canary",
	} {
		if got := displayName(arg0); got != want {
			t.Errorf("called as %s it calls itself %q, want %q", arg0, got, want)
		}
	}
}
