package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/record"
	reports "github.com/canaryctl/canaryctl/internal/report" // report prints an error here
)

type reportOptions struct {
	*Factory
	release string
	format  string
	file    string
}

// reportFormats are the formats, and the ends of a file's name that stand for them.
func reportFormats() [][2]string {
	return [][2]string{{"html", ".html .htm"}, {"svg", ".svg"}, {"markdown", ".md .markdown"}, {"json", ".json"}}
}

// NewCmdReport shows a release that was recorded.
func NewCmdReport(f *Factory) *cobra.Command {
	o := &reportOptions{Factory: f}
	cmd := &cobra.Command{
		Use:   "report RECORD...",
		Short: "Show a recorded release: what happened, what was known, and what decided",
		Long: `report makes a page of a release from its record, which canaryctl release
--record writes: the weights, the ratio of errors with its band, the evidence, the
latency and the requests hurt over time, the steps and events, and what decided
with which guarantee. The page stands alone: it has no script and loads nothing.

Several records are read as one, as of a release that was resumed elsewhere. "-"
reads standard input. Where they hold several releases, --release names one; else it
is the last.

A page or a picture goes to the file that -o names, whose end also says the
format. Without -o it goes to standard output, and where that is a terminal to a
file named after the release. It needs no cluster.`,
		Example: `  # A page, in shop-7f3a.html
  canaryctl report release.jsonl

  # To where it belongs
  canaryctl report release.jsonl -o public/release.html

  # A release that went on elsewhere
  canaryctl report laptop.jsonl ci.jsonl -o release.html

  # For a merge request, and for a script
  canaryctl report release.jsonl --format markdown
  canaryctl report release.jsonl --format json | jq .hurt`,
		Annotations: exits(),
		Args:        cobra.ArbitraryArgs,
		RunE: func(_ *cobra.Command, args []string) error {
			if err := o.complete(args); err != nil {
				return err
			}
			return o.run(args)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.release, "release", "", "ID of the release (default: the last of the record)")
	flags.StringVar(&o.format, "format", "", "html, svg, markdown or json (default: by the end of -o, else html)")
	flags.StringVarP(&o.file, "output", "o", "", "file to write to")
	return cmd
}

// complete finds the format.
func (o *reportOptions) complete(records []string) error {
	if len(records) == 0 {
		return hint.Wrap(usagef("report takes the record of a release, and was given none"), "canaryctl release --record FILE writes one")
	}
	var names []string
	for _, f := range reportFormats() {
		names = append(names, f[0])
		if o.file == f[0] {
			return usagef("-o %s: it names a file; --format %[1]s says the format", o.file)
		}
		if end := filepath.Ext(o.file); o.format == "" && end != "" && slices.Contains(strings.Fields(f[1]), end) {
			o.format = f[0]
		}
	}
	if o.format == "" {
		o.format = names[0]
	}
	if !slices.Contains(names, o.format) {
		return usagef("--format %s: report writes %s", o.format, strings.Join(names, ", "))
	}
	return o.spare(records)
}

// spare refuses to write over a record.
func (o *reportOptions) spare(records []string) error {
	for _, name := range records {
		if same(name, o.file) {
			return usagef("-o %s is the record itself, which would be lost", o.file)
		}
	}
	return nil
}

// same reports whether two paths lead to one file.
func same(one, other string) bool {
	a, errA := os.Stat(one)
	b, errB := os.Stat(other)
	return errA == nil && errB == nil && os.SameFile(a, b)
}

func (o *reportOptions) run(names []string) error {
	r, err := o.find(names)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := o.write(&b, r); err != nil {
		return err
	}
	picture := o.format == "html" || o.format == "svg"
	if o.file == "" && picture && isTerminal(o.Out) {
		o.file = reports.FileName(r, o.format)
	}
	if o.file == "" || o.file == "-" {
		_, err := o.Out.Write(b.Bytes())
		return err
	}
	if err := os.WriteFile(o.file, b.Bytes(), 0o644); err != nil { //nolint:gosec // a report is to be seen
		return fmt.Errorf("write the report: %w", err)
	}
	fmt.Fprintf(o.Err, "report of release %q: %s\n", r.ID, o.file)
	return nil
}

func (o *reportOptions) write(w io.Writer, r record.Release) error {
	switch o.format {
	case "svg":
		return reports.SVG(w, r)
	case "markdown":
		return reports.Markdown(w, r)
	case "json":
		return printData(w, "json", r)
	}
	return reports.HTML(w, r)
}

// find reads the records and picks the release.
func (o *reportOptions) find(names []string) (record.Release, error) {
	var all []record.Record
	for _, name := range names {
		r, err := readRecord(o.In, name)
		if err != nil {
			return record.Release{}, err
		}
		all = append(all, r)
	}
	joined := record.Join(all...)
	if joined.Torn > 0 {
		fmt.Fprintf(o.Err, "%d torn lines are left out: an engine ended while it wrote them\n", joined.Torn)
	}
	var ids []string
	for _, r := range joined.Releases {
		ids = append(ids, strconv.Quote(r.ID))
	}
	r, ok := joined.Find(o.release)
	switch {
	case len(ids) == 0:
		return r, hint.Wrap(errors.New("report: the record has no event"), "canaryctl release --record FILE writes one")
	case !ok:
		return r, hint.Wrap(fmt.Errorf("report: the record has no release %q", o.release), "it has %s", strings.Join(ids, ", "))
	case o.release == "" && len(ids) > 1:
		fmt.Fprintf(o.Err, "the record has %d releases, and this is the last; --release names another of %s\n", len(ids), strings.Join(ids, ", "))
	}
	return r, nil
}

func readRecord(stdin io.Reader, name string) (record.Record, error) {
	in := stdin
	if name == "-" {
		name = "standard input"
	} else {
		file, err := os.Open(name)
		if err != nil {
			return record.Record{}, fmt.Errorf("read the record: %w", err)
		}
		defer file.Close()
		in = file
	}
	r, err := record.Read(in)
	if err != nil {
		return r, fmt.Errorf("read the record %s: %w", name, err)
	}
	return r, nil
}
