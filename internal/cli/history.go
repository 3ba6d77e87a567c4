package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/canaryctl/canaryctl/internal/status"
	"github.com/canaryctl/canaryctl/internal/steer"
)

type history struct {
	target
	f      *Factory
	output string
}

// NewCmdHistory shows the last releases of an application.
func NewCmdHistory(f *Factory) *cobra.Command {
	o := &history{f: f}
	cmd := &cobra.Command{
		Use:   "history",
		Short: "Show the last releases: who, what, when, and why they ended",
		Long: `Show the last releases of an application, newest first: who, what, when, and why
they ended. The route remembers up to 20. The one in progress comes first.

With -o json or yaml it is a list, empty where there was none, of:

  id, outcome               outcome is running, promoted or rolled-back
  from, to, image, by       the stable version, the canary, and who began it
  started, ended            ended is left out while it is running
  basis                     of a promotion: proved, passed on exposure, or by hand
  why                       why it ended; of a running one, why it is paused
  requests, errors          that the canary answered, as far as the evidence knew

A release that was promoted and taken back later is listed for each.`,
		Example: `  canaryctl history

  # With the whole reasons, and when exactly
  canaryctl history -o wide

  # How often was a release rolled back?
  canaryctl history -o json | jq '[.[] | select(.outcome == "rolled-back")] | length'`,
		Annotations: exits(),
		Args:        noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch o.output {
			case "", "wide", "json", "yaml":
				return o.run(cmd.Context())
			}
			return usagef("-o %s: history prints wide, json, yaml or a table", o.output)
		},
	}
	o.addFlags(cmd.Flags())
	cmd.Flags().StringVarP(&o.output, "output", "o", "", "output format: wide, json or yaml (default: a table)")
	return cmd
}

func (o *history) run(ctx context.Context) error {
	_, route, err := o.find(ctx, o.f, false)
	if err != nil {
		return err
	}
	var driver status.Driver
	if steer.Running(route) != nil {
		if driver, err = o.f.driver(ctx, route); err != nil {
			fmt.Fprintf(o.f.Err, "canaryctl: %v\n", err) // without its counts, it is still worth showing
		}
	}
	text, err := o.render(status.History(route, driver))
	if err != nil {
		return err
	}
	if text == "" {
		fmt.Fprintf(o.f.Err, "%s: no release yet\n", route.Name)
		return nil
	}
	_, err = fmt.Fprintln(o.f.Out, text)
	return err
}

func (o *history) render(all []status.Past) (string, error) {
	switch o.output {
	case "json":
		data, err := json.MarshalIndent(all, "", "  ")
		return string(data), err
	case "yaml":
		data, err := yaml.Marshal(all)
		return strings.TrimRight(string(data), "\n"), err
	}
	if len(all) == 0 {
		return "", nil
	}
	return historyTable(all, o.f.Clock.Now(), o.output == "wide"), nil
}

// historyTable is the releases for a person, to whom a line each is enough unless
// wide asks for all.
func historyTable(all []status.Past, now time.Time, wide bool) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	header := []string{"WHEN", "FROM", "TO", "IMAGE", "OUTCOME", "BASIS", "DURATION", "REQUESTS", "ERRORS", "BY"}
	if wide {
		header = append(header, "ID")
	}
	fmt.Fprintln(w, strings.Join(append(header, "WHY"), "\t"))
	for _, r := range all {
		end := now
		if r.Ended != nil {
			end = *r.Ended
		}
		when, why := r.Started.In(now.Location()).Format("2006-01-02 15:04"), inBrief(r.Why, 60)
		cells := []string{
			when, orDash(r.From), orDash(r.To), orDash(r.Image), r.Outcome, orDash(string(r.Basis)),
			end.Sub(r.Started).Round(time.Second).String(), fmt.Sprint(r.Requests), fmt.Sprint(r.Errors), orDash(r.By),
		}
		if wide {
			cells[0], why = r.Started.UTC().Format(time.RFC3339), strings.Join(strings.Fields(r.Why), " ")
			cells = append(cells, r.ID)
		}
		fmt.Fprintln(w, strings.Join(append(cells, why), "\t"))
	}
	_ = w.Flush() // to a strings.Builder, which does not fail
	return trimLines(b.String())
}

// inBrief is a text on one line, without what there is no room for, in characters.
func inBrief(text string, room int) string {
	text = strings.Join(strings.Fields(text), " ")
	if runes := []rune(text); len(runes) > room {
		text = strings.TrimRight(string(runes[:room-1]), " ") + "…"
	}
	return text
}
