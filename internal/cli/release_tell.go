package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/canaryctl/canaryctl/internal/event"
	"github.com/canaryctl/canaryctl/internal/hook"
	"github.com/canaryctl/canaryctl/internal/record"
	"github.com/canaryctl/canaryctl/internal/release"
)

// tellers is everybody who hears of a release's events: the person, a record,
// hooks, a pipeline. They hear one event at a time.
type tellers struct {
	d        *runner
	view     *releaseView
	record   *record.Writer
	notifier *hook.Notifier
	heard    []event.Event // for the pipeline's summary, without most evidence
	failed   bool          // to write the record
}

// drained bounds the wait for hooks that have not answered when the release ends.
const drained = 15 * time.Second

func (d *runner) tellers() (*tellers, error) {
	t := &tellers{d: d, view: newReleaseView(d.f)}
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
			t.failed = true // once: a full disk is no reason to hold a release up
			t.view.note(fmt.Sprintf("the record is cut short: %v", err))
		}
	}
	t.notifier.Notify(e)
	t.keep(e)
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

// keep remembers what a summary is made of. Of the evidence between two other
// events the last is enough, and a share that a chart can show.
func (t *tellers) keep(e event.Event) {
	if t.d.github {
		t.heard = append(t.heard, e)
	}
}

// ended is told how the engine did.
func (t *tellers) ended(r release.Result) {
	t.view.leave()
	if t.d.github {
		t.d.summarize(t.heard, r)
	}
}

func (t *tellers) close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, drained)
	defer cancel()
	t.notifier.Close(ctx)
	if t.record != nil {
		_ = t.record.Close()
	}
}
