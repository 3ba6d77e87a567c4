package echo

import (
	"context"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
)

// Timeouts of the server. They bound what a slow or hostile client can hold;
// idle connections outlive those of common proxies, so that it is the proxy
// that closes them and no request meets a closing door. That goes for those that
// have carried no request yet, too, which proxies open beforehand: net/http counts
// the time for their first header from when they were opened, and where it speaks
// HTTP/2 without TLS as well, answers a request that comes just when that is over with 400.
const (
	idleTimeout       = 2 * time.Minute
	readHeaderTimeout = idleTimeout
	readTimeout       = idleTimeout
	writeTimeout      = 40 * time.Second
	maxHeaderBytes    = 16 << 10

	// grpc-go sets no limit of its own, so what limits a client is what stands
	// between, as in a mesh.
	maxStreams = 1 << 20
)

// ErrCrash is how Run ends when FAULT_CRASH_AFTER strikes.
var ErrCrash = errors.New("injected fault: crash")

// Server is one instance of the service.
type Server struct {
	cfg      Config
	log      *slog.Logger
	meter    *meter
	faults   *injector
	page     *template.Template
	grpc     *grpc.Server
	checks   *health.Server
	draining atomic.Bool

	sockets sync.WaitGroup // WebSockets that are open
	leaving chan struct{}  // closed when they are to end
}

// New expects a configuration that Validate accepts.
func New(cfg Config, log *slog.Logger) *Server {
	s := &Server{
		cfg:    cfg,
		log:    log.With("version", cfg.Version, "pod", cfg.Pod),
		meter:  newMeter(cfg.Version),
		faults: newInjector(rand.Float64),
		page:   parsePage(),

		leaving: make(chan struct{}),
	}
	s.grpc, s.checks = newGRPC(cfg, s.meter)
	return s
}

// Run listens on the configured address and serves until ctx ends.
func (s *Server) Run(ctx context.Context) error {
	if d := s.cfg.StartDelay; d > 0 {
		s.log.Warn("injected fault: slow start", "delay", d.String())
		if !sleep(ctx, d) {
			return nil
		}
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", s.cfg.Address())
	if err != nil {
		return fmt.Errorf("listen on HOST:PORT %s: %w", s.cfg.Address(), err)
	}
	return s.Serve(ctx, l)
}

// Serve answers requests until ctx ends, and then drains: every request that
// arrived is answered. It closes the listener.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	server := s.httpServer()
	server.RegisterOnShutdown(func() { close(s.leaving) })
	defer s.grpc.Stop()
	s.setFaults(s.cfg.Faults)
	defer s.faults.stop()

	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	s.log.Info("listening", "address", l.Addr().String())

	var ended error
	select {
	case err := <-served:
		return fmt.Errorf("serve on %s: %w", l.Addr(), err)
	case <-s.faults.crash:
		_ = server.Close()
		ended = ErrCrash
	case <-ctx.Done():
		ended = s.drain(context.WithoutCancel(ctx), server)
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return errors.Join(ended, err)
	}
	return ended
}

// httpServer speaks HTTP/1.1 and, to clients that know, HTTP/2 without TLS.
func (s *Server) httpServer() *http.Server {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{
		Handler:           s.handler(),
		Protocols:         &protocols,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: maxStreams},
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
	}
}

// drain ends the service without losing a request: it fails /health so that no
// new ones are sent, goes on answering those that come meanwhile, then closes
// the door and waits for the rest.
func (s *Server) drain(ctx context.Context, server *http.Server) error {
	s.draining.Store(true)
	s.tellHealth()
	s.log.Info("draining", "delay", s.cfg.DrainDelay.String(), "timeout", s.cfg.DrainTimeout.String())
	time.Sleep(s.cfg.DrainDelay)

	ctx, cancel := context.WithTimeout(ctx, s.cfg.DrainTimeout)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		_ = server.Close()
		return fmt.Errorf("drain: requests still in flight after DRAIN_TIMEOUT=%s: %w", s.cfg.DrainTimeout, err)
	}
	s.sockets.Wait()
	s.log.Info("drained")
	return nil
}

// whileDraining asks clients that keep connections open to leave by
// themselves: a connection closed from this side could cross a request. HTTP/2
// has no such word for one answer: net/http makes a GOAWAY of it, which refuses
// the streams that are on their way.
func (s *Server) whileDraining(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor == 1 && s.draining.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// sleep waits, and reports whether it was left to finish.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
