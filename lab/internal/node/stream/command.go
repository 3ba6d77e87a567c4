package stream

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"k8s.io/cri-streaming/pkg/streaming/remotecommand"
	utilexec "k8s.io/utils/exec"

	"github.com/canaryctl/canaryctl/lab/internal/node/process"
	"github.com/canaryctl/canaryctl/lab/internal/node/worker"
)

func (s *Server) exec(rw http.ResponseWriter, r *http.Request, pod *worker.Worker) {
	options, err := remotecommand.NewOptions(r)
	if err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	remotecommand.ServeExec(rw, r, &session{pod, &s.readers}, r.PathValue("pod"), r.PathValue("uid"), r.PathValue("container"),
		r.URL.Query()["command"], options, idleTimeout, createTimeout, remotecommand.SupportedStreamingProtocols)
}

func (s *Server) attach(rw http.ResponseWriter, r *http.Request, pod *worker.Worker) {
	options, err := remotecommand.NewOptions(r)
	if err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	remotecommand.ServeAttach(rw, r, &session{pod, &s.readers}, r.PathValue("pod"), r.PathValue("uid"), r.PathValue("container"),
		options, idleTimeout, createTimeout, remotecommand.SupportedStreamingProtocols)
}

// session is one exec or attach, as the protocol library calls it.
type session struct {
	pod     *worker.Worker
	readers *sync.WaitGroup
}

// ExecInContainer implements remotecommand.Executor.
func (s *session) ExecInContainer(ctx context.Context, _, _, container string, argv []string,
	in io.Reader, out, errs io.WriteCloser, tty bool, resize <-chan remotecommand.TerminalSize, _ time.Duration,
) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	exit, err := s.pod.Exec(ctx, container, argv, tty, s.streams(ctx, in, out, errs, resize))
	if err != nil {
		return err
	}
	if exit.Code != 0 {
		return utilexec.CodeExitError{Err: fmt.Errorf("command terminated with exit code %d", exit.Code), Code: exit.Code}
	}
	return nil
}

// AttachContainer implements remotecommand.Attacher.
func (s *session) AttachContainer(ctx context.Context, _, _, container string,
	in io.Reader, out, errs io.WriteCloser, _ bool, resize <-chan remotecommand.TerminalSize,
) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	return s.pod.Attach(ctx, container, s.streams(ctx, in, out, errs, resize))
}

// streams are the client's; those that it did not open are nil.
func (s *session) streams(ctx context.Context, in io.Reader, out, errs io.WriteCloser, resize <-chan remotecommand.TerminalSize) process.Streams {
	streams := process.Streams{Stdin: in, Stdout: out, Stderr: errs, Readers: s.readers}
	if resize != nil {
		sizes := make(chan process.Size)
		streams.Resize = sizes
		s.readers.Go(func() { translate(ctx, resize, sizes) })
	}
	return streams
}

// translate passes terminal sizes on until the session ends.
func translate(ctx context.Context, from <-chan remotecommand.TerminalSize, to chan<- process.Size) {
	for {
		select {
		case size, ok := <-from:
			if !ok {
				return
			}
			select {
			case to <- process.Size{Width: size.Width, Height: size.Height}:
			case <-ctx.Done():
				return
			}
		case <-ctx.Done():
			return
		}
	}
}
