package cli

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// Main is the whole program: it runs the command line of this process until it
// is done or a signal comes, and returns the exit status.
func Main() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return Run(ctx, os.Args, Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr})
}
