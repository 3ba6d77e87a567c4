package cli

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/canaryctl/canaryctl/internal/analysis"
)

type plan struct {
	*Factory
	method   method
	planned  analysis.Planned
	badShare share
	power    share
	steps    []string
	weight   string
	output   string

	// Where what is not said is read from.
	stored stored
	source string
}

// plannedRelease is what plan prints as data.
type plannedRelease struct {
	Rate     float64                `json:"requestsPerSecond"`
	BadShare float64                `json:"badShare"`
	Effect   float64                `json:"effect"`
	Power    float64                `json:"power"`
	StepTime float64                `json:"stepSeconds"`
	Interval float64                `json:"intervalSeconds"`
	Steps    []analysis.PlannedStep `json:"steps"`
	Method   analysis.Method        `json:"method"`
}

// NewCmdPlan says how long the steps of a release must last.
func NewCmdPlan(f *Factory) *cobra.Command {
	o := &plan{Factory: f, method: newMethod(), power: 0.8}
	o.method.Dispersion = 1
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Say how long each step must last to catch a regression, and what it can catch",
		Long: `plan says, before a release, how long each step must last to catch a canary that
fails --effect times as often as the stable version, and how many errors users see
until then because of the canary; and the smallest regression that a step of
--step-time can catch.

How many requests come, which share of stable's fails, how often they are counted
and how much errors vary between Pods is read from a Prometheus, the last --since, or
where there is none from two readings of the Pods. What is said with --rate,
--error-share, --interval and --dispersion is not read; with the first two, no
cluster is asked at all.

Each step is planned by itself. Evidence carries over from one to the next, so
later steps need less than is shown. A step that can catch nothing is only
waiting; plan warns of it.

Its commands are about plan files, which say how a whole release goes: suggest
writes one, explain says what it does, validate what is wrong with it.`,
		Example: `  # At the traffic of the last hour
  canaryctl plan

  # 50 requests a second, of which 1% fail
  canaryctl plan --rate 50 --error-share 1%

  # Steps of five minutes, to catch errors that grow by half
  canaryctl plan --rate 50 --error-share 1% --steps 5,25,50 --step-time 5m --effect 1.5

  # With more certainty to catch it
  canaryctl plan --rate 50 --error-share 1% --steps 10 --power 95% -o json`,
		Annotations: exits(),
		Args:        knownCommand,

		SuggestionsMinimumDistance: 2,
		RunE: func(cmd *cobra.Command, _ []string) error {
			flags := cmd.Flags()
			if err := o.complete(flags); err != nil {
				return err
			}
			if !flags.Changed("rate") || !flags.Changed("error-share") {
				if err := o.read(cmd.Context(), flags); err != nil {
					return err
				}
			}
			config, err := o.config()
			if err != nil {
				return err
			}
			return o.run(config)
		},
	}
	flags := cmd.Flags()
	flags.Float64Var(&o.planned.Rate, "rate", 0, "requests per second of both versions together (default: read)")
	flags.Var(&o.badShare, "error-share", "share of stable's requests that fail, as 0.01 or 1% (default: read)")
	flags.StringSliceVar(&o.steps, "steps", []string{"10", "30", "50"}, "weights of the canary, in percent")
	flags.StringVar(&o.weight, "weight", "", "one step only, at this weight in percent")
	flags.Float64Var(&o.planned.Effect, "effect", 2, "regression to catch: how many times as often the canary fails")
	flags.Var(&o.power, "power", "probability of catching it")
	flags.DurationVar(&o.planned.StepTime, "step-time", 10*time.Minute, "time that each step is to last")
	flags.DurationVar(&o.planned.Interval, "interval", rowInterval, "time between two looks at the counts, such as Prometheus' scrape interval (default: read)")
	flags.StringVarP(&o.output, "output", "o", "", "output format: json or yaml (default: a table)")
	flags.Var(&o.method.Tolerance, "tolerance", "excess of errors that is let through, as 0.1 or 10%")
	flags.Var(&o.method.Alpha, "alpha", "probability of ever failing a canary that is within the tolerance")
	flags.BoolVar(&o.method.Onset, "onset", o.method.Onset, "also look for regressions that begin late")
	flags.Var(&o.method.EvidenceCap, "evidence-cap", "factor that one interval can add to the evidence at most, or off")
	flags.Var(&o.method.Dispersion, "dispersion", "how much more errors vary than independent ones would (default: read, where Pods are told apart)")
	o.stored.addFlags(flags, time.Hour)
	flags.StringVar(&o.source, "metrics-source", sourceAuto, "where to read: auto, prometheus or pods")
	cmd.AddCommand(NewCmdPlanValidate(f), NewCmdPlanExplain(f), NewCmdPlanSuggest(f))
	return cmd
}

