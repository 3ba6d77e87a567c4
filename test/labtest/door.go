package labtest

import (
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"time"
)

// Door is another address of an HTTP server, behind which the server can be
// gone for a while: connections to it are then refused, as those to a process
// that was killed.
type Door struct {
	URL string

	forward http.Handler
	server  *http.Server // nil while it is shut
}

// NewDoor opens one to a base URL on loopback, until Shut.
func NewDoor(target string) (*Door, error) {
	to, err := url.Parse(target)
	if err != nil {
		return nil, err
	}
	d := &Door{URL: "http://127.0.0.1:0", forward: &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) },
	}}
	return d, d.Open()
}

// Open lets requests through, at the same address as before.
func (d *Door) Open() error {
	at, err := url.Parse(d.URL)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", at.Host)
	if err != nil {
		return err
	}
	d.URL = "http://" + listener.Addr().String()
	d.server = &http.Server{Handler: d.forward, ReadHeaderTimeout: 2 * time.Minute}
	go func(s *http.Server) { _ = s.Serve(listener) }(d.server) // Shut ends it
	return nil
}

// Shut cuts every connection and refuses new ones. It may be called again.
func (d *Door) Shut() error {
	if d.server == nil {
		return nil
	}
	defer func() { d.server = nil }()
	return d.server.Close()
}
