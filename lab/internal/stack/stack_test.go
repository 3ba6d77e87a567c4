package stack_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"go.uber.org/goleak"

	"github.com/canaryctl/canaryctl/lab/internal/stack"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestBaseOutlivesTop(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan string, 2)
	err := stack.Run(ctx, func(ctx context.Context) error {
		<-ctx.Done()
		ended <- "base"
		return nil
	}, func(ctx context.Context) error {
		cancel()
		<-ctx.Done()
		ended <- "top"
		return ctx.Err()
	})
	if err != nil {
		t.Errorf("stopped from outside: %v, want no error", err)
	}
	if order := []string{<-ended, <-ended}; !slices.Equal(order, []string{"top", "base"}) {
		t.Errorf("ended in the order %v", order)
	}
}

func TestFailureOfEitherStopsBoth(t *testing.T) {
	broken := errors.New("broken")
	fail := func(context.Context) error { return broken }
	block := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	quiet := func(ctx context.Context) error { <-ctx.Done(); return nil }
	if err := stack.Run(t.Context(), fail, block); !errors.Is(err, broken) || errors.Is(err, context.Canceled) {
		t.Errorf("base failed: %v, want only its error", err)
	}
	if err := stack.Run(t.Context(), quiet, fail); !errors.Is(err, broken) {
		t.Errorf("top failed: %v, want its error", err)
	}
}
