package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/canaryctl/canaryctl/internal/event"
	"github.com/canaryctl/canaryctl/internal/github"
	"github.com/canaryctl/canaryctl/internal/hook"
	"github.com/canaryctl/canaryctl/internal/record"
	"github.com/canaryctl/canaryctl/internal/workload"
)

// tellers is everybody who hears of a release's events: the person, a record,
// hooks, a pipeline. They hear one event at a time.
type tellers struct {
	d        *runner
	view     *releaseView
	record   *record.Writer
	notifier *hook.Notifier
	actions  *github.Actions // nil without --github
	last     event.Event
	said     string // of the progress
	failed   bool   // to write the record
}

// drained bounds the wait for hooks that have not answered when the release ends.
const drained = 15 * time.Second

func (d *runner) tellers() (*tellers, error) {
	t := &tellers{d: d, view: newReleaseView(d.f)}
	if d.github {
		if err := t.openJob(); err != nil {
			return nil, err
		}
	}
	var err error
	if d.record != "" {
		if t.record, err = record.Append(d.record); err != nil {
			return nil, err
		}
	}
	t.notifier, err = hook.NewNotifier(d.document.Notify(), d.hooks(t))
	return t, err
}

// hooks is how they are called.
func (d *runner) hooks(t *tellers) hook.Config {
	return hook.Config{Clock: d.f.Clock, Warn: func(text string) { t.view.note(text) }}
}

func (t *tellers) tell(e event.Event) {
	if t.record != nil && !t.failed {
		if err := t.record.Write(e); err != nil {
			unsayable := new(json.UnsupportedValueError)
			t.failed = !errors.As(err, &unsayable) // a full disk is no reason to hold a release up, and said once
			t.view.note(fmt.Sprintf("the record is not complete: %v", err))
		}
	}
	if t.actions != nil {
		if err := t.actions.Annotate(e); err != nil {
			t.view.note(err.Error())
		}
	}
	t.notifier.Notify(e)
	t.last = e
	if t.d.events {
		line, err := json.Marshal(e)
		if err == nil {
			_, err = fmt.Fprintf(t.d.f.Out, "%s\n", line)
		}
		if err != nil && !t.view.broken {
			t.view.broken = true
			t.view.note(fmt.Sprintf("nobody reads the events: %v", err))
		}
		return
	}
	t.view.show(e)
}

// after tells what came after the engine's last event.
func (t *tellers) after(kind event.Kind, message string) {
	e := t.last
	e.Time, e.Kind, e.Message, e.Known = t.d.f.Clock.Now().UTC(), kind, message, nil
	t.tell(e)
}

// progress says how far the canary's Pods are.
func (t *tellers) progress(p workload.Progress) {
	if text := p.String(); text != t.said {
		t.said = text
		t.view.note(text)
	}
}

func (t *tellers) close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, drained)
	defer cancel()
	if err := t.notifier.Close(ctx); err != nil {
		t.view.note(err.Error())
	}
	if t.record == nil {
		return
	}
	if err := t.record.Close(); err != nil {
		t.view.note(fmt.Sprintf("the record is not complete: %v", err))
	}
	if t.actions != nil && t.last.Release.ID != "" {
		if err := t.publish(); err != nil {
			t.view.note(fmt.Sprintf("the job's summary: %v", err))
		}
	}
}

// publishedIn is the folder for the files of a job's summary.
const publishedIn = "release-report"

// openJob makes ready to tell a job of GitHub Actions. Its annotations go where no
// events do: the runner reads both streams.
func (t *tellers) openJob() error {
	d := t.d
	commands := d.f.Out
	if d.events {
		commands = d.f.Err
	}
	actions, _ := github.FromEnv(os.Getenv, commands) // it is one: see complete
	t.actions = &actions
	if d.record != "" {
		return nil
	}
	d.record = filepath.Join(publishedIn, "record.jsonl")
	if err := os.MkdirAll(publishedIn, 0o755); err != nil { //nolint:gosec // for the steps that follow
		return fmt.Errorf("record: %w", err)
	}
	return nil
}

// publish tells the job how the release went.
func (t *tellers) publish() error {
	file, err := os.Open(t.d.record)
	if err != nil {
		return err
	}
	defer file.Close()
	all, err := record.Read(file)
	if err != nil {
		return err
	}
	mine, ok := all.Find(t.last.Release.ID)
	if !ok {
		return fmt.Errorf("%s has nothing of release %s", t.d.record, t.last.Release.ID)
	}
	return t.actions.Publish(mine, publishedIn)
}
