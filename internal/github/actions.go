// Package github tells a job of GitHub Actions how a release went: a summary to
// look at, outputs for the steps that follow, annotations for the list of runs.
package github

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/canaryctl/canaryctl/internal/event"
	"github.com/canaryctl/canaryctl/internal/record"
	"github.com/canaryctl/canaryctl/internal/report"
)

// mostSummary is how many bytes GitHub takes of one step's summary:
// https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands#step-isolation-and-limits
const mostSummary = 1 << 20

// Actions is where a step of a job tells things.
type Actions struct {
	// Summary and Output are the files that GITHUB_STEP_SUMMARY and GITHUB_OUTPUT
	// name; empty for none.
	Summary, Output string
	// Commands is the step's standard output, in which a line may be a command.
	Commands io.Writer
	// Random makes the delimiter of the outputs; nil for the system's.
	Random io.Reader
}

// FromEnv reads the environment of a step. It is false outside of GitHub Actions.
func FromEnv(getenv func(string) string, commands io.Writer) (Actions, bool) {
	a := Actions{Summary: getenv("GITHUB_STEP_SUMMARY"), Output: getenv("GITHUB_OUTPUT"), Commands: commands}
	return a, getenv("GITHUB_ACTIONS") == "true"
}

// Publish writes the page and the picture of a release into dir, which is made
// where there is none, adds to the job's summary, and sets the outputs: outcome,
// basis, weight, step, steps, release, requests, failed, report and picture. The
// last two are paths to keep as an artifact: a summary shows no picture of its own.
func (a Actions) Publish(r record.Release, dir string) error {
	page, picture := filepath.Join(dir, report.FileName(r, "html")), filepath.Join(dir, report.FileName(r, "svg"))
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // for the steps that follow
		return fmt.Errorf("publish release %s: %w", r.ID, err)
	}
	err := errors.Join(
		writeFile(page, r, report.HTML),
		writeFile(picture, r, report.SVG),
		a.summarize(r),
		a.output(r, page, picture),
	)
	if err != nil {
		return fmt.Errorf("publish release %s: %w", r.ID, err)
	}
	return nil
}

func writeFile(path string, r record.Release, write func(io.Writer, record.Release) error) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(write(file, r), file.Close())
}

// summarize adds the release to the summary, or where there is no room for it
// only how it ended.
func (a Actions) summarize(r record.Release) error {
	if a.Summary == "" {
		return nil
	}
	var b strings.Builder
	if err := report.Markdown(&b, r); err != nil {
		return err
	}
	var already int64
	if info, err := os.Stat(a.Summary); err == nil {
		already = info.Size()
	}
	text := "\n" + b.String()
	if already+int64(len(text)) > mostSummary {
		text = "\n" + report.Escape(report.Sentence(r)) + "\n"
	}
	if already+int64(len(text)) > mostSummary {
		return fmt.Errorf("the summary %s has no room left: GitHub takes %d bytes", a.Summary, mostSummary)
	}
	return add(a.Summary, text)
}

// output sets the outputs of the step.
func (a Actions) output(r record.Release, page, picture string) error {
	if a.Output == "" {
		return nil
	}
	last := r.Course()[len(r.Course())-1].At
	var b strings.Builder
	for _, o := range [][2]string{
		{"outcome", string(r.Outcome)},
		{"basis", string(r.Basis)},
		{"weight", last.Weight.String()},
		{"step", strconv.Itoa(last.Step + 1)},
		{"steps", strconv.Itoa(last.Steps)},
		{"release", r.ID},
		{"requests", strconv.FormatUint(r.Hurt.Requests, 10)},
		{"failed", strconv.FormatUint(r.Hurt.Bad, 10)},
		{"report", page},
		{"picture", picture},
	} {
		delimiter, err := a.delimiter()
		if err != nil {
			return err
		}
		if strings.Contains(o[1], delimiter) {
			return fmt.Errorf("output %s: its value holds its own delimiter", o[0])
		}
		fmt.Fprintf(&b, "%s<<%s\n%s\n%[2]s\n", o[0], delimiter, o[1])
	}
	return add(a.Output, b.String())
}

// delimiter ends a value. It cannot be guessed, so that no value ends itself and
// sets another output.
func (a Actions) delimiter() (string, error) {
	source := a.Random
	if source == nil {
		source = rand.Reader
	}
	secret := make([]byte, 16)
	if _, err := io.ReadFull(source, secret); err != nil {
		return "", fmt.Errorf("make a delimiter: %w", err)
	}
	return "canaryctl_" + hex.EncodeToString(secret), nil
}

func add(path, text string) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644) //nolint:gosec // the runner reads it
	if err != nil {
		return err
	}
	_, err = io.WriteString(file, text)
	return errors.Join(err, file.Close())
}

// Annotate shows an event in the list of annotations, where it is one that a
// person should see: GitHub shows ten of each level.
func (a Actions) Annotate(e event.Event) error {
	level := ""
	switch e.Kind {
	case event.RolledBack:
		level = "error"
	case event.Paused, event.Foreign, event.Warning:
		level = "warning"
	case event.Promoted:
		level = "notice"
	}
	if level == "" {
		return nil
	}
	title := fmt.Sprintf("%s %s: %s", e.Release.App, e.Release.To, e.Kind)
	if _, err := fmt.Fprintf(a.Commands, "::%s title=%s::%s\n", level, property(title), data(e.Message)); err != nil {
		return fmt.Errorf("annotate: %w", err)
	}
	return nil
}

// data and property escape as the runner's toolkit does:
// https://github.com/actions/toolkit/blob/main/packages/core/src/command.ts
func data(text string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(text)
}

func property(text string) string {
	return strings.NewReplacer(":", "%3A", ",", "%2C").Replace(data(text))
}
