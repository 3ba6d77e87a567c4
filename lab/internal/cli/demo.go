package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/canaryctl/canaryctl/lab/internal/demo"
)

func newDemo(c *common) *cobra.Command {
	config := demo.Default()
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Watch a whole canary release: a good version, and a bad one",
		Long: `Start a lab, release a good v2 step by step under steady traffic, then a faulty v3 that
is found out and taken back. It types the commands a person would type, and ends the lab.`,
		Example: `  canary-lab demo
  canary-lab demo --keep              # and then work on in the same lab
  canary-lab demo --picture run.svg`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			executable, err := os.Executable()
			if err != nil {
				return fmt.Errorf("find the programs of the demo: %w", err)
			}
			out, ok := c.Out.(*os.File)
			if !ok {
				return errors.New("the demo tells its story to a file or a terminal only")
			}
			config.Bin, config.Out, config.StateDir = filepath.Dir(executable), out, c.stateDir
			return demo.Run(cmd.Context(), config)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&config.Keep, "keep", false, "leave the lab up")
	flags.IntVar(&config.Rate, "rate", config.Rate, "steady traffic, in requests/s")
	flags.DurationVar(&config.Step, "step", config.Step, "how long each step lasts")
	flags.StringVar(&config.Root, "root", config.Root, "folder that holds k8s/")
	flags.StringVar(&config.Picture, "picture", "", "file to draw the run into, as SVG")
	return cmd
}
