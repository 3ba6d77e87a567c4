package labtest

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Proxy stands between canaryctl and a server, the API server or Prometheus. It
// counts requests, and lets a Meddler come between.
type Proxy struct {
	// URL is where it listens. Kubeconfig is a file that points at it, where the
	// server is the API server.
	URL, Kubeconfig string

	server  *http.Server
	calls   atomic.Int64
	meddler atomic.Pointer[Meddler]

	mu   sync.Mutex
	open map[*http.Request]context.CancelFunc // the watches
}

// Meddler decides what becomes of a request: it hands it on to next, or does
// something else with it. A panic with http.ErrAbortHandler closes the connection
// without an answer.
type Meddler func(w http.ResponseWriter, r *http.Request, next http.Handler)

// NewProxy stands before the API server, on loopback, and acts with the rights of
// the given kubeconfig, until Close.
func NewProxy(kubeconfig, dir string) (*Proxy, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	transport, err := rest.TransportFor(config)
	if err != nil {
		return nil, err
	}
	p, err := serve(config.Host, transport)
	if err != nil {
		return nil, err
	}
	p.Kubeconfig = filepath.Join(dir, "proxy.kubeconfig")
	return p, writeKubeconfig(p.Kubeconfig, p.URL)
}

// NewPlainProxy stands before a server that asks for no credentials.
func NewPlainProxy(target string) (*Proxy, error) { return serve(target, nil) }

func serve(target string, transport http.RoundTripper) (*Proxy, error) {
	to, err := url.Parse(target)
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
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(to) },
		// A server that is gone is gone for the client too, and answers nothing.
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
		ErrorLog:     log.New(io.Discard, "", 0), // the faults are meant
	}
	p := &Proxy{URL: "http://" + listener.Addr().String(), open: map[*http.Request]context.CancelFunc{}}
	p.server = &http.Server{Handler: p.handler(forward), ReadHeaderTimeout: 2 * time.Minute}
	go func() { _ = p.server.Serve(listener) }() // Close ends it
	return p, nil
}

// Meddle has a Meddler look at every request from now on, nil for none, and
// forgets the calls so far.
func (p *Proxy) Meddle(m Meddler) {
	p.meddler.Store(&m)
	p.calls.Store(0)
}

// Reset forgets the calls so far and arms a fault; nil arms none.
func (p *Proxy) Reset(f *Fault) {
	if f == nil {
		p.Meddle(nil)
		return
	}
	p.Meddle(f.Meddler())
}

// Calls is the number of requests since Meddle or Reset.
func (p *Proxy) Calls() int64 { return p.calls.Load() }

// Cut breaks every watch that is open.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, cancel := range p.open {
		cancel()
	}
}

// Close ends the proxy and every connection through it.
func (p *Proxy) Close() error { return p.server.Close() }

func (p *Proxy) handler(forward http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.calls.Add(1)
		if Watches(r) {
			var closed func()
			r, closed = p.remember(r)
			defer closed()
		}
		if m := p.meddler.Load(); m != nil && *m != nil {
			(*m)(w, r, forward)
			return
		}
		forward.ServeHTTP(w, r)
	})
}

// Watches reports whether a request to the API server is a watch.
func Watches(r *http.Request) bool {
	watch := r.URL.Query().Get("watch")
	return watch == "true" || watch == "1" || strings.Contains(r.URL.Path, "/watch/")
}

// remember keeps a watch where Cut finds it.
func (p *Proxy) remember(r *http.Request) (_ *http.Request, closed func()) {
	ctx, cancel := context.WithCancel(r.Context())
	r = r.WithContext(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open[r] = cancel
	return r, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.open, r)
		cancel()
	}
}

func writeKubeconfig(path, server string) error {
	return os.WriteFile(path, fmt.Appendf(nil, `apiVersion: v1
kind: Config
current-context: proxy
clusters: [{name: proxy, cluster: {server: %q}}]
contexts: [{name: proxy, context: {cluster: proxy, user: proxy}}]
users: [{name: proxy, user: {}}]
`, server), 0o600)
}
