package cli

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/canaryctl/canaryctl/internal/analysis"
	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/metrics"
)

// rowInterval is the time that a row of counts covers where nobody says.
const rowInterval = 15 * time.Second

type analyze struct {
	*Factory
	method   method
	counts   string
	interval time.Duration
	weight   float64
	output   string
}

// NewCmdAnalyze says what is known of a canary.
func NewCmdAnalyze(f *Factory) *cobra.Command {
	o := &analyze{Factory: f, method: newMethod()}
	cmd := &cobra.Command{
		Use:   "analyze --counts FILE",
		Short: "Say what is known of a canary: pass, fail or inconclusive, and why",
		Long: `analyze weighs the evidence that the canary fails more often than the stable
version, and that it does not, and says so in a sentence and in numbers. It may
be asked at any time and as often as you like: looking costs nothing, and the
share of good canaries that ever get "fail" stays below --alpha.

With --counts it needs no cluster: bring your own numbers, one row for each
interval, in order of time. "-" reads standard input.

  stable_total,stable_bad,canary_total,canary_bad
  9000,9,1000,10

The header may be left out; with one, columns may be in another order, and others
may stand beside them. Intervals as lines of JSON are read too (docs/analyze.md,
which also describes the output of -o json).

The method is fixed before the first look. Tuned after looking, it guarantees
nothing; its hash in the output tells one from another.`,
		Example: `  # Your own numbers
  canaryctl analyze --counts counts.csv

  # In a pipeline: 0 pass, 3 fail, 4 inconclusive
  canaryctl analyze --counts counts.csv -o json | jq -r .summary

  # A service that hardly ever fails: below 0.1% no ratio counts as harm
  canaryctl analyze --counts counts.csv --negligible 0.1%

  # Is the route giving the canary its tenth?
  canaryctl analyze --counts counts.csv --weight 10`,
		Annotations: exitsMeaning(verdictMeaning, ExitRolledBack, ExitInconclusive),
		Args:        noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := o.complete(cmd)
			if err != nil {
				return err
			}
			return o.run(config)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.counts, "counts", "", "file of counts, one row for each interval; - for standard input")
	flags.DurationVar(&o.interval, "interval", rowInterval, "time that one row of CSV covers")
	flags.Float64Var(&o.weight, "weight", 0, "the canary's configured weight in percent, to compare its share of the requests with")
	flags.StringVarP(&o.output, "output", "o", "", "output format: wide, json or yaml (default: a table)")
	o.method.addFlags(flags)
	return cmd
}

// complete checks the command line, with nothing read yet.
func (o *analyze) complete(cmd *cobra.Command) (analysis.Config, error) {
	switch o.output {
	case "", "wide", "json", "yaml":
	default:
		return analysis.Config{}, usagef("-o %s: analyze prints wide, json, yaml or a table", o.output)
	}
	if o.counts == "" {
		return analysis.Config{}, hint.Wrap(usagef("no counts to analyse"), "name a file with --counts, or - for standard input")
	}
	if err := checkInterval(o.interval); err != nil {
		return analysis.Config{}, err
	}
	if o.weight != 0 || cmd.Flags().Changed("weight") {
		if !(o.weight > 0 && o.weight <= 100) {
			return analysis.Config{}, usagef("--weight %v: want a percentage above 0 and up to 100", o.weight)
		}
	}
	return o.method.config()
}

func checkInterval(d time.Duration) error {
	if d < time.Millisecond {
		return usagef("--interval %s: say one millisecond or more", d)
	}
	return nil
}

func (o *analyze) run(config analysis.Config) error {
	intervals, err := readCounts(o.In, o.counts, o.interval)
	if err != nil {
		return err
	}
	verdict, err := o.weigh(config, intervals)
	if err != nil {
		return fmt.Errorf("analyse %s: %w", o.counts, err)
	}
	if err := printVerdict(o.Out, o.output, verdict); err != nil {
		return err
	}
	return verdictError(verdict)
}

func (o *analyze) weigh(config analysis.Config, intervals []metrics.Interval) (analysis.Verdict, error) {
	a, err := analysis.New(config, unnamed())
	if err != nil {
		return analysis.Verdict{}, err
	}
	if o.weight > 0 {
		if err := a.Expect(o.weight/100, time.Time{}); err != nil {
			return analysis.Verdict{}, err
		}
	}
	for n, i := range intervals {
		if err := a.Add(i); err != nil {
			return analysis.Verdict{}, fmt.Errorf("interval %d: %w", n+1, err)
		}
	}
	return a.Verdict()
}

// unnamed is what the versions are called where no route names them.
func unnamed() analysis.Versions {
	return analysis.Versions{Stable: "stable", Canary: "the canary"}
}

// readCounts reads a file, or what is piped in.
func readCounts(stdin io.Reader, name string, every time.Duration) ([]metrics.Interval, error) {
	in := stdin
	if name == "-" {
		name = "standard input"
	} else {
		file, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("read counts: %w", err)
		}
		defer file.Close()
		in = file
	}
	intervals, err := analysis.Read(in, every)
	if err != nil {
		return nil, fmt.Errorf("read counts from %s: %w", name, err)
	}
	return intervals, nil
}

// verdictError is the exit status of a verdict.
func verdictError(v analysis.Verdict) error {
	switch v.Verdict {
	case analysis.Pass:
		return nil
	case analysis.Fail:
		return hint.Wrap(ErrVerdictFail, "canaryctl rollback gives all traffic back to the stable version")
	}
	return hint.Wrap(fmt.Errorf("%w: the evidence suffices neither for a pass nor for a fail", ErrInconclusive),
		"go on at this weight or a higher one and ask again; asking again costs nothing")
}

func verdictMeaning(code int) string {
	switch code {
	case ExitDone:
		return "done, and pass: the canary is shown to fail less than --margin times as often"
	case ExitRolledBack:
		return "fail: the canary is shown to fail more often than --tolerance allows"
	case ExitUsage:
		return "the command line is wrong; nothing was read"
	}
	return exitMeaning(code)
}
