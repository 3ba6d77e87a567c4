package lab

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/canaryctl/canaryctl/lab/internal/proc"
)

// Dir is the state directory of a lab.
type Dir string

// DefaultDir is where a user's lab lives unless told otherwise.
func DefaultDir() (Dir, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the user's cache directory: %w; choose a directory with --state-dir", err)
	}
	return Dir(filepath.Join(cache, "canary-lab")), nil
}

func (d Dir) path(name string) string { return filepath.Join(string(d), name) }

// Kubeconfig is the administrator's.
func (d Dir) Kubeconfig() string { return d.path("kubeconfig") }

// Log is the log file of a component; "lab" is the lab itself.
func (d Dir) Log(component string) string { return filepath.Join(d.path("logs"), component+".log") }

func (d Dir) stateFile() string  { return d.path("lab.json") }
func (d Dir) imagesFile() string { return d.path("images.json") }
func (d Dir) socket() string     { return d.path("control.sock") }
func (d Dir) lockFile() string   { return d.path("lock") }

// cluster is what a lab keeps in its directory about the cluster it was, and records is the rest.
// Only what is named here is ever removed, so that a directory named by mistake
// keeps what else is in it.
func cluster() []string { return []string{"etcd", "pki", "node", "kubeconfig", "images.json"} }
func records() []string { return []string{"run", "logs", "lab.json", "control.sock"} }

// Erase removes everything the lab keeps.
func (d Dir) Erase() error { return d.remove(append(cluster(), records()...)) }

func (d Dir) remove(names []string) error {
	for _, name := range names {
		if err := os.RemoveAll(d.path(name)); err != nil {
			return fmt.Errorf("erase the lab's state in %s: %w", d, err)
		}
	}
	return nil
}

// State is what a lab that runs leaves on disk about itself, for those who find no answer
// on its control socket.
type State struct {
	Lab        proc.Identity   `json:"lab"`
	Processes  []proc.Identity `json:"processes"`
	Kubernetes string          `json:"kubernetes"` // URL of the API server
	Router     string          `json:"router"`
	Prometheus string          `json:"prometheus"`
	Started    time.Time       `json:"started"`
	Ready      bool            `json:"ready"`
}

// ErrNotRunning says that there is no lab.
var ErrNotRunning = errors.New("no lab is running")

// ReadState returns the state of the running lab, or an error that wraps ErrNotRunning.
func (d Dir) ReadState() (State, error) {
	state, err := d.lastState()
	if errors.Is(err, fs.ErrNotExist) || err == nil && !state.Lab.Alive() {
		return state, fmt.Errorf("%w in %s; start one with: canary-lab up --detach", ErrNotRunning, d)
	}
	return state, err
}

// lastState is that of the lab that ran last, dead or alive.
func (d Dir) lastState() (State, error) {
	var state State
	text, err := os.ReadFile(d.stateFile())
	if err != nil {
		return state, err
	}
	if err := json.Unmarshal(text, &state); err != nil {
		return state, fmt.Errorf("read %s: %w", d.stateFile(), err)
	}
	return state, nil
}

func (d Dir) writeState(state State) error { return writeJSON(d.stateFile(), state) }

// writeJSON replaces a file at once: a reader sees the old or the new, never a half.
func writeJSON(path string, value any) error {
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	next := path + ".next"
	if err := os.WriteFile(next, append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(next, path); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// ErrRunning says that the state directory belongs to a lab that runs.
var ErrRunning = errors.New("a lab is already running")

// lock takes the state directory for this process. The kernel gives it back when the process
// ends, however it ends; its children do not inherit it.
func (d Dir) lock() (unlock func(), err error) {
	if err := os.MkdirAll(string(d), 0o700); err != nil {
		return nil, fmt.Errorf("make the state directory: %w", err)
	}
	file, err := os.OpenFile(d.lockFile(), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the state directory: %w", err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = file.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("%w in %s", ErrRunning, d)
		}
		return nil, fmt.Errorf("lock %s: %w", d.lockFile(), err)
	}
	return func() { _ = file.Close() }, nil
}
