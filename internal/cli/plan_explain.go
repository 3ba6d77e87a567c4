package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/planfile"
)

// NewCmdPlanExplain says what a plan does, or what a field of one means.
func NewCmdPlanExplain(f *Factory) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "explain [FIELD]",
		Short: "Say in plain words what a release by a plan would do, or what a field means",
		Long: `explain says in plain words what a release by a plan file would do: step by step,
when it is promoted and rolled back, what happens when the evidence does not say,
and what it would run and read on this machine. What the file leaves to a default
is marked. Without a file it explains the plan that is followed without one.

With the path of a field it says what that means, its default, and what is in it.`,
		Example: `  # What would a release do by this file, and by none?
  canaryctl plan explain -f plan.yaml
  canaryctl plan explain

  # What may stand in a step, and what is doubt?
  canaryctl plan explain spec.steps
  canaryctl plan explain spec.policy.doubt`,
		Annotations: exitsMeaning(func(code int) string {
			if code == ExitUsage {
				return "the plan or the command line is wrong; nothing was sent"
			}
			return exitMeaning(code)
		}),
		RunE: func(_ *cobra.Command, args []string) error {
			switch {
			case len(args) > 1:
				return usagef("explain takes one field, and was given %q", args)
			case len(args) == 1 && file != "":
				return usagef("explain takes a field or a file, and was given both")
			case len(args) == 1:
				return explainField(f.Out, args[0])
			case file == "":
				return planfile.Default().Explain(f.Out)
			}
			d, err := readPlan(f.In, file)
			if err != nil {
				return err
			}
			return d.Explain(f.Out)
		},
	}
	cmd.Flags().StringVarP(&file, "filename", "f", "", "plan file to read; - for standard input")
	return cmd
}

func explainField(out io.Writer, path string) error {
	field, err := planfile.Describe(path)
	if err != nil {
		return hint.Wrap(usagef("%w", err), "canaryctl plan explain spec lists the fields of a plan")
	}
	var b strings.Builder
	fmt.Fprintf(&b, "FIELD:    %s\nKIND:     %s\n", field.Path, field.Kind)
	if field.Default != "" {
		fmt.Fprintf(&b, "DEFAULT:  %s\n", field.Default)
	}
	if field.Choices != nil {
		fmt.Fprintf(&b, "ONE OF:   %s\n", strings.Join(field.Choices, ", "))
	}
	b.WriteString("\n" + wrapped(field.Text, ""))
	if len(field.Fields) > 0 {
		b.WriteString("\nFIELDS:\n")
	}
	for _, in := range field.Fields {
		name := in.Path[strings.LastIndex(in.Path, ".")+1:]
		preset := ""
		if in.Default != "" {
			preset = ", default " + in.Default
		}
		fmt.Fprintf(&b, "  %s: %s%s\n%s", name, in.Kind, preset, wrapped(in.Text, "      "))
	}
	_, err = io.WriteString(out, b.String())
	return err
}

// wrapped breaks a text into lines of 80 characters, each indented.
func wrapped(text, indent string) string {
	var b strings.Builder
	line := indent
	for _, word := range strings.Fields(text) {
		if line != indent && len(line)+1+len(word) > 80 {
			b.WriteString(line + "\n")
			line = indent
		}
		if line != indent {
			line += " "
		}
		line += word
	}
	b.WriteString(line + "\n")
	return b.String()
}
