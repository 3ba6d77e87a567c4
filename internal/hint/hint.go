// Package hint attaches the next step to an error: what the person who reads it
// can do about it. The command line prints it on a line of its own.
package hint

import (
	"errors"
	"fmt"
)

type hinted struct {
	error
	next string
}

func (h *hinted) Unwrap() error { return h.error }

// Wrap returns err with a next step, written as an instruction without a final
// full stop. It returns nil for a nil error.
func Wrap(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return &hinted{err, fmt.Sprintf(format, args...)}
}

// Of returns the outermost next step in the chain of err, or "".
func Of(err error) string {
	if h, ok := errors.AsType[*hinted](err); ok {
		return h.next
	}
	return ""
}
