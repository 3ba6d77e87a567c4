package stream

import (
	"context"
	"io"
	"net/http"
	"sync"

	"k8s.io/cri-streaming/pkg/streaming/portforward"

	"github.com/canaryctl/canaryctl/lab/internal/node/worker"
)

func (s *Server) portForward(rw http.ResponseWriter, r *http.Request, pod *worker.Worker) {
	options, err := portforward.NewV4Options(r)
	if err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	portforward.ServePortForward(rw, r, &forwarder{pod, &s.readers}, r.PathValue("pod"), r.PathValue("uid"),
		options, idleTimeout, createTimeout, portforward.SupportedProtocols)
}

// forwarder connects the streams of one port-forward to the Pod.
type forwarder struct {
	pod     *worker.Worker
	readers *sync.WaitGroup
}

// PortForward implements portforward.PortForwarder.
func (f *forwarder) PortForward(ctx context.Context, _, _ string, port int32, stream io.ReadWriteCloser) error {
	conn, err := f.pod.Dial(ctx, uint16(port))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()

	// The end of what the client sends is passed on; the end of the answer ends
	// it all. The reader may be in the middle of a read then, which the closing
	// of the stream ends.
	f.readers.Go(func() {
		_, _ = io.Copy(conn, stream)
		if half, ok := conn.(interface{ CloseWrite() error }); ok {
			_ = half.CloseWrite()
		}
	})
	_, err = io.Copy(stream, conn)
	return err
}
