package logs

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// Options are those of "kubectl logs" that concern one run of a container. The
// zero value reads all there is and stops.
type Options struct {
	Follow     bool
	Timestamps bool
	// Stream limits the log to "stdout" or "stderr"; empty means both.
	Stream string
	Since  time.Time
	// Tail is how many of the last lines to show; nil means all.
	Tail *int64
	// Limit is how many bytes to write at most; nil means no limit.
	Limit *int64
}

// Read writes the log of a run to w. With Follow it goes on until the run or
// ctx ends.
func (s *Store) Read(ctx context.Context, run Run, options Options, w io.Writer) error {
	r, err := s.openRun(run)
	if err != nil {
		return err
	}
	defer r.close()
	p := &printer{w: w, options: options, lineStart: true}
	if err := p.history(r); err != nil {
		return finish(err)
	}
	for options.Follow {
		changed, live := r.watch()
		if err := p.drain(r); err != nil {
			return finish(err)
		}
		if !live {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}

// errLimit ends a read that has written all it may.
var errLimit = errors.New("limit reached")

func finish(err error) error {
	if errors.Is(err, errLimit) {
		return nil
	}
	return err
}

// reader walks through the files of one run.
type reader struct {
	log  *Log // nil once the run has ended
	path string
	file *os.File
	buf  *bufio.Reader
	part []byte // a record whose end is not written yet
}

func newReader(log *Log, path string, file *os.File) *reader {
	return &reader{log: log, path: path, file: file, buf: bufio.NewReader(file)}
}

func (r *reader) close() { _ = r.file.Close() }

// watch is Log.watch, for a log that may have ended before.
func (r *reader) watch() (changed <-chan struct{}, live bool) {
	if r.log == nil {
		return nil, false
	}
	changed, closed := r.log.watch()
	return changed, !closed
}

// next returns the next record, or io.EOF when there is none yet.
func (r *reader) next() (record, error) {
	for {
		// Whether the file was renamed is asked before it is read: what is written
		// to it is then complete at the end that the read finds.
		stale := r.stale()
		line, err := r.buf.ReadBytes('\n')
		r.part = append(r.part, line...)
		switch {
		case err == nil:
			rec, ok := parse(r.part)
			r.part = r.part[:0]
			if ok {
				return rec, nil
			}
		case !errors.Is(err, io.EOF):
			return record{}, fmt.Errorf("read log: %w", err)
		case !stale:
			return record{}, io.EOF
		default:
			if err := r.reopen(); err != nil {
				return record{}, err
			}
		}
	}
}

func (r *reader) stale() bool {
	mine, err := r.file.Stat()
	if err != nil {
		return false
	}
	current, err := os.Stat(r.path)
	return err == nil && !os.SameFile(mine, current)
}

func (r *reader) reopen() error {
	file, err := os.Open(r.path)
	if err != nil {
		return fmt.Errorf("read log: %w", err)
	}
	r.close()
	r.file, r.part = file, nil
	r.buf.Reset(file)
	return nil
}

// record is one line of a log file.
type record struct {
	at      time.Time
	stream  string
	partial bool
	text    []byte
}

// parse reads "TIME STREAM TAG TEXT\n"; a line in another form is passed over.
func parse(line []byte) (record, bool) {
	parts := bytes.SplitN(bytes.TrimSuffix(line, []byte{'\n'}), []byte{' '}, 4)
	if len(parts) != 4 || len(parts[2]) == 0 {
		return record{}, false
	}
	at, err := time.Parse(time.RFC3339Nano, string(parts[0]))
	if err != nil {
		return record{}, false
	}
	return record{
		at:      at,
		stream:  string(parts[1]),
		partial: parts[2][0] == tagPartial,
		text:    bytes.Clone(parts[3]),
	}, true
}
