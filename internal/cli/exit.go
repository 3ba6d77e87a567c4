package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/kube"
)

// What a command's exit status says. They are part of the contract with scripts.
const (
	ExitDone         = 0
	ExitFailed       = 1
	ExitUsage        = 2
	ExitRolledBack   = 3
	ExitInconclusive = 4
	ExitInterrupted  = 130
)

// What a command returns, wrapped, to end with a status of its own.
var (
	ErrUsage        = errors.New("usage")
	ErrRolledBack   = errors.New("rolled back")
	ErrInconclusive = errors.New("inconclusive")

	// ErrVerdictFail ends as a rollback does: that is what it calls for.
	ErrVerdictFail = errors.New("the canary fails")

	// ErrInterrupted is for what was interrupted and left in order, which the
	// message says.
	ErrInterrupted = errors.New("interrupted")
)

// exitCode is the one place that turns an error into an exit status.
func exitCode(err error) int {
	switch {
	case err == nil:
		return ExitDone
	case errors.Is(err, ErrUsage):
		return ExitUsage
	case errors.Is(err, ErrRolledBack), errors.Is(err, ErrVerdictFail):
		return ExitRolledBack
	case errors.Is(err, ErrInconclusive):
		return ExitInconclusive
	case errors.Is(err, ErrInterrupted), errors.Is(err, context.Canceled):
		return ExitInterrupted
	}
	return ExitFailed
}

// usageError is a mistake in the command line: its message stands alone, and it
// is ErrUsage.
type usageError struct{ error }

func (usageError) Is(target error) bool { return target == ErrUsage }
func (u usageError) Unwrap() error      { return u.error }

// usagef makes a usage error. Wrap it with hint.Wrap to say more than "see --help".
func usagef(format string, args ...any) error {
	return usageError{fmt.Errorf(format, args...)}
}

// report prints an error and, on a line of its own, the next step.
func report(w io.Writer, cmd *cobra.Command, err error) {
	if errors.Is(err, context.Canceled) && !errors.Is(err, ErrInterrupted) {
		fmt.Fprintln(w, "canaryctl: interrupted")
		return
	}
	fmt.Fprintf(w, "canaryctl: %v\n", err)
	next := hint.Of(err)
	if next == "" {
		next = kube.Hint(err)
	}
	if next == "" && errors.Is(err, ErrUsage) {
		next = fmt.Sprintf("%s --help shows examples", commandPath(cmd))
	}
	if next != "" {
		fmt.Fprintf(w, "hint: %s\n", next)
	}
}

// exitAnnotation carries the statuses that a command can end with, for its help.
const exitAnnotation = "canaryctl.io/exit-status"

// exits documents, in the help of a command, what its exit statuses mean.
// Every command can also end with 0, 1, 2 and 130.
func exits(more ...int) map[string]string { return exitsMeaning(exitMeaning, more...) }

// exitsMeaning does so for a command whose statuses mean something of their own.
func exitsMeaning(meaning func(code int) string, more ...int) map[string]string {
	codes := append([]int{ExitDone, ExitFailed, ExitUsage, ExitInterrupted}, more...)
	slices.Sort(codes)
	var b strings.Builder
	for _, code := range codes {
		fmt.Fprintf(&b, "  %3d  %s\n", code, meaning(code))
	}
	return map[string]string{exitAnnotation: strings.TrimRight(b.String(), "\n")}
}

func exitMeaning(code int) string {
	switch code {
	case ExitDone:
		return "done, or nothing was to be done"
	case ExitFailed:
		return "error; the message says what was not changed"
	case ExitUsage:
		return "the command line is wrong; nothing was sent"
	case ExitRolledBack:
		return "rolled back: all traffic is with the stable version"
	case ExitInconclusive:
		return "inconclusive: not enough evidence either way"
	case ExitInterrupted:
		return "interrupted"
	}
	return "unknown"
}
