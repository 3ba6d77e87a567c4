package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/canaryctl/canaryctl/internal/analysis"
	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/planfile"
)

// suggestion is a plan, of which only the file is wanted.
type suggestion struct {
	plan
	least share
}

// NewCmdPlanSuggest writes a plan file for the traffic that is seen.
func NewCmdPlanSuggest(f *Factory) *cobra.Command {
	o := &suggestion{plan: plan{Factory: f, method: newMethod(), power: 0.95}, least: 0.01}
	cmd := &cobra.Command{
		Use:   "suggest",
		Short: "Write a plan file that fits the traffic, with the reasons as comments",
		Long: `suggest writes a plan file whose steps last as long as the evidence needs at this
traffic, and no longer. The first step is small, and finds a canary that breaks
everything; the last finds one that fails --effect times as often as stable, or
--least of its requests if that is more. Whoever gets through all of it without an
alarm is promoted, with nobody there.

The traffic is read as plan reads it, or said with --rate and --error-share; then
no cluster is asked.`,
		Example: `  # For the traffic of the last hour
  canaryctl plan suggest > plan.yaml

  # For 200 requests a second, of which one in a thousand fails
  canaryctl plan suggest --rate 200 --error-share 0.1%

  # Little traffic: only look for a canary that fails a twentieth of its requests
  canaryctl plan suggest --rate 2 --error-share 0 --least 5%`,
		Annotations: exits(),
		Args:        noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.complete(cmd.Flags()); err != nil {
				return err
			}
			return o.run(cmd.Context(), cmd.Flags())
		},
	}
	flags := cmd.Flags()
	flags.Float64Var(&o.planned.Rate, "rate", 0, "requests per second of both versions together (default: read)")
	flags.Var(&o.badShare, "error-share", "share of stable's requests that fail, as 0.01 or 1% (default: read)")
	flags.Float64Var(&o.planned.Effect, "effect", 2, "regression to find: how many times as often the canary fails")
	flags.Var(&o.least, "least", "share of failing requests below which nothing is looked for")
	flags.Var(&o.power, "power", "probability of finding it")
	flags.DurationVar(&o.planned.Interval, "interval", liveInterval, "time between two looks at the counts (default: read)")
	flags.Var(&o.method.Dispersion, "dispersion", "how much more errors vary than independent ones would (default: read, where Pods are told apart)")
	o.stored.addFlags(flags, time.Hour)
	flags.StringVar(&o.source, "metrics-source", sourceAuto, "where to read: auto, prometheus or pods")
	return cmd
}

// complete checks what can be checked with nothing read.
func (o *suggestion) complete(flags *pflag.FlagSet) error {
	if err := checkInterval(o.planned.Interval); err != nil {
		return err
	}
	p := &o.planned
	p.BadShare, p.Power = float64(o.badShare), float64(o.power)
	switch {
	case flags.Changed("rate") && !(p.Rate > 0):
		return usagef("--rate %v: say how many requests come per second", p.Rate)
	case !(p.BadShare >= 0 && p.BadShare < 1):
		return usagef("--error-share %v: say which share of stable's requests fails, from 0 and below 1", p.BadShare)
	case !(p.Effect > 1):
		return usagef("--effect %v: a regression is a ratio above 1", p.Effect)
	case !(o.least > 0 && o.least < 1):
		return usagef("--least %v: want a share above 0 and below 1", float64(o.least))
	case !(p.Power >= 0.5 && p.Power < 1):
		return usagef("--power %v: want a probability of a half or more, and below 1", p.Power)
	}
	return o.checkSource(flags)
}

func (o *suggestion) run(ctx context.Context, flags *pflag.FlagSet) error {
	if !flags.Changed("rate") || !flags.Changed("error-share") {
		if _, err := o.look(ctx, flags); err != nil {
			return err
		}
	}
	p := o.planned
	d, notes, err := planfile.Suggest(p.Rate, p.BadShare, planfile.Options{
		Effect: p.Effect, Least: float64(o.least), Power: p.Power, Interval: p.Interval, Dispersion: float64(o.method.Dispersion),
	})
	if err != nil {
		return hint.Wrap(err, "say more traffic with --rate, or another aim with --effect or --least")
	}
	text, err := d.YAML(notes)
	if err != nil {
		return err
	}
	fmt.Fprintf(o.Out, "# For %s requests/s, %s of stable's bad, counted every %s. What it does:\n#   canaryctl plan explain -f FILE\n%s",
		figure(analysis.Number(p.Rate)), percentText(analysis.Number(p.BadShare)), brisk(p.Interval), text)
	return nil
}
