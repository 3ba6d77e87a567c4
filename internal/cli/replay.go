package cli

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/canaryctl/canaryctl/internal/analysis"
	"github.com/canaryctl/canaryctl/internal/metrics"
)

type replay struct {
	*Factory
	method     method
	tolerances []string
	margins    []float64
	alphas     []string
	limit      fixedLimit
	times      []int
	interval   time.Duration
	output     string
	stored     stored
}

// replayed is what all rules made of one file, or of a time of a Prometheus.
type replayed struct {
	File      string              `json:"file,omitempty"`
	Release   string              `json:"release,omitempty"`
	Source    string              `json:"source,omitempty"`
	From      *time.Time          `json:"from,omitempty"` // first interval of the canary
	To        *time.Time          `json:"to,omitempty"`
	Intervals int                 `json:"intervals"`
	Decisions []analysis.Decision `json:"decisions"`
}

// NewCmdReplay decides again about recorded counts.
func NewCmdReplay(f *Factory) *cobra.Command {
	o := &replay{Factory: f, method: newMethod()}
	cmd := &cobra.Command{
		Use:   "replay [FILE...]",
		Short: "Decide again about counts of the past: what, when, and by other rules",
		Long: `replay goes through recorded counts as if they came one by one, and says what
would have been decided and when. Tolerances, margins and alphas given in lists
are tried side by side; so are fixed limits, in the way of other tools: the canary
fails once its share of bad requests was above --limit in so many intervals. Such
a rule never passes, it has only not failed yet.

Files are those that analyze --counts reads. "-" reads standard input. With --since,
or --from and --to, the counts are those that a Prometheus has stored of the two
versions; the versions of a release that is over are named. What happened before
the canary's first request is left out.

Use it on releases that are over, to choose a method for those to come. A method
that is chosen by what one release shows says nothing about that release.`,
		Example: `  # When would it have been decided?
  canaryctl replay counts.csv

  # Side by side
  canaryctl replay counts.csv --tolerance 0,10%,50% --alpha 0.01,0.001

  # Against a limit of 1%, crossed once, or five times
  canaryctl replay *.csv --limit 1% --times 1,5

  # With an objective beside the comparison
  canaryctl replay counts.csv --limit errors=1%

  # The release of this morning, from Prometheus
  canaryctl replay --from 2026-01-01T10:00:00Z --to 2026-01-01T11:00:00Z --stable v1 --canary v2

  # The one that goes on, by a stricter method
  canaryctl replay --since 2h --alpha 0.01,0.001`,
		Annotations: exits(),
		Args:        cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.checkSource(cmd.Flags(), args); err != nil {
				return err
			}
			configs, limits, err := o.complete()
			if err != nil {
				return err
			}
			if len(args) == 0 {
				return o.runStored(cmd.Context(), configs, limits)
			}
			return o.run(args, configs, limits)
		},
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&o.tolerances, "tolerance", []string{o.method.Tolerance.String()}, "excesses of errors that are let through, as 0.1 or 10%")
	flags.Float64SliceVar(&o.margins, "margin", []float64{o.method.Margin}, "ratios of errors that a pass excludes")
	flags.StringSliceVar(&o.alphas, "alpha", []string{o.method.Alpha.String()}, "probabilities of ever failing a canary that is within the tolerance")
	o.method.addCommonFlags(flags)
	o.limit = fixedLimit{share: "1%", method: &o.method.limits}
	flags.Var(&o.limit, "limit", "fixed limit to compare with: share of the canary's requests that may be bad; off for none. With a metric, as errors=1% or 250ms=5%, a limit of the method itself, as analyze has it; may be given several times")
	flags.IntSliceVar(&o.times, "times", []int{1, 4, 5, 10}, "intervals above the limit that it takes")
	flags.DurationVar(&o.interval, "interval", rowInterval, "time that one row of CSV covers")
	o.stored.addFlags(flags, 0)
	flags.StringVarP(&o.output, "output", "o", "", "output format: json or yaml (default: a table)")
	return cmd
}

