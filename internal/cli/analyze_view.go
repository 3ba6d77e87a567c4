package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"text/tabwriter"

	"sigs.k8s.io/yaml"

	"github.com/canaryctl/canaryctl/internal/analysis"
)

// printVerdict writes a verdict for a person, or as data.
func printVerdict(w io.Writer, format string, v analysis.Verdict) error {
	if format == "json" || format == "yaml" {
		return printData(w, format, v)
	}
	_, err := io.WriteString(w, verdictTable(v, format == "wide"))
	return err
}

// printData writes anything as JSON or YAML.
func printData(w io.Writer, format string, data any) error {
	if format == "json" {
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		return encoder.Encode(data)
	}
	text, err := yaml.Marshal(data)
	if err != nil {
		return err
	}
	_, err = w.Write(text)
	return err
}

// verdictTable is the verdict with its sentence, and the numbers below it.
func verdictTable(v analysis.Verdict, wide bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%s\n\n", strings.ToUpper(string(v.Verdict)), v.Summary)
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	header := []string{"METRIC", "VERDICT", "STABLE", "CANARY", "RATIO", "BETWEEN", "HARM", "SAFETY"}
	if wide {
		header = append(header, "INTERVALS", "DISPERSION", "P-VALUE")
	}
	fmt.Fprintln(w, strings.Join(header, "\t"))
	for _, m := range v.Metrics {
		row := []string{
			m.Name, string(m.Verdict), armText(m.Stable), armText(m.Canary), figure(m.Ratio.Estimate),
			boundsText(m.Ratio), oddsText(m.Rollback), oddsText(promotion(m)),
		}
		if wide {
			row = append(row, strconv.Itoa(m.Intervals), figure(analysis.Number(m.Dispersion)), figure(m.Rollback.PValue))
		}
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	_ = w.Flush() // a Builder takes everything
	for _, m := range v.Metrics {
		b.WriteString(strataTable(m))
	}
	b.WriteString(limitsTable(v.Limits))
	if p := v.Pods; p != nil {
		fmt.Fprintf(&b, "\npods: %s %s; %s %s: %s\n", v.Versions.Stable, podsText(p.Stable), v.Versions.Canary, podsText(p.Canary), podsMeaning(p))
	}
	if t := v.Traffic; t != nil {
		fmt.Fprintf(&b, "\ntraffic: the canary got %s of the requests (%s to %s); its weight is %s: %s\n",
			percentText(t.Observed), percentText(t.Lower), percentText(t.Upper), percentText(t.Configured), agreement(t))
	}
	fmt.Fprintf(&b, "\nmethod %s\n", v.Method.Hash)
	return b.String()
}

// promotion is the evidence that is shown for a pass.
func promotion(m analysis.MetricVerdict) analysis.Evidence {
	if m.Promotion != nil {
		return *m.Promotion
	}
	return m.NonInferiority
}

// strataTable is empty where the traffic is not divided.
func strataTable(m analysis.MetricVerdict) string {
	if len(m.Strata) == 0 {
		return ""
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "\n%s BY ROUTE\tSTABLE\tCANARY\tHARM\tPART OF IT\n", strings.ToUpper(m.Name))
	for _, s := range m.Strata {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", s.Name, armText(s.Stable), armText(s.Canary),
			analysis.Odds(s.LogEvidence)+":1", percentText(analysis.Number(s.Share)))
	}
	_ = w.Flush()
	return b.String()
}

// limitsTable is empty where there are none.
func limitsTable(limits []analysis.LimitVerdict) string {
	if len(limits) == 0 {
		return ""
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nLIMIT\tVERDICT\tAT MOST\tCANARY\tSHARE\tBETWEEN\tHARM")
	for _, l := range limits {
		fmt.Fprintln(w, strings.Join([]string{
			l.Metric, string(l.Verdict), percentText(analysis.Number(l.Limit)), armText(l.Canary), percentText(l.Share),
			percentText(l.Lower) + " .. " + percentText(l.Upper), oddsText(l.Rollback),
		}, "\t"))
	}
	_ = w.Flush()
	return b.String()
}

func agreement(t *analysis.TrafficVerdict) string {
	switch {
	case t.Differs && t.Loose != "":
		return "it differs by more than a fifth, which need not mean anything: " + t.Loose
	case t.Differs:
		return "it differs by more than a fifth"
	}
	return "no sign that it differs by more than a fifth"
}

// boundsText is a dash while nothing is excluded.
func boundsText(r analysis.Ratio) string {
	if r.Lower == 0 && math.IsInf(float64(r.Upper), 0) {
		return "-"
	}
	return figure(r.Lower) + " .. " + figure(r.Upper)
}

func podsText(a analysis.PodArm) string {
	restarts := fmt.Sprintf("%d restarts", a.Restarts)
	if a.Restarts == 1 {
		restarts = "1 restart"
	}
	return fmt.Sprintf("%d of %d ready, %s", a.Ready, a.Pods, restarts)
}

func podsMeaning(p *analysis.PodsVerdict) string {
	switch p.Verdict {
	case analysis.Fail:
		return "too many"
	case analysis.Inconclusive:
		return "no pass for now"
	}
	return "no reason against a pass"
}

func armText(a analysis.Arm) string {
	return analysis.Thousands(a.Bad) + " of " + analysis.Thousands(a.Requests)
}

func oddsText(e analysis.Evidence) string {
	return fmt.Sprintf("%s:1 of %s:1", analysis.Odds(e.LogEvidence), analysis.Odds(e.Threshold))
}

// figure shows what is known of a number: three digits, or a dash.
func figure(n analysis.Number) string {
	switch v := float64(n); {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return "-"
	case v >= 1000 && v < 1e15:
		return analysis.Thousands(uint64(v))
	default:
		return strconv.FormatFloat(v, 'g', 3, 64)
	}
}

func percentText(n analysis.Number) string {
	if math.IsNaN(float64(n)) {
		return "-"
	}
	return figure(100*n) + "%"
}
