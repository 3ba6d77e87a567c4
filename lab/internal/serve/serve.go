// Package serve runs an HTTP server for as long as a part of the lab lives.
package serve

import (
	"context"
	"log"
	"net"
	"net/http"
	"time"
)

// patience is how long requests in flight may take once the part is to end.
// Streams and the like do not end by themselves.
const patience = 3 * time.Second

// idle is how long a connection without a request is kept. One that has carried
// none yet, which clients open beforehand, is kept as long: net/http counts the time
// for its first header from when it was opened, and where it also speaks HTTP/2
// without TLS, a request that comes just when that is over is answered with 400, or
// with a reset.
const idle = 2 * time.Minute

// H2C has a server take HTTP/2 without TLS beside HTTP/1.1, with at most so many
// streams open on one connection.
func H2C(streams int) func(*http.Server) {
	return func(s *http.Server) {
		s.Protocols = new(http.Protocols)
		s.Protocols.SetHTTP1(true)
		s.Protocols.SetUnencryptedHTTP2(true)
		s.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: streams}
	}
}

// Until serves on the listener until ctx ends, then lets the requests in flight
// finish for a moment, and returns nil once no connection is left. An error says
// why the server ended by itself.
func Until(ctx context.Context, listener net.Listener, handler http.Handler, errors *log.Logger, options ...func(*http.Server)) error {
	base, abort := context.WithCancel(context.WithoutCancel(ctx))
	defer abort()
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: idle,
		IdleTimeout:       idle,
		BaseContext:       func(net.Listener) context.Context { return base },
		ErrorLog:          errors,
	}
	for _, option := range options {
		option(server)
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(base, patience)
	defer cancel()
	if server.Shutdown(grace) != nil {
		_ = server.Close()
	}
	<-failed //nolint:errcheck // it says that the server was closed
	return nil
}
