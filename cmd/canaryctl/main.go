// Command canaryctl moves live traffic between the stable version of an
// application and its canary.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/canaryctl/canaryctl/internal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := cli.Run(ctx, os.Args, cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr})
	stop()
	os.Exit(code)
}
