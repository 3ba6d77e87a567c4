package cli

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/canaryctl/canaryctl/internal/analysis"
	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/metrics"
)

// plannedTime is that of a release whose regressions may begin late.
const plannedTime = time.Hour

// rowInterval is the time that a row of counts covers where nobody says.
const rowInterval = 15 * time.Second

type analyze struct {
	*Factory
	method   method
	counts   string
	interval time.Duration
	weight   float64
	output   string

	// Of a canary in the cluster.
	target              target
	prometheus          prometheusFlags
	metrics             metricFlags
	source, record      string
	since, wait, warmUp time.Duration
	within              time.Duration // as analysis.Metric has it; only plans say it
	watch, listMetrics  bool
	maxRestarts         int
}

// NewCmdAnalyze says what is known of a canary.
func NewCmdAnalyze(f *Factory) *cobra.Command {
	o := &analyze{Factory: f, method: newMethod()}
	cmd := &cobra.Command{
		Use:   "analyze",
		Short: "Say what is known of a canary: pass, fail or inconclusive, and why",
		Long: `analyze weighs the evidence that the canary fails more often than the stable
version, and that it does not, and says so in a sentence and in numbers. It may
be asked at any time and as often as you like: looking costs nothing, and the
share of good canaries that ever get "fail" stays below --alpha.

It reads what both versions answered from a Prometheus, found by itself, or where
there is none from the Pods, through the API server. One look takes the last
--since; Pods remember nothing, so that there it is two readings, --interval
apart. -w goes on until interrupted, --wait until a decision or for so long. While
nothing can be read the verdict is inconclusive, and says why.

The canary's Pods have a say too: it does not pass while one of them is not ready
or has just been restarted, and fails when they restart more than --max-restarts
times, beyond what stable's Pods do.

With --counts it needs no cluster: bring your own numbers, one row for each
interval, in order of time. "-" reads standard input.

  stable_total,stable_bad,canary_total,canary_bad
  9000,9,1000,10

The header may be left out; with one, columns may be in another order, and others
may stand beside them. Intervals as lines of JSON are read too (docs/analyze.md,
which also describes the output of -o json).

The method is fixed before the first look. Tuned after looking, it guarantees
nothing; its hash in the output tells one from another.`,
		Example: `  # The canary in the cluster, now, and from now on
  canaryctl analyze
  canaryctl analyze -w

  # In a pipeline: 0 pass, 3 fail, 4 not decided within half an hour
  canaryctl analyze --wait 30m

  # Keep the counts, and try other methods on them later
  canaryctl analyze -w --record release.jsonl
  canaryctl replay release.jsonl

  # Which metrics there are, and which of them it reads
  canaryctl analyze --sources

  # Metrics of your own: counters of all requests and of those that failed
  canaryctl analyze --metric-total checkout_total --metric-bad checkout_failed_total

  # An objective that holds whatever stable does
  canaryctl analyze --limit errors=1% --limit 250ms=5%

  # Slow requests count too: more than 250 ms, or slower than 95% of stable's
  canaryctl analyze --latency 250ms
  canaryctl analyze --latency p95

  # Your own numbers
  canaryctl analyze --counts counts.csv
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
			if o.listMetrics {
				return o.list(cmd.Context())
			}
			if o.counts == "" {
				return o.runLive(cmd.Context(), config)
			}
			return o.run(config)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.counts, "counts", "", "file of counts, one row for each interval; - for standard input")
	flags.DurationVar(&o.interval, "interval", 0, "time that one row of CSV covers (default 15s), or between two readings (default 2s)")
	flags.Float64Var(&o.weight, "weight", 0, "the canary's configured weight in percent, to compare its share of the requests with")
	flags.StringVarP(&o.output, "output", "o", "", "output format: wide, json or yaml (default: a table)")
	o.target.addFlags(flags)
	flags.BoolVarP(&o.watch, "watch", "w", false, "go on until interrupted")
	flags.DurationVar(&o.wait, "wait", 0, "go on until a decision, at most for this time")
	flags.DurationVar(&o.since, "since", 5*time.Minute, "how far back to begin in a Prometheus")
	flags.DurationVar(&o.warmUp, "warm-up", 0, "time of each new Pod to leave out")
	flags.StringVar(&o.source, "metrics-source", sourceAuto, "where to read: auto, prometheus or pods")
	o.prometheus.addFlags(flags)
	o.metrics.addFlags(flags)
	flags.BoolVar(&o.listMetrics, "sources", false, "say which metrics there are of both versions, which would be read and why, and what they do not count; decide nothing")
	flags.BoolVar(&o.listMetrics, "list-metrics", false, "what --sources was called before")
	_ = flags.MarkHidden("list-metrics") // of a flag that is there
	flags.StringVar(&o.record, "record", "", "file to write what was counted to, for replay")
	flags.IntVar(&o.maxRestarts, "max-restarts", analysis.DefaultGate().MaxRestarts, "restarts of the canary's containers, beyond those of stable, that are let through; one more is a fail")
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
	if err := o.checkFlags(cmd); err != nil {
		return analysis.Config{}, err
	}
	if cmd.Flags().Changed("weight") && !(o.weight > 0 && o.weight <= 100) {
		return analysis.Config{}, usagef("--weight %v: want a percentage above 0 and up to 100", o.weight)
	}
	if o.counts == "" && !cmd.Flags().Changed("onset-intervals") {
		o.method.OnsetIntervals = max(1, int(plannedTime/o.every()))
	}
	config, err := o.method.config()
	if err != nil || o.counts != "" {
		return config, err
	}
	gate := analysis.DefaultGate()
	gate.MaxRestarts = o.maxRestarts
	config.Pods = &gate
	return config, nil
}

// checkFlags knows which flags go with counts in a file, and which with a cluster.
func (o *analyze) checkFlags(cmd *cobra.Command) error {
	if cmd.Flags().Changed("interval") {
		if err := checkInterval(o.interval); err != nil {
			return err
		}
	}
	if o.counts == "" {
		if cmd.Flags().Changed("weight") {
			return usagef("--weight goes with --counts; of a route it is known")
		}
		if o.maxRestarts < 0 {
			return usagef("--max-restarts %d: say 0 or more", o.maxRestarts)
		}
		for _, name := range []string{"watch", "wait", "record"} {
			if o.listMetrics && cmd.Flags().Changed(name) {
				return usagef("--%s goes with an analysis, and --sources does none", name)
			}
		}
		return o.checkSource(cmd.Flags())
	}
	live := append(o.metrics.names(), "watch", "wait", "since", "warm-up", "metrics-source", "sources", "list-metrics", "record", "max-restarts", "vs", "host")
	for _, name := range append(live, o.prometheus.given(cmd.Flags())...) {
		if cmd.Flags().Changed(name) {
			return usagef("--%s goes with a canary in the cluster, and --counts reads a file", name)
		}
	}
	return nil
}

// every is the time between two readings.
func (o *analyze) every() time.Duration { return cmp.Or(o.interval, liveInterval) }

func checkInterval(d time.Duration) error {
	if d < time.Millisecond {
		return usagef("--interval %s: say one millisecond or more", d)
	}
	return nil
}

func (o *analyze) run(config analysis.Config) error {
	intervals, err := readCounts(o.In, o.counts, cmp.Or(o.interval, rowInterval))
	if err != nil {
		return err
	}
	if config, err = o.method.settled(config, intervals); err != nil {
		return fmt.Errorf("analyse %s: %w", o.counts, err)
	}
	tellEdges(o.Err, config)
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
		if err := a.Expect(analysis.Expectation{Share: o.weight / 100}); err != nil {
			return analysis.Verdict{}, err
		}
	}
	a.Learn(intervals)
	for n, i := range relevant(config, intervals) {
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
	if v.Pods != nil && v.Pods.Verdict == analysis.Inconclusive {
		return hint.Wrap(fmt.Errorf("%w: the Pods stand in the way of a pass", ErrInconclusive), "canaryctl status shows the Pods; ask again when they are well")
	}
	next := "go on at this weight or a higher one and ask again; asking again costs nothing"
	switch {
	case unheard(v):
		next = "only requests to both versions can be compared: give the canary some with canaryctl set-traffic, or see where they are counted"
	case spotless(v):
		next = "a service that hardly ever fails can only pass by a level: say with --negligible which share of bad requests would not matter"
	}
	return hint.Wrap(fmt.Errorf("%w: the evidence suffices neither for a pass nor for a fail", ErrInconclusive), "%s", next)
}

// unheard reports whether no request of one version was counted.
func unheard(v analysis.Verdict) bool {
	errors := v.Metrics[0]
	return v.Reason == "" && (errors.Canary.Requests == 0 || errors.Stable.Requests == 0)
}

// spotless reports whether there is no bad request to compare, and no level below
// which none is needed.
func spotless(v analysis.Verdict) bool {
	for _, m := range v.Metrics {
		if m.Name == analysis.GivenUp || m.Name == analysis.Unanswered {
			continue // which have a level of their own
		}
		if m.Canary.Requests == 0 || m.Stable.Bad+m.Canary.Bad > 0 || m.Negligible != nil {
			return false
		}
	}
	return true
}

func verdictMeaning(code int) string {
	switch code {
	case ExitDone:
		return "done, and pass: the canary is shown to fail less than --margin times as often"
	case ExitRolledBack:
		return "fail: the canary is shown to fail more often than --tolerance allows, or to crash"
	case ExitUsage:
		return "the command line is wrong; nothing was read"
	}
	return exitMeaning(code)
}
