package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/canaryctl/canaryctl/lab/internal/lab"
)

func newStatus(c *common) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the parts of the lab, and what its router does not honour",
		Long: `Show the parts of the lab, and the fields of routes that its router does not honour.

RSS is the memory a process holds. The lab's processes are one executable, whose pages RSS counts in each
of them; PSS (Linux) counts them once, so its total is what the lab costs.`,
		Example: `  canary-lab status
  canary-lab status -o json`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if output != "" && output != "json" {
				return usageError{fmt.Errorf("output %q: want json, or nothing for a table", output)}
			}
			dir, err := c.dir()
			if err != nil {
				return err
			}
			status, err := lab.NewClient(dir).Status(cmd.Context())
			if err != nil {
				return err
			}
			if output == "json" {
				encoder := json.NewEncoder(c.Out)
				encoder.SetIndent("", "  ")
				return encoder.Encode(status)
			}
			return printStatus(c.Out, status, time.Now())
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "json, or nothing for a table")
	return cmd
}

func printStatus(out io.Writer, status lab.Status, now time.Time) error {
	table := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "COMPONENT\tSTATE\tPID\tADDRESS\tRSS\tPSS\tUP")
	var rss, pss uint64
	for _, c := range status.Components {
		rss, pss = rss+c.RSS, pss+c.PSS
		fmt.Fprintf(table, "%s\t%s\t%d\t%s\t%s\t%s\t%s\n",
			c.Name, c.State, c.Pid, dash(c.Address), mebibytes(c.RSS), mebibytes(c.PSS), now.Sub(c.Started).Round(time.Second))
	}
	fmt.Fprintf(table, "total\t\t\t\t%s\t%s\t\n", mebibytes(rss), mebibytes(pss))
	if err := table.Flush(); err != nil {
		return err
	}
	if len(status.NotHonoured) == 0 {
		return nil
	}
	fmt.Fprintln(out, "\nThe router does not honour:")
	for _, problem := range status.NotHonoured {
		fmt.Fprintf(out, "  %s\n", problem)
	}
	return nil
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func mebibytes(n uint64) string {
	if n == 0 {
		return "-"
	}
	return fmt.Sprintf("%d MiB", n>>20)
}
