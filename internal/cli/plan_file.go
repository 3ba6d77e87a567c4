package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/planfile"
)

// readPlan reads a plan file, "-" for standard input. What is wrong in it is a
// usage error: nothing was sent.
func readPlan(in io.Reader, file string) (planfile.Document, error) {
	name := file
	if file == "-" {
		name = "standard input"
	} else {
		f, err := os.Open(file)
		if err != nil {
			return planfile.Document{}, fmt.Errorf("read the plan: %w", err)
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, planfile.MaxSize+1))
	if err != nil {
		return planfile.Document{}, fmt.Errorf("read the plan from %s: %w", name, err)
	}
	d, err := planfile.Parse(text, name)
	if err != nil {
		return d, hint.Wrap(usagef("%w", err), "canaryctl plan explain FIELD says what a field means")
	}
	return d, nil
}

// NewCmdPlanValidate says what is wrong with plan files.
func NewCmdPlanValidate(f *Factory) *cobra.Command {
	var files []string
	cmd := &cobra.Command{
		Use:   "validate FILE...",
		Short: "Say what is wrong with plan files, all at once",
		Long: `validate reads plan files as a release would, and says of all mistakes at once in
which line they are, in which field, and what was probably meant. "-" reads
standard input. It asks no cluster.`,
		Example: `  # A file, or all that are kept with a service
  canaryctl plan validate plan.yaml
  canaryctl plan validate deploy/*.plan.yaml

  # What suggest writes
  canaryctl plan suggest --rate 200 --error-share 0.1% | canaryctl plan validate -`,
		Annotations: exitsMeaning(func(code int) string {
			if code == ExitUsage {
				return "a plan or the command line is wrong; nothing was sent"
			}
			return exitMeaning(code)
		}),
		RunE: func(_ *cobra.Command, args []string) error {
			all := slices.Concat(files, args)
			if len(all) == 0 {
				return usagef("validate takes plan files, and was given none")
			}
			return validatePlans(f, all)
		},
	}
	cmd.Flags().StringSliceVarP(&files, "filename", "f", nil, "plan file to read; - for standard input")
	return cmd
}

func validatePlans(f *Factory, files []string) error {
	var wrong []error
	next := ""
	for _, file := range files {
		d, err := readPlan(f.In, file)
		if err != nil {
			wrong, next = append(wrong, err), hint.Of(err)
			continue
		}
		fmt.Fprintf(f.Out, "%s: valid, %s, %s at least, hash %s\n", file, stepsText(len(d.Spec.Steps)), brisk(d.Lasts(0)), d.Hash())
	}
	if err := errors.Join(wrong...); next != "" {
		return hint.Wrap(err, "%s", next)
	}
	return errors.Join(wrong...)
}

func stepsText(n int) string {
	if n == 1 {
		return "1 step"
	}
	return fmt.Sprintf("%d steps", n)
}
