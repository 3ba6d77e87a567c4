package cli

import (
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"

	"sigs.k8s.io/yaml"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/source"
	"github.com/canaryctl/canaryctl/internal/status"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

// render shows a report in the format that was asked for. A watch into a pipe
// gets a line for each, so that a reader can tell them apart.
func (o *statusOptions) render(r *status.Report, terminal bool) (string, error) {
	switch o.output {
	case "json":
		if o.watch {
			data, err := json.Marshal(r)
			return string(data), err
		}
		data, err := json.MarshalIndent(r, "", "  ")
		return string(data), err
	case "yaml":
		data, err := yaml.Marshal(r)
		text := strings.TrimRight(string(data), "\n")
		if o.watch {
			text = "---\n" + text
		}
		return text, err
	case "name":
		return statusNames(r), nil
	}
	if o.watch && !terminal {
		return statusText(r), nil
	}
	return statusTable{report: r, wide: o.output == "wide", bars: terminal, color: Color(o.f.Out)}.String(), nil
}

func statusNames(r *status.Report) string {
	names := []string{"virtualservice.networking.istio.io/" + r.Route.Name}
	for _, v := range r.Versions {
		if v.Deployment != "" {
			names = append(names, "deployment.apps/"+v.Deployment)
		}
	}
	return strings.Join(names, "\n")
}

// statusText is a report on one line, without the figures that never stand still.
func statusText(r *status.Report) string {
	var parts []string
	for _, v := range r.Versions {
		part := fmt.Sprintf("%s %s %s, %d/%d ready", v.Version, v.Role, percent(v.Weight), v.Ready, v.Desired)
		if v.Restarts > 0 {
			part += fmt.Sprintf(", %d restarts", v.Restarts)
		}
		parts = append(parts, part)
	}
	if r.Release != nil {
		parts = append(parts, releaseStatus{r.Release}.line())
	}
	return r.App + ": " + strings.Join(parts, "; ")
}

// statusTable is a report for a person.
type statusTable struct {
	report *status.Report
	wide   bool
	bars   bool
	color  bool
}

func (t statusTable) String() string {
	var b strings.Builder
	r := t.report
	fmt.Fprintf(&b, "%s in %s: %s %s, host %s\n", r.App, r.Namespace, r.Route.Kind, r.Route.Name, r.Route.Host)
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	header := []string{"VERSION", "ROLE", "IMAGE", "READY", "RESTARTS", "WEIGHT", "OBSERVED"}
	if t.open() {
		header = append(header, "OPEN")
	}
	if t.wide {
		header = append(header, "REQUESTS", "DEPLOYMENT")
	}
	if t.bars {
		header = append(header, "") // the bars need no name, but their place
	}
	fmt.Fprintln(w, strings.Join(header, "\t"))
	for _, v := range r.Versions {
		fmt.Fprintln(w, strings.Join(t.row(v), "\t"))
	}
	_ = w.Flush() // to a strings.Builder, which does not fail
	switch {
	case r.Metrics.Reason == "":
		fmt.Fprintf(&b, "observed over the last %s, by %s\n", r.Metrics.Window, r.Metrics.Source)
	case t.wide:
		fmt.Fprintf(&b, "no observed share: %s\n", r.Metrics.Reason)
	}
	b.WriteString(left(r))
	for _, note := range r.Notes {
		fmt.Fprintln(&b, note)
	}
	if r.Release != nil {
		b.WriteString(releaseStatus{r.Release}.table(r.At))
	}
	return trimLines(b.String())
}

// open reports whether anything tells what is open on any version.
func (t statusTable) open() bool { return t.report.Metrics.Open != "" }

// left says what is open on versions that get no new requests.
func left(r *status.Report) string {
	var b strings.Builder
	for _, v := range r.Versions {
		if v.Open != nil && *v.Open > 0 && v.Weight != nil && *v.Weight == 0 && r.Found.Beside == (traffic.Beside{}) {
			fmt.Fprintf(&b, "%s, and end there; new requests go to %s\n", source.Open{Requests: *v.Open, Where: r.Metrics.Open}.On(v.Version), r.Found.Stable)
		}
	}
	return b.String()
}

func (t statusTable) row(v status.Version) []string {
	cells := []string{
		v.Version, v.Role, orDash(v.Image), fmt.Sprintf("%d/%d", v.Ready, v.Desired), fmt.Sprint(v.Restarts),
		percent(v.Weight), "-",
	}
	if v.Share != nil {
		cells[len(cells)-1] = fmt.Sprintf("%.1f%%", 100**v.Share)
	}
	if t.open() {
		open := "-"
		if v.Open != nil {
			open = fmt.Sprint(*v.Open)
		}
		cells = append(cells, open)
	}
	if t.wide {
		requests := "-"
		if v.Requests != nil {
			requests = fmt.Sprintf("%.0f", *v.Requests)
		}
		cells = append(cells, requests, orDash(v.Deployment))
	}
	// The bar comes last: there, colours do not disturb the columns.
	if t.bars {
		cells = append(cells, t.bar(v))
	}
	return cells
}

// bar draws a weight, in the colour of the role.
func (t statusTable) bar(v status.Version) string {
	if v.Weight == nil {
		return ""
	}
	const cells = 20
	filled := cellsOf(*v.Weight, cells)
	bar, rest := strings.Repeat("█", filled), strings.Repeat("·", cells-filled)
	if !t.color {
		return bar + rest
	}
	const green, yellow = 32, 33
	colour := green
	if v.Role == status.RoleCanary {
		colour = yellow
	}
	return fmt.Sprintf("\x1b[%dm%s\x1b[0m%s", colour, bar, rest)
}

// cellsOf is how much of a bar a share fills.
func cellsOf(share canary.Percent, cells int) int { return int(share.Fraction()*float64(cells) + 0.5) }

func percent(weight *canary.Percent) string {
	if weight == nil {
		return "-"
	}
	return fmt.Sprintf("%s%%", *weight)
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// trimLines takes away what the columns leave behind the last cells.
func trimLines(text string) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}
