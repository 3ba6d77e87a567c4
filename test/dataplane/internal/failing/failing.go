// Package failing is an application whose requests fail as their sender asks, over
// HTTP and over gRPC: Header says how. Chance would blur a table of counts.
package failing

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"

	"google.golang.org/grpc"
)

// Header names the failure that a request asks for; it is gRPC metadata, too. The
// values are the constants below, or "status=N" for a code of HTTP or of gRPC. With
// "@NAME" at its end, only the server of that name fails.
const Header = "x-fail"

// Failures, beside "status=N". The first two are of both protocols.
const (
	Hang         = "hang"          // no answer until the client or the server goes
	Stream       = "stream"        // a first part of an answer, then whatever the client wants
	Break        = "break"         // HTTP: the connection is closed amid the body
	Upgrade      = "upgrade"       // HTTP: the protocol is switched, and each line comes back
	Reset        = "reset"         // HTTP: the connection is closed before an answer
	AfterHeaders = "after-headers" // gRPC: with "=N", status N once headers are sent
	AfterMessage = "after-message" // gRPC: with "=N", status N once a message is sent
)

// Server is a running application.
type Server struct {
	// HTTP and GRPC are the loopback addresses that it answers at.
	HTTP, GRPC string

	name    string
	handled atomic.Int64
	web     *http.Server
	rpc     *grpc.Server
}

// Start listens on two free ports of 127.0.0.1.
func Start(ctx context.Context, name string) (*Server, error) {
	s := &Server{name: name}
	s.web = &http.Server{Handler: http.HandlerFunc(s.serveHTTP)}
	s.rpc = grpc.NewServer(grpc.UnknownServiceHandler(s.serveGRPC))
	for _, l := range []struct {
		address *string
		serve   func(net.Listener) error
	}{{&s.HTTP, s.web.Serve}, {&s.GRPC, s.rpc.Serve}} {
		listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			s.Stop()
			return nil, fmt.Errorf("listen for the failing application: %w", err)
		}
		*l.address = listener.Addr().String()
		go func() { _ = l.serve(listener) }() // ends with Stop
	}
	return s, nil
}

// Handled is how many requests have reached the application, whatever became of them.
func (s *Server) Handled() int { return int(s.handled.Load()) }

// failure reads the header: what to do, and the N of "status=N".
func (s *Server) failure(header string) (what, value string) {
	header, name, named := strings.Cut(header, "@")
	if named && name != s.name {
		return "", ""
	}
	what, value, _ = strings.Cut(header, "=")
	return what, value
}

// Stop cuts every connection.
func (s *Server) Stop() {
	_ = s.web.Close()
	s.rpc.Stop()
}
