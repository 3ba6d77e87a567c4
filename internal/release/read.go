package release

import (
	"context"
	"strings"
	"time"

	"github.com/canaryctl/canaryctl/internal/analysis"
	"github.com/canaryctl/canaryctl/internal/event"
	"github.com/canaryctl/canaryctl/internal/metrics"
)

// open begins the evidence, with what the engine before left, if it was of the same
// release, method and templates.
func (e *Engine) open() error {
	now, r := e.c.Clock.Now(), e.now()
	e.from, e.to = e.place.Stable, e.place.Canary
	e.judged = r.Templates
	versions := analysis.Versions{Stable: e.from, Canary: e.to}
	since := r.Started
	if r.Judged.After(since) {
		since = r.Judged
	}
	if state, ok := e.left(); ok {
		left, err := restored(e.c.Analysis, versions, state, now)
		if err == nil {
			e.evidence = left
			e.evidence.since = since // nothing may have been counted by then
			e.expect()
			return nil
		}
		e.warn("what the engine before knew cannot be read; it is read again from the metrics: " + err.Error())
	}
	var err error
	if e.evidence, err = newEvidence(e.c.Analysis, versions, since, now); err != nil {
		return err
	}
	e.evidence.since = since
	e.expect()
	return nil
}

// saved is the evidence as the lease carries it: of which release, of what, and
// the state.
func (e *Engine) saved() Saved {
	s := Saved{Known: e.evidence.latest(), Waits: e.waits}
	if state, err := e.evidence.analysis.State(); err == nil {
		s.Evidence = strings.Join([]string{e.now().ID, e.judged, state}, "\n")
	}
	return s
}

// left is the state that was saved, where it is of what is judged now.
func (e *Engine) left() (state string, ok bool) {
	parts := strings.SplitN(e.c.Saved, "\n", 3)
	r := e.now()
	if len(parts) < 3 || parts[0] != r.ID {
		return "", false
	}
	if r.Templates == "" {
		e.judged = parts[1] // a person resumed it: what was judged is known from here alone
	}
	return parts[2], r.Templates == "" || subjects(parts[1]) == subjects(r.Templates)
}

// judgeAnew begins other evidence, from a time on.
func (e *Engine) judgeAnew(ctx context.Context, since time.Time) error {
	fresh, err := newEvidence(e.c.Analysis, e.evidence.versions, since, e.c.Clock.Now())
	if err != nil {
		return err
	}
	fresh.since = since
	e.stopReading()
	e.evidence = fresh
	e.expect()
	e.warn("the Pod template changed: the evidence starts from zero")
	e.read(ctx)
	return nil
}

// read asks the source for counts, beside the loop, for as long as the evidence is
// the present one.
func (e *Engine) read(ctx context.Context) {
	ctx, e.stopReading = context.WithCancel(ctx)
	into := e.evidence
	since := into.since
	if end := into.analysis.End(); end.After(since) {
		since = end
	}
	e.beside(func() {
		stream, err := e.c.Source(since)
		if err != nil {
			e.tell(ctx, func() { e.hear(into, nil, err, "") })
			return // it will never be there: the policy for no data decides
		}
		pace := metrics.NewPace(stream, e.c.Every)
		for ctx.Err() == nil {
			got, err := stream.Next(ctx)
			if ctx.Err() != nil {
				return
			}
			name := stream.Name()
			e.tell(ctx, func() { e.hear(into, got, err, name) })
			select {
			case <-ctx.Done():
			case <-e.c.Clock.After(pace.Next(e.c.Clock.Now(), got, err)):
			}
		}
	})
}

// hear takes a reading into the evidence, and tells what is known then.
func (e *Engine) hear(into *evidence, got []metrics.Interval, failure error, source string) {
	if into != e.evidence {
		return
	}
	now := e.c.Clock.Now()
	into.source = source
	if failure != nil {
		into.miss(failure)
		e.warnOnce("no counts", failure)
	} else if err := into.hear(now, got); err != nil {
		e.warnOnce("some counts were ignored", err)
		return
	}
	known, err := into.words(e.c.Clock.Now, got)
	if known == nil || err != nil {
		return
	}
	if len(got) > 0 {
		said := e.event(known.Why)
		said.Kind, said.Known = event.Evidence, known
		e.c.Tell(said)
	}
}
