package cli

import (
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/canaryctl/canaryctl/internal/analysis"
)

// printCalibration shows what was played, how the traffic varies, and what follows.
func printCalibration(s Streams, name string, r analysis.Calibrated) error {
	fmt.Fprintf(s.Out, "%s: %s intervals from %s to %s, %d Pods\n", name, analysis.Thousands(uint64(r.Intervals)),
		r.From.UTC().Format(time.RFC3339), r.To.UTC().Format(time.RFC3339), r.Pods)
	fmt.Fprintf(s.Out, "%s\n\n", wrap(r.Summary, 100))
	w := tabwriter.NewWriter(s.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "CANARY PODS\tTOLERANCE\tRELEASES\tFALSE ALARMS\tRATE\t95% LIMITS\tEFFECTIVE")
	for _, t := range r.Trials {
		rate, worth := "-", "-"
		if t.Releases > 0 {
			rate, worth = percentText(t.Rate), figure(analysis.Number(t.Effective))
		}
		fmt.Fprintf(w, "%d\t%s\t%d\t%d\t%s\t%s to %s\t%s\n", t.CanaryPods, percentText(analysis.Number(t.Tolerance)),
			t.Releases, t.FalseAlarms, rate, limitText(t.Lower), limitText(t.Upper), worth)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(s.Out, "windows of %s: %d; releases that share windows and Pods amount to EFFECTIVE independent ones\n\n",
		brisk(time.Duration(r.WindowSeconds*float64(time.Second))), r.Windows)
	fmt.Fprintln(w, "METRIC\tBAD\tDISPERSION 1\tDISPERSION 20\tSPREAD\tBY CHANCE\tTOLERANCE")
	for _, m := range r.Metrics {
		spread, floor, tolerance := "-", "-", "-"
		if m.Spread != nil {
			spread, floor = figure(analysis.Number(m.Spread.Estimate)), figure(analysis.Number(m.Spread.Floor))
			if m.Spread.Shown {
				tolerance = percentText(m.Spread.Tolerance)
			}
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", m.Name, armText(m.Arm), figure(analysis.Number(m.Dispersion.One)),
			figure(analysis.Number(m.Dispersion.Twenty)), spread, floor, tolerance)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, text := range r.Warnings {
		fmt.Fprintf(s.Err, "warning: %s\n", text)
	}
	return nil
}

// limitText is a limit in percent, without the digits of one that is next to none.
func limitText(n analysis.Number) string {
	const none = 5e-5
	if n < none {
		return "0%"
	}
	return percentText(n)
}
