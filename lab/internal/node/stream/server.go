// Package stream is the kubelet's own API, as far as the API server uses it for
// people: logs, exec, attach and port-forward. The protocols are Kubernetes' own
// libraries'; this package connects them to Pods.
package stream

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/canaryctl/canaryctl/lab/internal/node/worker"
)

// The kubelet's own figures: how long a silent stream is kept, and how long a
// client may take to open its streams.
const (
	idleTimeout   = 4 * time.Hour
	createTimeout = 30 * time.Second
	headerTimeout = 10 * time.Second
)

// Pods finds the Pods of the node by name.
type Pods interface {
	Pod(namespace, name string) (*worker.Worker, bool)
}

// Server serves on loopback. Make one with Listen.
type Server struct {
	listener net.Listener
	pods     Pods

	mu    sync.Mutex
	conns map[net.Conn]http.ConnState // all that are open, those of streams too
	// readers are the goroutines that read what clients send; they end with the
	// connections.
	readers sync.WaitGroup
	// requests are the handlers, which an HTTP server forgets once they have
	// taken over the connection.
	requests sync.WaitGroup
}

// Listen opens a port on loopback. Clients need a certificate, if config says so.
func Listen(ctx context.Context, config *tls.Config, pods Pods) (*Server, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the kubelet's API: %w", err)
	}
	// SPDY takes over a connection, which HTTP/2 has no way of.
	config = config.Clone()
	config.NextProtos = []string{"http/1.1"}
	return &Server{listener: tls.NewListener(l, config), pods: pods, conns: make(map[net.Conn]http.ConnState)}, nil
}

// Addr is where the server listens.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Run serves until ctx ends, and then ends every stream.
func (s *Server) Run(ctx context.Context) error {
	server := &http.Server{
		Handler: s.handler(), ReadHeaderTimeout: headerTimeout, ConnState: s.track,
		// A client that breaks off or has no certificate is its own affair.
		ErrorLog:    log.New(io.Discard, "", 0),
		BaseContext: func(net.Listener) context.Context { return ctx },
		ConnContext: watch,
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close(); s.closeConns() })
	err := server.Serve(watchedListener{s.listener})
	if stop() {
		_ = server.Close()
		s.closeConns()
	}
	s.requests.Wait()
	s.readers.Wait()
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serve the kubelet's API: %w", err)
}

// track remembers the connections: the HTTP server does not close those that
// streams have taken over.
func (s *Server) track(conn net.Conn, state http.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch state {
	case http.StateNew, http.StateHijacked:
		s.conns[conn] = state
	case http.StateClosed:
		delete(s.conns, conn)
	}
}

// release forgets a connection that a stream has finished with, and closed;
// others may be used for another request.
func (s *Server) release(conn net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns[conn] == http.StateHijacked {
		delete(s.conns, conn)
	}
}

// closeConns ends what the HTTP server has let go of.
func (s *Server) closeConns() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for conn := range s.conns {
		_ = conn.Close()
	}
}

func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok")) })
	mux.HandleFunc("GET /containerLogs/{namespace}/{pod}/{container}", s.pod(s.logs))
	for _, method := range []string{"GET", "POST"} {
		for _, uid := range []string{"", "/{uid}"} {
			mux.HandleFunc(method+" /exec/{namespace}/{pod}"+uid+"/{container}", s.pod(s.exec))
			mux.HandleFunc(method+" /attach/{namespace}/{pod}"+uid+"/{container}", s.pod(s.attach))
			mux.HandleFunc(method+" /portForward/{namespace}/{pod}"+uid, s.pod(s.portForward))
		}
	}
	return mux
}

// pod finds the Pod that a request is about.
func (s *Server) pod(handle func(http.ResponseWriter, *http.Request, *worker.Worker)) http.HandlerFunc {
	return func(rw http.ResponseWriter, r *http.Request) {
		s.requests.Add(1)
		defer s.requests.Done()
		if conn, ok := r.Context().Value(connKey{}).(net.Conn); ok {
			defer s.release(conn)
		}
		namespace, name := r.PathValue("namespace"), r.PathValue("pod")
		pod, ok := s.pods.Pod(namespace, name)
		if !ok {
			http.Error(rw, fmt.Sprintf("pod %q not found in namespace %q on this node", name, namespace), http.StatusNotFound)
			return
		}
		handle(rw, r, pod)
	}
}
