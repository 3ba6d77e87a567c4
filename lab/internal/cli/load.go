package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/canaryctl/canaryctl/lab/internal/lab"
)

func newLoad(c *common) *cobra.Command {
	return &cobra.Command{
		Use:   "load IMAGE=PATH",
		Short: "Have an executable of this machine stand for an image",
		Long: `Have an executable of this machine stand for a container image. Pods that wait for the image start
within seconds. A name without a tag stands for every tag. The lab remembers it for its next runs.`,
		Example: `  canary-lab load versioned-echo:v3=./bin/versioned-echo`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError{errors.New("want one argument: IMAGE=PATH")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			name, path, err := parseImage(args[0])
			if err != nil {
				return err
			}
			dir, err := c.dir()
			if err != nil {
				return err
			}
			if err := lab.NewClient(dir).Load(cmd.Context(), name, path); err != nil {
				return err
			}
			fmt.Fprintf(c.Err, "Image %s is %s.\n", name, path)
			return nil
		},
	}
}
