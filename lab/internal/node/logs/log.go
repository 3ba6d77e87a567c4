package logs

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"sync"

	"k8s.io/utils/clock"
)

// maxLine is how much of a line is held back for its end, in bytes; a longer
// one is written in parts. It is containerd's and CRI-O's figure.
const maxLine = 16 << 10

// Tags of a record: the end of a line, or a part of one.
const (
	tagFull    = 'F'
	tagPartial = 'P'
)

// Log is the log of one running container. Streams may write at the same time.
type Log struct {
	path    string
	maxFile int64
	clock   clock.PassiveClock
	forget  func()

	mu      sync.Mutex
	file    *os.File
	size    int64
	changed chan struct{}
	closed  bool
}

func (l *Log) begin() error {
	file, err := os.Create(l.path)
	if err != nil {
		return err
	}
	l.file, l.size = file, 0
	return nil
}

// Stream returns the writer of one stream, "stdout" or "stderr". Its Close
// writes out a last line that has no end.
func (l *Log) Stream(name string) io.WriteCloser { return &stream{log: l, name: name} }

// Close ends the log. Readers that follow it end once they have read it all.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	close(l.changed)
	defer l.forget()
	return l.file.Close()
}

func (l *Log) append(stream string, tag byte, text []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return os.ErrClosed
	}
	record := make([]byte, 0, len(text)+48)
	record = l.clock.Now().UTC().AppendFormat(record, timeFormat)
	record = fmt.Appendf(record, " %s %c ", stream, tag)
	record = append(append(record, text...), '\n')
	if l.size > 0 && l.size+int64(len(record)) > l.maxFile {
		if err := l.rotate(); err != nil {
			return err
		}
	}
	n, err := l.file.Write(record)
	l.size += int64(n)
	close(l.changed)
	l.changed = make(chan struct{})
	return err
}

// rotate renames the file. A reader of it keeps it open, reads it to its end
// and goes on with the new one.
func (l *Log) rotate() error {
	if err := os.Rename(l.path, rotated(l.path)); err != nil {
		return err
	}
	_ = l.file.Close()
	return l.begin()
}

// watch returns a channel that is closed at the next record, and whether the
// log has ended. Taken before a read, it cannot miss a record after it.
func (l *Log) watch() (changed <-chan struct{}, closed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.changed, l.closed
}

// timeFormat is RFC 3339 with all nine digits, so that records sort as text.
const timeFormat = "2006-01-02T15:04:05.000000000Z07:00"

// stream cuts what is written into lines.
type stream struct {
	log  *Log
	name string
	rest []byte
}

func (s *stream) Write(p []byte) (int, error) {
	written := len(p)
	for len(p) > 0 {
		line, after, ended := bytes.Cut(p, []byte{'\n'})
		s.rest, p = append(s.rest, line...), after
		for len(s.rest) > maxLine {
			if err := s.log.append(s.name, tagPartial, s.rest[:maxLine]); err != nil {
				return 0, err
			}
			s.rest = append(s.rest[:0], s.rest[maxLine:]...)
		}
		if ended {
			if err := s.log.append(s.name, tagFull, s.rest); err != nil {
				return 0, err
			}
			s.rest = s.rest[:0]
		}
	}
	return written, nil
}

func (s *stream) Close() error {
	if len(s.rest) == 0 {
		return nil
	}
	err := s.log.append(s.name, tagPartial, s.rest)
	s.rest = nil
	return err
}
