package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/canaryctl/canaryctl/test/labtest"
)

// process is one canaryctl. It has a way to the API server of its own, so that
// what it writes can be told from what others do.
type process struct {
	number  int
	args    []string
	engine  bool // it drives, or would
	started time.Time
	stderr  string // the file of what it said
	proxy   *labtest.Proxy
	own     wire // the faults that only this one meets
	cmd     *exec.Cmd

	done  chan struct{} // closed when it is gone
	ended time.Time     // then
	code  int           // then; -1 where a signal ended it
}

// start starts a canaryctl. Its first requests may meet a fault already.
func (s *scene) start(engine bool, args ...string) (*process, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := &process{number: len(s.processes) + 1, args: args, engine: engine, done: make(chan struct{})}
	dir := filepath.Join(s.dir, fmt.Sprintf("process-%d", p.number))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	var err error
	if p.proxy, err = labtest.NewProxy(s.lab.Kubeconfig(), dir); err != nil {
		return nil, err
	}
	keep := s.ledger.of(p.number)
	p.proxy.Meddle(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		s.api.meddle(w, r, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			p.own.meddle(w, r, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { keep(w, r, next) }))
		}))
	})
	p.stderr = filepath.Join(dir, "stderr")
	said, err := os.Create(p.stderr)
	if err != nil {
		return nil, err
	}
	defer said.Close()
	p.cmd = exec.Command(filepath.Join(s.lab.Bin, "canaryctl"), append(args, "-n", s.namespace)...)
	p.cmd.Dir = s.lab.Root
	p.cmd.Env = append(append([]string{}, s.lab.Env()...), "KUBECONFIG="+p.proxy.Kubeconfig)
	p.cmd.Stderr = said
	if s.script.first != nil && p.number == 1 {
		s.script.first.arm(s, p) // it is gone before there is anything to take off
	}
	p.started = time.Now()
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	s.processes = append(s.processes, p)
	s.diary.notef("%s begins", p)
	go func() {
		_ = p.cmd.Wait() // how it ended is in the state
		p.ended, p.code = time.Now(), p.cmd.ProcessState.ExitCode()
		_ = p.proxy.Close()
		s.diary.notef("%s ends with %d", p, p.code)
		close(p.done)
	}()
	return p, nil
}

// String names it: "canaryctl 2 (resume)".
func (p *process) String() string { return fmt.Sprintf("canaryctl %d (%s)", p.number, p.args[0]) }

func (p *process) alive() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// wait reports whether it ended before ctx.
func (p *process) wait(ctx context.Context) bool {
	select {
	case <-p.done:
		return true
	case <-ctx.Done():
		return false
	}
}

func (p *process) signal(s syscall.Signal) { _ = p.cmd.Process.Signal(s) } // it may be gone already

// said is the end of what it told on stderr, for a report.
func (p *process) said() string {
	raw, err := os.ReadFile(p.stderr)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(raw)), "\n")
	return strings.Join(lines[max(0, len(lines)-8):], "\n")
}

// saidOver reports whether an engine ended because the release is over: promoted,
// or rolled back.
func (p *process) saidOver() bool { return p.engine && !p.alive() && (p.code == 0 || p.code == 3) }
