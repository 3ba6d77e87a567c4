package labtest

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Proxy stands between canaryctl and the API server. It counts requests, and
// can be told to end the caller at an exact point.
type Proxy struct {
	// Kubeconfig is a file that points at the proxy.
	Kubeconfig string

	server *http.Server
	calls  atomic.Int64
	fault  atomic.Pointer[Fault]
}

// Fault ends a client around one request.
type Fault struct {
	// At is the request it happens at, counted from 1.
	At int64
	// Delivered tells whether the API server gets to act on that request. Either
	// way the client never reads the answer.
	Delivered bool
	// Kill ends the client; it returns once the client is gone.
	Kill func()
}

// NewProxy serves on loopback, acting with the rights of the given kubeconfig,
// until Close.
func NewProxy(kubeconfig, dir string) (*Proxy, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	transport, err := rest.TransportFor(config)
	if err != nil {
		return nil, err
	}
	target, err := url.Parse(config.Host)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	forward := &httputil.ReverseProxy{
		Transport:     transport,
		FlushInterval: -1, // watches
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(target) },
	}
	p := &Proxy{Kubeconfig: filepath.Join(dir, "proxy.kubeconfig")}
	p.server = &http.Server{Handler: p.handler(forward), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = p.server.Serve(listener) }() // Close ends it
	return p, writeKubeconfig(p.Kubeconfig, "http://"+listener.Addr().String())
}

// Reset forgets the calls so far and arms a fault; nil arms none.
func (p *Proxy) Reset(f *Fault) {
	p.fault.Store(f)
	p.calls.Store(0)
}

// Calls is the number of requests since Reset.
func (p *Proxy) Calls() int64 { return p.calls.Load() }

// Close ends the proxy and every connection through it.
func (p *Proxy) Close() error { return p.server.Close() }

func (p *Proxy) handler(forward http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := p.calls.Add(1)
		f := p.fault.Load()
		if f == nil || n < f.At {
			forward.ServeHTTP(w, r)
			return
		}
		if n == f.At {
			if f.Delivered {
				forward.ServeHTTP(&discard{header: http.Header{}}, r.WithContext(context.WithoutCancel(r.Context())))
			}
			f.Kill()
		}
		panic(http.ErrAbortHandler) // closes the connection without an answer
	})
}

// discard takes an answer that nobody will read.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(int)             {}

func writeKubeconfig(path, server string) error {
	return os.WriteFile(path, fmt.Appendf(nil, `apiVersion: v1
kind: Config
current-context: proxy
clusters: [{name: proxy, cluster: {server: %q}}]
contexts: [{name: proxy, context: {cluster: proxy, user: proxy}}]
users: [{name: proxy, user: {}}]
`, server), 0o600)
}