// checkSource is a usage error for flags that do not go with where the counts are.
func (o *replay) checkSource(flags *pflag.FlagSet, files []string) error {
	given := o.stored.given(flags)
	switch {
	case len(files) > 0 && given != "":
		return usagef("--%s goes with a Prometheus, and %s is a file; replay one or the other", given, files[0])
	case len(files) > 0:
		return nil
	case !flags.Changed("since") && !flags.Changed("from"):
		return usagef("replay takes files of counts, or the time of a Prometheus with --since or --from, and was given neither")
	case flags.Changed("interval"):
		return usagef("--interval goes with files; a Prometheus knows when it scraped")
	}
	return o.stored.complete(flags, o.Clock.Now())
}

// complete makes the rules to try.
func (o *replay) complete() ([]analysis.Config, []analysis.Threshold, error) {
	switch o.output {
	case "", "json", "yaml":
	default:
		return nil, nil, usagef("-o %s: replay prints json, yaml or a table", o.output)
	}
	if err := checkInterval(o.interval); err != nil {
		return nil, nil, err
	}
	configs, err := o.configs()
	if err != nil || o.limit.share == "off" {
		return configs, nil, err
	}
	limit, err := parseShare(o.limit.share)
	if err != nil {
		return nil, nil, fmt.Errorf("--limit: %w", err)
	}
	if !(limit >= 0 && limit < 1) {
		return nil, nil, usagef("--limit %s: want a share from 0 and below 1, or off", o.limit.share)
	}
	var limits []analysis.Threshold
	for _, n := range o.times {
		if n < 1 {
			return nil, nil, usagef("--times %d: a limit is crossed once or more", n)
		}
		limits = append(limits, analysis.Threshold{Limit: limit, Times: n})
	}
	return configs, limits, nil
}

// configs are all combinations of the lists.
func (o *replay) configs() ([]analysis.Config, error) {
	var configs []analysis.Config
	for _, tolerance := range o.tolerances {
		for _, margin := range o.margins {
			for _, alpha := range o.alphas {
				m := o.method
				if err := m.Tolerance.Set(tolerance); err != nil {
					return nil, usagef("--tolerance: %w", err)
				}
				if err := m.Alpha.Set(alpha); err != nil {
					return nil, usagef("--alpha: %w", err)
				}
				m.Margin = margin
				c, err := m.config()
				if err != nil {
					return nil, err
				}
				configs = append(configs, c)
			}
		}
	}
	return configs, nil
}

func (o *replay) run(files []string, configs []analysis.Config, limits []analysis.Threshold) error {
	var all []replayed
	for _, file := range files {
		intervals, err := readCounts(o.In, file, o.interval)
		if err != nil {
			return err
		}
		settled, err := o.method.settledAll(configs, intervals)
		if err != nil {
			return fmt.Errorf("replay %s: %w", file, err)
		}
		r, err := decide(intervals, unnamed(), settled, limits)
		if err != nil {
			return fmt.Errorf("replay %s: %w", file, err)
		}
		r.File = file
		all = append(all, r)
	}
	if o.output != "" {
		return printData(o.Out, o.output, all)
	}
	return printReplays(o.Out, all)
}

func decide(intervals []metrics.Interval, v analysis.Versions, configs []analysis.Config, limits []analysis.Threshold) (replayed, error) {
	intervals = relevant(configs[0], intervals) // all have the same metrics
	r := replayed{Intervals: analysis.Spans(intervals)}
	for _, c := range configs {
		d, err := analysis.Replay(c, v, intervals)
		if err != nil {
			return r, err
		}
		r.Decisions = append(r.Decisions, d)
	}
	errors := slices.DeleteFunc(intervals, func(i metrics.Interval) bool { return i.Metric != analysis.Errors })
	for _, limit := range limits {
		r.Decisions = append(r.Decisions, limit.Replay(errors))
	}
	return r, nil
}

func printReplays(out io.Writer, all []replayed) error {
	for i, r := range all {
		if i > 0 {
			fmt.Fprintln(out)
		}
		fmt.Fprintf(out, "%s: %d intervals\n", r.File+r.Release, r.Intervals)
		w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, strings.Join([]string{"RULE", "VERDICT", "AFTER", "TIME", "CANARY"}, "\t"))
		for _, d := range r.Decisions {
			fmt.Fprintln(w, strings.Join([]string{
				d.Rule, string(d.Verdict), strconv.Itoa(d.Intervals),
				time.Duration(d.Seconds * float64(time.Second)).Round(time.Second).String(), armText(d.Canary),
			}, "\t"))
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	return nil
}
