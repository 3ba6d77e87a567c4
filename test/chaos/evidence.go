package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/canaryctl/canaryctl/internal/canary"
	"github.com/canaryctl/canaryctl/internal/event"
	"github.com/canaryctl/canaryctl/internal/probe"
	"github.com/canaryctl/canaryctl/test/labtest"
)

// evidence is all that is known of a run when it is over.
type evidence struct {
	script    script
	routes    []labtest.Sight // every version of the route, in order
	ready     []ready
	unread    []error // versions of the route that nobody can read
	writes    []write
	processes []*process
	events    []event.Event // the record
	torn      int           // lines of it that are not whole
	load      probe.Result
	calm      time.Time // when all faults were over; zero where they were not
	removed   bool      // a fault took Pods away
	forgotten bool      // a fault made the route forget the release
}

func (s *scene) evidence(load probe.Result) (evidence, error) {
	e := evidence{script: s.script, writes: s.ledger.all(), processes: s.all(), load: load}
	e.routes, e.ready, e.unread = s.witness.seen()
	s.mu.Lock()
	e.removed, e.forgotten, e.calm = s.removed, s.forgotten, s.calm
	s.mu.Unlock()
	var err error
	e.events, e.torn, err = readRecord(s.record())
	return e, err
}

// readRecord reads what the engines told, one event on each line.
func readRecord(path string) (events []event.Event, torn int, err error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e event.Event
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			torn++
			continue
		}
		events = append(events, e)
	}
	if err := lines.Err(); err != nil {
		return nil, 0, fmt.Errorf("read %s: %w", path, err)
	}
	return events, torn, nil
}

func (e evidence) last() labtest.Sight { return e.routes[len(e.routes)-1] }

// outcomeOf is how the latest release ended, by a version of the route; empty where
// it did not. Once the canary is gone, the history alone tells.
func outcomeOf(at labtest.Sight) canary.Phase {
	r := at.Release()
	switch {
	case r.Phase.Over():
		return r.Phase
	case r.ID == "" && len(at.History) > 0:
		return at.History[0].Outcome
	}
	return ""
}

// endOf is when the release ended that outcomeOf tells of, as the engine wrote it
// down; zero where it did not.
func endOf(at labtest.Sight) time.Time {
	r := at.Release()
	switch {
	case r.Phase.Over():
		return r.Since
	case r.ID == "" && len(at.History) > 0:
		return at.History[0].Ended
	}
	return time.Time{}
}

// phase is where the release ended; empty where it did not.
func (e evidence) phase() canary.Phase {
	at := e.last()
	switch outcome := outcomeOf(at); {
	case outcome != "" || !e.forgotten:
		return outcome
	case at.Weight("v2") == 0:
		return canary.RolledBack
	case at.Weight("v2") == canary.Total:
		return canary.Promoted
	}
	return ""
}

// writer is who wrote a version of the route, where that was a canaryctl.
func (e evidence) writer(version string) *process {
	for _, w := range e.writes {
		if w.version == version {
			return e.processes[w.by-1]
		}
	}
	return nil
}

// drives reports whether a version of the route is what only an engine writes: the
// next step, or the promotion. What persons ask for is beside that.
func (e evidence) drives(i int) bool {
	if i == 0 {
		return false
	}
	was, is := e.routes[i-1].Release(), e.routes[i].Release()
	forward := is.Phase == canary.Promoting || is.Phase == canary.Promoted
	return was.ID == is.ID && (is.Step > was.Step || forward && was.Phase != is.Phase)
}

// hadReady reports whether a version had a ready Pod at some moment around another:
// the two watches do not tell of the same moment at the same time.
func (e evidence) hadReady(version string, around time.Time) bool {
	const grace = time.Second
	had := false
	for i, r := range e.ready {
		ended := i+1 < len(e.ready) && e.ready[i+1].at.Before(around.Add(-grace))
		if !ended && r.at.Before(around.Add(grace)) {
			had = had || r.pods[version] > 0
		}
	}
	return had
}
