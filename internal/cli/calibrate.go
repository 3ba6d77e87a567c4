package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/canaryctl/canaryctl/internal/analysis"
	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/metrics"
)

type calibrate struct {
	*Factory
	method   method
	stored   stored
	window   time.Duration
	replicas int
	output   string
}

// NewCmdCalibrate says how often the method is wrong on this traffic.
func NewCmdCalibrate(f *Factory) *cobra.Command {
	o := &calibrate{Factory: f, method: newMethod()}
	cmd := &cobra.Command{
		Use:   "calibrate [FILE...]",
		Short: "Say how often good releases would be rolled back here, and which tolerance to use",
		Long: `calibrate plays releases on the history of the stable version: some of its Pods are
taken for a canary and compared with the others, by the method that analyze would
use, in one window after the other. All Pods run the same, so whoever is rolled back
there is rolled back falsely.

It also says how much more errors vary than independent ones would (the dispersion),
how much Pods differ for good (the spread), and the tolerance that makes up for the
spread: the 99th percentile of how much --replicas Pods drawn at random fail more often
than all stable Pods do. With that tolerance the releases are played again.

The history is what a Prometheus has stored of the route's stable version, or what
analyze --record has written, which tells of stable's Pods too. Releases that are
played share their hours and their Pods, so they say less than as many real ones:
the limits go by how many independent ones they amount to (docs/calibrate.md).`,
		Example: `  # A day of the stable version, in releases of an hour, with a canary of two Pods
  canaryctl calibrate --replicas 2

  # Another method, and shorter releases
  canaryctl calibrate --window 20m --since 6h --tolerance 25%

  # What was recorded during releases
  canaryctl calibrate --window 10m release-*.jsonl

  # The tolerance, for a script
  canaryctl calibrate -o json | jq .tolerance.suggested`,
		Annotations: exits(),
		Args:        cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			config, err := o.complete(cmd.Flags(), args)
			if err != nil {
				return err
			}
			auto := o.method.Onset && !cmd.Flags().Changed("onset-intervals")
			return o.run(cmd.Context(), config, args, auto)
		},
	}
	flags := cmd.Flags()
	flags.DurationVar(&o.window, "window", time.Hour, "time that a release lasts")
	flags.IntVar(&o.replicas, "replicas", 1, "Pods that the canary will have")
	o.stored.addFlags(flags, 24*time.Hour)
	flags.StringVarP(&o.output, "output", "o", "", "output format: json or yaml (default: a table)")
	o.method.addFlags(flags)
	return cmd
}

// complete checks the command line, with nothing read yet.
func (o *calibrate) complete(flags *pflag.FlagSet, files []string) (analysis.Config, error) {
	var none analysis.Config
	switch o.output {
	case "", "json", "yaml":
	default:
		return none, usagef("-o %s: calibrate prints json, yaml or a table", o.output)
	}
	given := o.stored.given(flags)
	switch {
	case o.window < time.Second:
		return none, usagef("--window %s: say one second or more", o.window)
	case o.replicas < 1:
		return none, usagef("--replicas %d: a canary has one Pod or more", o.replicas)
	case flags.Changed("canary"):
		return none, usagef("--canary: calibrate compares Pods of the stable version alone; name it with --stable")
	case len(files) > 0 && given != "":
		return none, usagef("--%s goes with a Prometheus, and %s is a file; calibrate on one or the other", given, files[0])
	case len(files) == 0:
		if err := o.stored.complete(flags, o.Clock.Now()); err != nil {
			return none, err
		}
	}
	return o.method.config()
}

// run reads the history and plays on it. With auto, the onset mixture is spread over
// the intervals of a window, as analyze spreads it over those of a release.
func (o *calibrate) run(ctx context.Context, config analysis.Config, files []string, auto bool) error {
	found, err := o.history(ctx, config, files)
	if err != nil {
		return err
	}
	if config, err = o.method.settled(config, found.intervals); err != nil {
		return fmt.Errorf("calibrate %s: %w", found.name, err)
	}
	if auto {
		if every := metrics.TypicalLength(relevant(config, found.intervals)); every > 0 {
			config.OnsetIntervals = max(1, int(o.window/every))
		}
	}
	r, err := analysis.Calibrate(ctx, config, analysis.Calibration{Version: found.version, Window: o.window, Canary: o.replicas}, found.intervals)
	switch {
	case errors.Is(err, analysis.ErrNoPods) && len(files) > 0:
		return hint.Wrap(fmt.Errorf("calibrate: %s: %w", found.name, err), "CSV does not tell Pods apart, and neither does every source; read a Prometheus, or what analyze --record writes from the profile app")
	case err != nil:
		return fmt.Errorf("calibrate: %w", err)
	}
	if o.output != "" {
		return printData(o.Out, o.output, r)
	}
	return printCalibration(o.Streams, found.name, r)
}

// ofVersion is what each Pod of one version answered.
type ofVersion struct {
	name      string // for a person
	version   string // that its Pods go by
	intervals []metrics.Interval
}

func (o *calibrate) history(ctx context.Context, config analysis.Config, files []string) (ofVersion, error) {
	if len(files) > 0 {
		found := ofVersion{name: strings.Join(files, ", "), version: unnamed().Stable}
		for _, file := range files {
			intervals, err := readCounts(o.In, file, rowInterval)
			if err != nil {
				return found, err
			}
			found.intervals = append(found.intervals, intervals...)
		}
		return found, nil
	}
	release, err := o.stored.release(ctx, o.Factory, false)
	if err != nil {
		return ofVersion{}, err
	}
	release.Canary = ""
	name := release.App + " " + release.Stable
	read, err := o.stored.read(ctx, o.Factory, release, o.method.latencies(), func(intervals []metrics.Interval) error {
		if err := severalPods(relevant(config, intervals), release); err != nil {
			return err
		}
		return tellsOf(&o.method, intervals)
	})
	if err != nil {
		return ofVersion{}, fmt.Errorf("calibrate %s: %w", name, err)
	}
	fmt.Fprintf(o.Err, "%s: counts from %s, %s\n", name, read.from, o.stored.span())
	return ofVersion{name, release.Stable, read.intervals}, nil
}

// severalPods is nil where intervals tell at least two Pods of the release apart.
func severalPods(intervals []metrics.Interval, r metrics.Release) error {
	pods := map[string]bool{}
	for _, i := range intervals {
		for _, p := range i.Pods[r.Stable] {
			pods[p.Pod] = true
		}
	}
	switch {
	case len(intervals) == 0:
		return fmt.Errorf("%w: it counts nothing that is asked for", metrics.ErrNoData)
	case len(pods) == 0:
		return fmt.Errorf("%w: it says what %s answered, and not which Pod did", analysis.ErrNoPods, r.Stable)
	case len(pods) == 1:
		return fmt.Errorf("%w: %s has one Pod, and it cannot be compared with itself", analysis.ErrNoPods, r.Stable)
	}
	return nil
}
