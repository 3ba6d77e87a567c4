package cli

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"

	"k8s.io/klog/v2"
)

// Main is the whole program: it runs the command line of this process until it
// is done or a signal comes, and returns the exit status.
func Main() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// What client-go has to say of its watches is said by whoever watches.
	klog.LogToStderr(false)
	klog.SetOutput(io.Discard)
	return Run(ctx, os.Args, Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr})
}
