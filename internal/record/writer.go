// Package record keeps what a release told of itself: a file with one event on
// each line, as JSON. It is written as things happen and read when they are over.
package record

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/canaryctl/canaryctl/internal/event"
	"github.com/canaryctl/canaryctl/internal/hint"
)

// Writer appends events to a file. Every event is one write, so that an end at
// any instant leaves at most the last line torn.
type Writer struct{ file *os.File }

// Create begins a record in a new file. It wraps fs.ErrExist where there is one
// already: a record is not overwritten.
func Create(path string) (*Writer, error) {
	file, err := open(path, os.O_EXCL)
	if errors.Is(err, fs.ErrExist) {
		err = hint.Wrap(err, "name a file that does not exist yet: what was recorded is not overwritten")
	}
	if err != nil {
		return nil, err
	}
	return &Writer{file}, nil
}

// Append goes on with a record, or begins one. A last line that is torn stays as
// it is, and the next event gets a line of its own.
func Append(path string) (*Writer, error) {
	file, err := open(path, 0)
	if err != nil {
		return nil, err
	}
	if err := endLine(file); err != nil {
		return nil, errors.Join(fmt.Errorf("record: go on with %s: %w", path, err), file.Close())
	}
	return &Writer{file}, nil
}

func open(path string, flags int) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND|flags, 0o644) //nolint:gosec // events hold no secret
	if err != nil {
		return nil, fmt.Errorf("record: %w", err)
	}
	return file, nil
}

// endLine ends the last line, if something cut it short. What is no plain file,
// as a pipe, has no end to look at.
func endLine(file *os.File) error {
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() == 0 {
		return err
	}
	last := make([]byte, 1)
	if _, err := file.ReadAt(last, info.Size()-1); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if last[0] == '\n' {
		return nil
	}
	_, err = file.Write([]byte{'\n'})
	return err
}

// Write appends an event. It is not for several goroutines at once.
func (w *Writer) Write(e event.Event) error {
	line, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("record %s of release %s: %w", e.Kind, e.Release.ID, err)
	}
	if _, err := w.file.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("record %s of release %s: %w", e.Kind, e.Release.ID, err)
	}
	return nil
}

// Close closes the file.
func (w *Writer) Close() error { return w.file.Close() }
