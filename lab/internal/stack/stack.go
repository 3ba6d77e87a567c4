// Package stack runs what stands on top of something else.
package stack

import (
	"context"
	"errors"
)

// Run runs base, and top on top of it: top is stopped when ctx ends or base fails, and
// base is stopped only once top has returned, so that top can still use it to tidy up.
// That one of them was stopped is no error.
func Run(ctx context.Context, base, top func(context.Context) error) error {
	baseCtx, stopBase := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBase()
	topCtx, stopTop := context.WithCancel(ctx)
	defer stopTop()

	ended := make(chan error, 1)
	go func() {
		defer stopTop()
		ended <- base(baseCtx)
	}()
	err := top(topCtx)
	if topCtx.Err() != nil && errors.Is(err, context.Canceled) {
		err = nil
	}
	stopBase()
	return errors.Join(<-ended, err)
}
