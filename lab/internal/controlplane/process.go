package controlplane

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// component is one process of the control plane.
type component struct {
	name    string // a name that Main knows
	args    []string
	env     []string
	address string
	grace   time.Duration // between SIGTERM and SIGKILL
}

// lastWords is how much of a log an error quotes, in bytes.
const lastWords = 2000

// errKilled marks a component that somebody killed, with SIGKILL.
var errKilled = errors.New("it was killed")

// keep runs a component, and again whenever it was killed, as a kubelet does with
// the static Pods of a control plane. One that never became ready, or that ends for
// a reason of its own, would only do so again.
func (p *ControlPlane) keep(ctx context.Context, c component) error {
	for {
		err := p.run(ctx, c)
		select {
		case <-p.ready:
		default:
			return err
		}
		if !errors.Is(err, errKilled) {
			return err
		}
		p.config.Log.Warn("killed, and started again", "component", c.name)
	}
}

// run starts a component and waits until it ends. Ended by ctx, that is no error.
//
// The working directory is the run directory: sockets have relative names there,
// since the address of a unix socket has room for about 100 bytes only (unix(7)).
func (p *ControlPlane) run(ctx context.Context, c component) error {
	log, err := os.OpenFile(p.layout.log(c.name), os.O_CREATE|os.O_WRONLY|os.O_TRUNC|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("start %s: %w", c.name, err)
	}
	defer func() { _ = log.Close() }()

	cmd := exec.CommandContext(ctx, p.config.Executable, append([]string{c.name}, c.args...)...)
	cmd.Dir = p.layout.run()
	cmd.Env = append(os.Environ(), c.env...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = c.grace
	if err := p.config.Guard.Start(cmd); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("start %s: %w", c.name, err)
	}
	started := time.Now()
	p.config.Log.Info("started", "component", c.name, "pid", cmd.Process.Pid)
	p.remember(Process{c.name, cmd.Process.Pid, c.address, started})

	err = cmd.Wait()
	_ = p.config.Guard.Remove(cmd.Process.Pid)
	if ctx.Err() != nil {
		return nil
	}
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() && status.Signal() == syscall.SIGKILL {
		return fmt.Errorf("%s ended after %s: %w", c.name, time.Since(started).Round(time.Millisecond), errKilled)
	}
	//nolint:errorlint // err is nil where the process ended with 0
	return fmt.Errorf("%s ended by itself after %s (%v); the end of %s:\n%s",
		c.name, time.Since(started).Round(time.Millisecond), err, log.Name(), tail(log.Name()))
}

// remember adds a process, in the place of one of the same name that is gone.
func (p *ControlPlane) remember(process Process) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.processes {
		if p.processes[i].Name == process.Name {
			p.processes[i] = process
			return
		}
	}
	p.processes = append(p.processes, process)
}

func tail(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = f.Close() }()
	if info, err := f.Stat(); err == nil && info.Size() > lastWords {
		_, _ = f.Seek(-lastWords, io.SeekEnd)
	}
	text, _ := io.ReadAll(io.LimitReader(f, lastWords))
	return strings.TrimSpace(string(text))
}
