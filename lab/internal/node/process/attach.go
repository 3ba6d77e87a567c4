package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
)

// Streams are the client's side of an attachment or a command. Stdin, Stderr
// and Resize may be nil.
type Streams struct {
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer
	Resize <-chan Size
	// Readers counts the goroutine that reads Stdin. It may outlive the call, for
	// only the client or the closing of its connection ends a read; who closes the
	// connection waits here.
	Readers *sync.WaitGroup
}

// Attach connects the client to the streams of the process, until the process
// or ctx ends, or the client is gone.
func (p *Process) Attach(ctx context.Context, s Streams) error {
	client := p.hub.join()
	if client == nil {
		return fmt.Errorf("attach: container is %w", ErrNotRunning)
	}
	defer p.hub.leave(client)
	if s.Stdin != nil && p.child.stdin != nil {
		s.Readers.Go(func() {
			_, _ = io.Copy(p.child.stdin, s.Stdin)
			if p.options.StdinOnce {
				_ = p.child.stdin.Close()
			}
		})
	}
	ctx, cancel := context.WithCancel(ctx)
	defer follow(ctx, p.child.tty, s.Resize)()
	defer cancel()
	for {
		chunks, err := client.next(ctx)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("attach: %w", err)
		}
		for _, c := range chunks {
			if err := s.write(c); err != nil {
				return nil // the client has gone; that is how it says goodbye
			}
		}
	}
}

func (s Streams) write(c chunk) error {
	to := s.Stdout
	if c.stream == Stderr {
		to = s.Stderr
	}
	if to == nil {
		return nil
	}
	_, err := to.Write(c.data)
	return err
}

// follow gives the terminal the sizes that the client tells, until ctx ends.
// The returned function waits for that.
func follow(ctx context.Context, tty *terminal, sizes <-chan Size) (wait func()) {
	if tty == nil || sizes == nil {
		return func() {}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case size, ok := <-sizes:
				if !ok {
					return
				}
				_ = tty.resize(size)
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() { <-done }
}
