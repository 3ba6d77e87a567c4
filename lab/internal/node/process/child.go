// Package process runs the processes that stand for containers: their standard
// streams or terminal, who is attached to them, commands beside them, and their
// end, which is the end of their whole process group.
package process

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"github.com/canaryctl/canaryctl/lab/internal/proc"
)

// Starter starts commands in process groups of their own that do not outlive
// the lab. proc.Guard is one.
type Starter interface {
	Start(cmd *exec.Cmd) error
	Remove(pgid int) error
}

// Command is a program to run.
type Command struct {
	Argv []string
	Env  []string
	Dir  string
	// TTY puts the process on a terminal of its own; Stdin gives it an input.
	// Without it the input is empty.
	TTY   bool
	Stdin bool
}

// Exit is how a process ended.
type Exit struct {
	// Code is as a shell has it: 128 and the number for an end by a signal.
	Code   int
	Signal int
}

// strays is how long the output of a process that has ended is still read: a
// grandchild that left the process group may hold it open.
const strays = time.Second

// child is a started process with our ends of its streams.
type child struct {
	starter Starter
	cmd     *exec.Cmd
	stdin   io.WriteCloser // nil when it has none
	tty     *terminal      // nil when it has none
	outputs map[string]*os.File
	theirs  []*os.File
}

// start runs the command. What cannot be run is an error that wraps ErrCannotRun.
func start(starter Starter, c Command) (*child, error) {
	path, err := lookPath(c)
	if err != nil {
		return nil, err
	}
	ch := &child{
		starter: starter,
		cmd:     &exec.Cmd{Path: path, Args: c.Argv, Env: c.Env, Dir: c.Dir},
		outputs: make(map[string]*os.File),
	}
	open := ch.openPipes
	if c.TTY {
		open = ch.openTerminal
	}
	err = open(c.Stdin)
	if err == nil {
		err = starter.Start(ch.cmd)
	}
	for _, file := range ch.theirs {
		_ = file.Close()
	}
	if err != nil {
		ch.close()
		return nil, fmt.Errorf("%w %q: %w", ErrCannotRun, c.Argv[0], err)
	}
	return ch, nil
}

func (c *child) openPipes(stdin bool) error {
	if stdin {
		read, write, err := os.Pipe()
		if err != nil {
			return err
		}
		c.cmd.Stdin, c.stdin, c.theirs = read, write, append(c.theirs, read)
	}
	for name, to := range map[string]*io.Writer{Stdout: &c.cmd.Stdout, Stderr: &c.cmd.Stderr} {
		read, write, err := os.Pipe()
		if err != nil {
			return err
		}
		*to, c.outputs[name], c.theirs = write, read, append(c.theirs, write)
	}
	return nil
}

func (c *child) openTerminal(stdin bool) error {
	tty, theirs, err := openTerminal()
	if err != nil {
		return err
	}
	c.tty, c.theirs = tty, append(c.theirs, theirs)
	c.outputs[Stdout] = tty.file
	if stdin {
		c.stdin = tty
	}
	c.cmd.Stdin, c.cmd.Stdout, c.cmd.Stderr = theirs, theirs, theirs
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	return nil
}

// wait copies the output to the sinks by the streams' names, waits for the
// process, and ends what it left of its group: a container ends with its first
// process.
func (c *child) wait(sink func(stream string) io.Writer) Exit {
	var copies sync.WaitGroup
	for name, from := range c.outputs {
		to := sink(name)
		copies.Go(func() { _, _ = io.Copy(to, from) }) // a terminal ends with EIO, not EOF
	}
	_ = c.cmd.Wait() // the state says it better than the error
	_ = c.signal(syscall.SIGKILL)
	for _, from := range c.outputs {
		_ = from.SetReadDeadline(time.Now().Add(strays))
	}
	copies.Wait()
	c.close()
	_ = c.starter.Remove(c.cmd.Process.Pid)
	return exitOf(c.cmd.ProcessState)
}

// signal reaches the whole group, whose number is that of its first process.
func (c *child) signal(sig syscall.Signal) error {
	return proc.KillGroup(c.cmd.Process.Pid, sig)
}

func (c *child) close() {
	if c.stdin != nil && c.tty == nil {
		_ = c.stdin.Close()
	}
	for _, from := range c.outputs {
		_ = from.Close()
	}
}

func exitOf(state *os.ProcessState) Exit {
	status, ok := state.Sys().(syscall.WaitStatus)
	if ok && status.Signaled() {
		return Exit{Code: 128 + int(status.Signal()), Signal: int(status.Signal())}
	}
	return Exit{Code: state.ExitCode()}
}

// ErrCannotRun says that a program is not there or not executable.
var ErrCannotRun = errors.New("cannot run")
