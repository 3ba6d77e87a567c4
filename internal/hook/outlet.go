package hook

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/canaryctl/canaryctl/internal/event"
)

// outlet is one target of notifications.
type outlet struct {
	Config
	name  string
	spec  Notification
	kinds map[event.Kind]bool
	queue *queue
	// told says that a failure was told, and nothing was delivered since; failed
	// counts the events that were tried in vain.
	told   bool
	failed int
}

func newOutlet(name string, spec Notification, c Config) *outlet {
	o := &outlet{Config: c, name: name, spec: spec, kinds: map[event.Kind]bool{}, queue: newQueue(mostQueued)}
	kinds := spec.On
	if len(kinds) == 0 {
		for _, kind := range event.Kinds() {
			if !expendable(kind) {
				kinds = append(kinds, kind)
			}
		}
	}
	for _, kind := range kinds {
		o.kinds[kind] = true
	}
	return o
}

// run delivers events in their order until the queue is closed and empty, or the
// context ends.
func (o *outlet) run(ctx context.Context) {
	for {
		e, ok := o.queue.take(ctx)
		if !ok {
			return
		}
		err := o.deliver(ctx, e)
		if err == nil {
			o.told = false
			continue
		}
		o.failed++
		if !o.told && ctx.Err() == nil {
			o.told = true
			o.Warn(fmt.Sprintf("%s: the event %s was not delivered: %v; further failures are not reported until it recovers", o.name, e.Kind, err))
		}
	}
}

// missed is an error that counts what was not delivered, or nil. It is for the
// time after run.
func (o *outlet) missed() error {
	dropped, left := o.queue.lost()
	if o.failed+dropped+left == 0 {
		return nil
	}
	return fmt.Errorf("%s: %d events were not delivered: %d failed, %d gave way in a full queue, %d were left at the end",
		o.name, o.failed+dropped+left, o.failed, dropped, left)
}

func (o *outlet) deliver(ctx context.Context, e event.Event) error {
	text, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("write it as JSON: %w", err)
	}
	switch {
	case o.spec.Command != nil:
		return o.tell(ctx, text, e)
	case o.spec.Slack != nil:
		body, err := json.Marshal(slackMessage(e))
		if err != nil {
			return fmt.Errorf("write it as JSON: %w", err)
		}
		return o.post(ctx, *o.spec.Slack, message{identify("event", text, e.Time), "application/json", body})
	}
	id := identify("event", text, e.Time)
	body, err := json.Marshal(newCloudEvent(id, e))
	if err != nil {
		return fmt.Errorf("write it as JSON: %w", err)
	}
	return o.post(ctx, *o.spec.Webhook, message{id, cloudEventType, body})
}

func (o *outlet) post(ctx context.Context, hook Webhook, m message) error {
	a, err := post{
		Config: o.Config, hook: hook, message: m, wait: o.wait,
		final: func(answer) bool { return false },
	}.send(ctx)
	if err == nil && (a.status < 200 || a.status > 299) {
		err = fmt.Errorf("%s", a)
	}
	return err
}

func (o *outlet) tell(ctx context.Context, text []byte, e event.Event) error {
	status, last, err := o.Config.run(ctx, *o.spec.Command, text, environment(e))
	if err == nil && status != 0 {
		err = fmt.Errorf("%s ended with status %d: %s", o.spec.Command.name(), status, said(last, "it said nothing"))
	}
	return err
}

// wait waits before another attempt. Once the queue is closed nothing is worth
// that while other events stand behind this one.
func (o *outlet) wait(ctx context.Context, d time.Duration) bool {
	timer := o.Clock.NewTimer(d)
	defer timer.Stop()
	closing := o.queue.closing
	for !o.queue.pressed() {
		select {
		case <-timer.C():
			return true
		case <-ctx.Done():
			return false
		case <-closing:
			closing = nil
		}
	}
	return false
}
