package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/canaryctl/canaryctl/lab/internal/lab"
)

// reportFD is where a detached lab finds the pipe to the process that started it:
// the first file after the three standard ones.
const reportFD = 3

// lastWords is how much of the log a failed start shows, in bytes.
const lastWords = 2000

// report is one line from a detached lab to the process that waits for it.
type report struct {
	lab.Progress
	Ready bool `json:"ready,omitempty"`
}

// detached starts the lab in a session of its own and waits until it is ready. When the
// waiting is interrupted, the lab is stopped.
func (o *upOptions) detached(ctx context.Context, dir lab.Dir) error {
	if err := os.MkdirAll(filepath.Dir(dir.Log("lab")), 0o700); err != nil {
		return fmt.Errorf("make the log directory: %w", err)
	}
	log, err := os.OpenFile(dir.Log("lab"), os.O_CREATE|os.O_WRONLY|os.O_TRUNC|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("open the lab's log: %w", err)
	}
	defer func() { _ = log.Close() }()
	reports, child, err := o.spawn(dir, log)
	if err != nil {
		return err
	}
	defer func() { _ = reports.Close() }()

	began := time.Now()
	interrupted := context.AfterFunc(ctx, func() { _ = child.Process.Signal(syscall.SIGTERM) })
	defer interrupted()
	screen := newScreen(o.Err)
	if ready(reports, screen) {
		screen.finish(time.Since(began))
		o.nextSteps()
		return child.Process.Release()
	}
	screen.clear()
	err = child.Wait()
	if ctx.Err() != nil {
		return fmt.Errorf("start the lab: %w", ctx.Err())
	}
	return fmt.Errorf("the lab ended while starting (%w); the end of %s:\n%s", err, log.Name(), tail(log.Name()))
}

// ready shows what the lab reports; false means that it ended before it was ready.
func ready(reports io.Reader, screen *screen) bool {
	decoder := json.NewDecoder(reports)
	for {
		var r report
		switch err := decoder.Decode(&r); {
		case err != nil: // the lab has ended, and its end of the pipe with it
			return false
		case r.Ready:
			return true
		default:
			screen.progress(r.Progress)
		}
	}
}

func (o *upOptions) spawn(dir lab.Dir, log *os.File) (reports *os.File, child *exec.Cmd, err error) {
	executable, err := os.Executable()
	if err != nil {
		return nil, nil, fmt.Errorf("find the lab's own executable: %w", err)
	}
	read, write, err := os.Pipe()
	if err != nil {
		return nil, nil, fmt.Errorf("start the lab in the background: %w", err)
	}
	defer func() { _ = write.Close() }()
	arguments := []string{"up", "--state-dir", string(dir), "--report-fd", strconv.Itoa(reportFD)}
	if o.reset {
		arguments = append(arguments, "--reset")
	}
	for _, image := range o.images {
		arguments = append(arguments, "--image", image)
	}
	child = exec.Command(executable, arguments...)
	child.Stdout, child.Stderr = log, log
	child.ExtraFiles = []*os.File{write}
	child.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // no terminal, so none of its signals
	if err := child.Start(); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("start the lab in the background: %w", err), read.Close())
	}
	return read, child, nil
}

// sender is the detached lab's end of the pipe. Nobody reading it any more is no reason
// to stop.
type sender struct {
	mu   sync.Mutex
	pipe *os.File
}

func newSender(pipe *os.File) *sender {
	syscall.CloseOnExec(int(pipe.Fd())) // or the lab's children would keep it open
	return &sender{pipe: pipe}
}

func (s *sender) progress(p lab.Progress) { s.send(report{Progress: p}) }

func (s *sender) ready() {
	s.send(report{Ready: true})
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.pipe.Close()
}

func (s *sender) send(r report) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = json.NewEncoder(s.pipe).Encode(r)
}

func tail(path string) string {
	file, err := os.Open(path)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = file.Close() }()
	if info, err := file.Stat(); err == nil && info.Size() > lastWords {
		_, _ = file.Seek(-lastWords, io.SeekEnd)
	}
	text, _ := io.ReadAll(io.LimitReader(file, lastWords))
	return string(text)
}
