package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/canaryctl/canaryctl/lab/internal/lab"
)

func newDown(c *common) *cobra.Command {
	var reset bool
	cmd := &cobra.Command{
		Use:   "down",
		Short: "Stop the lab",
		Long: `Stop the lab and wait until every process of it has gone. What is in the cluster is kept for the
next "canary-lab up", unless --reset is given. Without a running lab there is nothing to do, and that is
no error.`,
		Example: `  canary-lab down
  canary-lab down --reset`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return runDown(cmd.Context(), c, reset) },
	}
	cmd.Flags().BoolVar(&reset, "reset", false, "also remove everything the lab keeps on disk")
	return cmd
}

func runDown(ctx context.Context, c *common, reset bool) error {
	dir, err := c.dir()
	if err != nil {
		return err
	}
	told := "The lab is stopped."
	switch err := lab.Stop(ctx, dir); {
	case errors.Is(err, lab.ErrNotRunning):
		told = "No lab was running."
	case err != nil:
		return err
	}
	if reset {
		if err := dir.Erase(); err != nil {
			return err
		}
		told += " Its state is removed."
	}
	fmt.Fprintln(c.Err, told)
	return nil
}
