// Package logs keeps what containers write, in the format of the container
// runtime interface ("2026-01-02T15:04:05.000000000Z stdout F text"), and reads
// it back the way "kubectl logs" asks.
package logs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"k8s.io/utils/clock"
)

// ErrNone says that a container has not written anything yet, or that the run
// that was asked for is no longer kept.
var ErrNone = errors.New("no log is kept")

// keptRuns is how many runs of a container have their log kept: this one, and
// the one before for "kubectl logs --previous".
const keptRuns = 2

// maxFile bounds a log file, in bytes. At that size it is renamed and another
// is begun; one renamed file is kept, so a run holds twice this at most. It is
// the kubelet's containerLogMaxSize.
const maxFile = 10 << 20

// Run names one run of one container: its Pod's UID, its name, and how often it
// had been restarted before.
type Run struct {
	Pod       string
	Container string
	Restart   int32
}

// Store is a directory of logs. It is safe for concurrent use.
type Store struct {
	dir     string
	clock   clock.PassiveClock
	maxFile int64

	mu   sync.Mutex
	open map[Run]*Log
}

// NewStore keeps logs under dir.
func NewStore(dir string, clock clock.PassiveClock) *Store {
	return &Store{dir: dir, clock: clock, maxFile: maxFile, open: make(map[Run]*Log)}
}

// Create begins the log of a run, and drops the oldest run's.
func (s *Store) Create(run Run) (*Log, error) {
	path := s.path(run)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("create log of container %s: %w", run.Container, err)
	}
	log := &Log{path: path, maxFile: s.maxFile, clock: s.clock, changed: make(chan struct{})}
	if err := log.begin(); err != nil {
		return nil, fmt.Errorf("create log of container %s: %w", run.Container, err)
	}
	old := run
	if old.Restart -= keptRuns; old.Restart >= 0 {
		_ = os.Remove(s.path(old))
		_ = os.Remove(rotated(s.path(old)))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	log.forget = func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.open, run)
	}
	s.open[run] = log
	return log, nil
}

// Drop deletes all logs of a Pod.
func (s *Store) Drop(pod string) error {
	return os.RemoveAll(filepath.Join(s.dir, pod))
}

func (s *Store) path(run Run) string {
	return filepath.Join(s.dir, run.Pod, run.Container, strconv.Itoa(int(run.Restart))+".log")
}

func rotated(path string) string { return path + ".1" }

// openRun opens the oldest file of a run, with the writer if it is still there.
func (s *Store) openRun(run Run) (*reader, error) {
	s.mu.Lock()
	log := s.open[run]
	s.mu.Unlock()
	path := s.path(run)
	for _, path := range []string{rotated(path), path} {
		file, err := os.Open(path)
		if err == nil {
			return newReader(log, s.path(run), file), nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("read log of container %s: %w", run.Container, err)
		}
	}
	return nil, fmt.Errorf("read log of container %s, run %d: %w", run.Container, run.Restart, ErrNone)
}