// complete checks what can be checked with nothing read.
func (o *plan) complete(flags *pflag.FlagSet) error {
	switch o.output {
	case "", "json", "yaml":
	default:
		return usagef("-o %s: plan prints json, yaml or a table", o.output)
	}
	if err := checkInterval(o.planned.Interval); err != nil {
		return err
	}
	o.planned.BadShare, o.planned.Power = float64(o.badShare), float64(o.power)
	p := o.planned
	switch {
	case flags.Changed("rate") && !(p.Rate > 0):
		return usagef("--rate %v: say how many requests come per second", p.Rate)
	case flags.Changed("error-share") && !(p.BadShare > 0 && p.BadShare < 1):
		return usagef("--error-share %v: say which share of stable's requests fails, above 0 and below 1", p.BadShare)
	case !(p.Effect > 1):
		return usagef("--effect %v: a regression is a ratio above 1", p.Effect)
	case !(p.Power > 0 && p.Power < 1):
		return usagef("--power %v: want a probability between 0 and 1", p.Power)
	case p.StepTime < time.Second:
		return usagef("--step-time %s: say one second or more", p.StepTime)
	}
	if o.weight != "" {
		o.steps = []string{o.weight}
	}
	for _, step := range o.steps {
		w, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(step), "%"), 64)
		if err != nil || !(w > 0 && w < 100) {
			return usagef("weight %q: want a percentage above 0 and below 100, since all evidence is a comparison", step)
		}
		o.planned.Weights = append(o.planned.Weights, w/100)
	}
	if _, err := o.method.config(); err != nil {
		return err
	}
	return o.checkSource(flags)
}

// config is the method, once the traffic is known.
func (o *plan) config() (analysis.Config, error) {
	if p := o.planned; !(p.Effect*p.BadShare <= 1) {
		return analysis.Config{}, usagef("--effect %v: so many times %v is more than every request", p.Effect, p.BadShare)
	}
	return o.method.config()
}

func (o *plan) run(config analysis.Config) error {
	steps, err := analysis.Plan(config, o.planned)
	if err != nil {
		return err
	}
	if o.output != "" {
		p := o.planned
		return printData(o.Out, o.output, plannedRelease{
			p.Rate, p.BadShare, p.Effect, p.Power, p.StepTime.Seconds(), p.Interval.Seconds(), steps, analysis.Method{Config: config, Hash: config.Hash()},
		})
	}
	if err := o.print(o.Out, steps); err != nil {
		return err
	}
	for _, s := range steps {
		if s.Warning != "" {
			fmt.Fprintf(o.Err, "warning: %s\n", s.Warning)
		}
	}
	return nil
}

func (o *plan) print(out io.Writer, steps []analysis.PlannedStep) error {
	p := o.planned
	fmt.Fprintf(out, "%s requests/s, %s of them bad; to catch %s times as many with a power of %s\n\n",
		figure(analysis.Number(p.Rate)), percentText(analysis.Number(p.BadShare)), figure(analysis.Number(p.Effect)), percentText(analysis.Number(p.Power)))
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "WEIGHT\tMUST LAST\tCANARY REQUESTS\tERRORS AT STAKE\tCATCHES IN %s\tPOWER IN %s\n",
		brisk(p.StepTime), brisk(p.StepTime))
	for _, s := range steps {
		catches := "nothing"
		if !s.CatchesNothing {
			catches = fmt.Sprintf("%s times (%s bad)", figure(s.CatchesRatio), percentText(s.CatchesShare))
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", percentText(analysis.Number(s.Weight)), lasting(s.NeedsSeconds),
			whole(s.NeedsRequests), whole(s.ErrorsAtStake), catches, percentText(analysis.Number(s.PowerAtEffect)))
	}
	return w.Flush()
}

// lasting is a number of seconds as a person says it; never, for none.
func lasting(seconds analysis.Number) string {
	if figure(seconds) == "-" {
		return "never catches it"
	}
	return analysis.Span(time.Duration(float64(seconds) * float64(time.Second)))
}

// whole is a count that was computed, rounded up.
func whole(n analysis.Number) string {
	if figure(n) == "-" {
		return "-"
	}
	return analysis.Thousands(uint64(float64(n) + 0.999))
}

// brisk is a duration without the units that are zero: 10m, not 10m0s.
func brisk(d time.Duration) string {
	text := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zero) {
			text = strings.TrimSuffix(text, zero[1:])
		}
	}
	return text
}
