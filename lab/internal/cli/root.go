// Package cli is the command line of canary-lab.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/canaryctl/canaryctl/lab/internal/lab"
)

// Exit codes.
const (
	exitDone        = 0
	exitError       = 1
	exitUsage       = 2
	exitInterrupted = 130
)

// Streams are where a command reads and writes. Data goes to Out, narration to Err.
type Streams struct {
	In  io.Reader
	Out io.Writer
	Err io.Writer
}

// usageError is wrong input: told with exit code 2.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// Main runs the command line and returns the exit code.
func Main(ctx context.Context, args []string, streams Streams) int {
	root := newRoot(streams)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitDone
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return exitInterrupted
	}
	fmt.Fprintln(streams.Err, "canary-lab:", err)
	var usage usageError
	if errors.As(err, &usage) {
		fmt.Fprintln(streams.Err, "See canary-lab --help.")
		return exitUsage
	}
	return exitError
}

// common is what every command shares.
type common struct {
	Streams
	stateDir string
}

// dir returns the state directory, absolute: a detached lab must not depend on where it was started.
func (c *common) dir() (lab.Dir, error) {
	if c.stateDir == "" {
		return lab.DefaultDir()
	}
	path, err := filepath.Abs(c.stateDir)
	if err != nil {
		return "", fmt.Errorf("find --state-dir: %w", err)
	}
	return lab.Dir(path), nil
}

func newRoot(streams Streams) *cobra.Command {
	c := &common{Streams: streams}
	root := &cobra.Command{
		Use:   "canary-lab",
		Short: "A Kubernetes laboratory for canary releases, on this machine alone",
		Long: `canary-lab runs a real Kubernetes API server with its controllers, a node that runs Pods as
processes, a router that honours Istio's, Gateway API's and ingress-nginx's ways to split traffic,
and a Prometheus. It needs no root, no containers and no network: everything listens on loopback.

Your own kubeconfig is never touched. What the lab keeps is in one directory (--state-dir).`,
		Example: `  canary-lab up --detach
  eval "$(canary-lab env)"
  kubectl apply -f k8s/base
  canary-lab down

EXIT STATUS
  0    done
  1    error
  2    wrong usage
  130  interrupted`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noArguments,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetIn(streams.In)
	root.SetOut(streams.Out)
	root.SetErr(streams.Err)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.PersistentFlags().StringVar(&c.stateDir, "state-dir", os.Getenv("CANARY_LAB_STATE_DIR"),
		"directory of the lab's state; labs in different directories run side by side (default: $CANARY_LAB_STATE_DIR, else in the user's cache)")
	root.AddCommand(newUp(c), newDown(c), newStatus(c), newEnv(c), newLoad(c), newLogs(c), newDemo(c))
	return root
}

func noArguments(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("unexpected argument %q", args[0])}
	}
	return nil
}
