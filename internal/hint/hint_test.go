package hint_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/canaryctl/canaryctl/internal/hint"
)

func TestOf(t *testing.T) {
	cause := errors.New("no route")
	inner := hint.Wrap(cause, "name one with %s", "--vs")
	outer := fmt.Errorf("roll back: %w", inner)
	if got := hint.Of(outer); got != "name one with --vs" {
		t.Errorf("the hint of a wrapped error is %q", got)
	}
	if got := hint.Of(hint.Wrap(outer, "ask")); got != "ask" {
		t.Errorf("of two hints the outermost counts; got %q", got)
	}
	if !errors.Is(outer, cause) || outer.Error() != "roll back: no route" {
		t.Errorf("a hint changed the error: %v", outer)
	}
	if hint.Of(cause) != "" || hint.Wrap(nil, "ask") != nil {
		t.Error("a hint came out of nothing")
	}
}
