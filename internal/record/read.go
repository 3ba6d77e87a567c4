package record

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/canaryctl/canaryctl/internal/event"
)

// ErrFile is wrapped by every error about what a record says.
var ErrFile = errors.New("wrong record")

// maxLine is the longest line of a record: an event is below a thousandth of it.
const maxLine = 1 << 20

// head is how every line begins. Within JSON it stands nowhere else, since a
// quote in a string is escaped; so what follows a torn line can be told from it.
var head = []byte(`{"time":`)

// Record is what one file, or several, tell of releases.
type Record struct {
	// Releases are in the order in which they began.
	Releases []Release
	// Torn counts the lines that an engine was writing when it ended. What they
	// would have said is lost.
	Torn int
}

// Read reads a record. It may hold several releases, and events of engines that
// followed each other; what is there twice counts once. A torn line is left out;
// any other mistake is an error that names the line and wraps ErrFile.
func Read(r io.Reader) (Record, error) {
	scanner := bufio.NewScanner(r)
	scanner.Buffer(nil, maxLine)
	var events []event.Event
	torn, number := 0, 1
	for ; scanner.Scan(); number++ {
		more, left, err := parse(scanner.Bytes())
		if err != nil {
			return Record{}, fmt.Errorf("line %d: %w", number, err)
		}
		events, torn = append(events, more...), torn+left
	}
	if errors.Is(scanner.Err(), bufio.ErrTooLong) {
		return Record{}, fmt.Errorf("line %d: %w: it is longer than %d bytes", number, ErrFile, maxLine)
	}
	if err := scanner.Err(); err != nil {
		return Record{}, fmt.Errorf("line %d: %w", number, err)
	}
	return group(events, torn), nil
}

// Join makes one record of several, as of engines on several machines.
func Join(records ...Record) Record {
	var events []event.Event
	torn := 0
	for _, r := range records {
		torn += r.Torn
		for _, release := range r.Releases {
			events = append(events, release.Events...)
		}
	}
	return group(events, torn)
}

// Find returns the release of that ID, or the last one for "".
func (r Record) Find(id string) (Release, bool) {
	for _, release := range slices.Backward(r.Releases) {
		if id == "" || release.ID == id {
			return release, true
		}
	}
	return Release{}, false
}

// parse returns the events of a line: one, or none and a torn one, or both
// where a file that ends torn was put before another.
func parse(line []byte) (events []event.Event, torn int, err error) {
	line = bytes.TrimSpace(bytes.TrimPrefix(line, []byte("\ufeff")))
	for len(line) > 0 {
		end := len(line)
		if next := bytes.Index(line[1:], head); next >= 0 {
			end = next + 1
		}
		e, err := decode(line[:end])
		switch {
		case errors.Is(err, io.ErrUnexpectedEOF):
			torn++
		case err != nil:
			return nil, 0, fmt.Errorf("%w: %w", ErrFile, err)
		default:
			events = append(events, e)
		}
		line = line[end:]
	}
	return events, torn, nil
}

// decode fails with io.ErrUnexpectedEOF where an event stops short. Fields that a
// later canaryctl may add are no mistake.
func decode(text []byte) (event.Event, error) {
	var e event.Event
	decoder := json.NewDecoder(bytes.NewReader(text))
	if err := decoder.Decode(&e); err != nil {
		return e, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return e, errors.New("something follows the event")
	}
	switch {
	case e.Time.IsZero():
		return e, errors.New("the event has no time")
	case e.Kind == "":
		return e, errors.New("the event has no kind")
	case e.Release.ID == "":
		return e, errors.New("the event is of no release: release.id is empty")
	case e.At.Weight < 0 || e.At.Weight > 100:
		return e, fmt.Errorf("at.weight: %s is not from 0 to 100", e.At.Weight)
	}
	return e, nil
}

// group sorts events into releases, by time.
func group(events []event.Event, torn int) Record {
	slices.SortStableFunc(events, func(a, b event.Event) int { return a.Time.Compare(b.Time) })
	var ids []string
	of := map[string][]event.Event{}
	seen := map[string]bool{}
	for _, e := range events {
		e.Time = e.Time.In(time.UTC)
		text, err := json.Marshal(e)
		if err == nil && seen[string(text)] {
			continue
		}
		seen[string(text)] = true
		if of[e.Release.ID] == nil {
			ids = append(ids, e.Release.ID)
		}
		of[e.Release.ID] = append(of[e.Release.ID], e)
	}
	r := Record{Torn: torn}
	for _, id := range ids {
		r.Releases = append(r.Releases, newRelease(of[id]))
	}
	return r
}
