// Command canary-lab runs a Kubernetes laboratory on one machine. It is also each of
// the processes the laboratory consists of.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/canaryctl/canaryctl/lab/internal/cli"
	"github.com/canaryctl/canaryctl/lab/internal/controlplane"
)

func main() {
	controlplane.Main(os.Args)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := cli.Main(ctx, os.Args[1:], cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr})
	stop()
	os.Exit(code)
}
