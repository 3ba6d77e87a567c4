package process

import (
	"context"
	"fmt"
	"io"
	"syscall"
)

// Exec runs a command beside the process and connects the client to it. It
// returns when the command has ended, and ends it when ctx ends, when the client
// is gone, or when the process has ended: nothing outlives its container.
func (p *Process) Exec(ctx context.Context, c Command, s Streams) (Exit, error) {
	select {
	case <-p.done:
		return Exit{}, fmt.Errorf("exec: container is %w", ErrNotRunning)
	default:
	}
	child, err := start(p.starter, c)
	if err != nil {
		return Exit{}, fmt.Errorf("exec: %w", err)
	}
	if s.Stdin != nil && child.stdin != nil {
		s.Readers.Go(func() {
			_, _ = io.Copy(child.stdin, s.Stdin)
			_ = child.stdin.Close()
		})
	}
	ended := make(chan struct{})
	killed := make(chan struct{})
	go func() {
		defer close(killed)
		select {
		case <-ended:
			return
		case <-ctx.Done():
		case <-p.done:
		}
		_ = child.signal(syscall.SIGKILL)
	}()
	sizing, cancel := context.WithCancel(ctx)
	waitResize := follow(sizing, child.tty, s.Resize)
	exit := child.wait(func(stream string) io.Writer { return remote{s, stream, child} })
	close(ended)
	<-killed
	cancel()
	waitResize()
	return exit, nil
}

// remote is the client's side of an output stream.
type remote struct {
	Streams
	stream string
	child  *child
}

func (r remote) Write(p []byte) (int, error) {
	if err := r.write(chunk{r.stream, p}); err != nil {
		_ = r.child.signal(syscall.SIGKILL) // nobody is left to read it
		return 0, err
	}
	return len(p), nil
}
