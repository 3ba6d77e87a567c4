package process

import (
	"context"
	"errors"
	"io"
	"syscall"
	"time"

	"k8s.io/utils/clock"
)

// ErrNotRunning says that a process has ended.
var ErrNotRunning = errors.New("not running")

// Options are those of a container's process.
type Options struct {
	Command
	// StdinOnce ends the input with the first attachment that had it.
	StdinOnce bool
	// Log returns where a stream is recorded. It is closed when the process ends.
	Log func(stream string) io.WriteCloser
}

// Process is a container's first process. Make one with Start.
type Process struct {
	child   *child
	starter Starter
	clock   clock.Clock
	options Options
	hub     *hub
	done    chan struct{}
	exit    Exit
	ended   time.Time
}

// Start runs the process until it ends or is stopped; nothing of it is left
// once Done is closed.
func Start(starter Starter, clock clock.Clock, options Options) (*Process, error) {
	child, err := start(starter, options.Command)
	if err != nil {
		return nil, err
	}
	p := &Process{
		child:   child,
		starter: starter,
		clock:   clock,
		options: options,
		hub:     newHub(options.Stdin),
		done:    make(chan struct{}),
	}
	go p.run()
	return p, nil
}

func (p *Process) run() {
	var logs []io.Closer
	sink := func(stream string) io.Writer {
		log := p.options.Log(stream)
		logs = append(logs, log)
		return io.MultiWriter(p.hub.writer(stream), lossy{log})
	}
	p.exit = p.child.wait(sink)
	for _, log := range logs {
		_ = log.Close()
	}
	p.ended = p.clock.Now()
	p.hub.end()
	close(p.done)
}

// lossy keeps a process going whose log cannot be written, on a full disk say.
type lossy struct{ io.Writer }

func (l lossy) Write(b []byte) (int, error) {
	_, _ = l.Writer.Write(b)
	return len(b), nil
}

// PID is the number of the process and of its group.
func (p *Process) PID() int { return p.child.cmd.Process.Pid }

// Done is closed when the process has ended and its output has been read.
func (p *Process) Done() <-chan struct{} { return p.done }

// Exit says how it ended. It waits for Done.
func (p *Process) Exit() Exit {
	<-p.done
	return p.exit
}

// Ended says when. It waits for Done.
func (p *Process) Ended() time.Time {
	<-p.done
	return p.ended
}

// Stop asks the process group to end, and ends it after the grace. It returns
// when the process has ended; the end of ctx cuts the grace short.
func (p *Process) Stop(ctx context.Context, grace time.Duration) {
	select {
	case <-p.done:
		return
	default:
	}
	if grace > 0 {
		_ = p.child.signal(syscall.SIGTERM)
		timer := p.clock.NewTimer(grace)
		defer timer.Stop()
		select {
		case <-p.done:
			return
		case <-timer.C():
		case <-ctx.Done():
		}
	}
	_ = p.child.signal(syscall.SIGKILL)
	<-p.done
}
