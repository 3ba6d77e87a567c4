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
	last     event.Event
	said     string // of the progress
	failed   bool   // to write the record
}

// drained bounds the wait for hooks that have not answered when the release ends.
const drained = 15 * time.Second

func (d *runner) tellers() (*tellers, error) {
	t := &tellers{d: d, view: newReleaseView(d.f)}
	var err error
	if d.github && d.record == "" {
		d.record = filepath.Join(publishedIn, "record.jsonl")
		if err := os.MkdirAll(publishedIn, 0o755); err != nil { //nolint:gosec // for the steps that follow
			return nil, fmt.Errorf("record: %w", err)
		}
	}
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
	t.notifier.Close(ctx)
	if t.record == nil {
		return
	}
	_ = t.record.Close()
	if t.d.github && t.last.Release.ID != "" {
		if err := t.publish(); err != nil {
			t.view.note(fmt.Sprintf("the job's summary: %v", err))
		}
	}
}

// publishedIn is the folder for the files of a job's summary.
const publishedIn = "release-report"

// publish tells a job of GitHub Actions how the release went.
func (t *tellers) publish() error {
	actions, ok := github.FromEnv(os.Getenv, t.d.f.Out)
	if !ok {
		return errors.New("this is no job of GitHub Actions, so --github has nobody to tell")
	}
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
	return actions.Publish(mine, publishedIn)
}
