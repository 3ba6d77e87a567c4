// Package router is the lab's stand-in for a service mesh: one HTTP proxy on
// one loopback port that routes as Istio, the Gateway API and ingress-nginx
// would, for the fields that a canary release uses, and says so for a field
// that it does not honour.
//
// It answers by Host header, and as a forward proxy (the absolute-form requests
// that clients send when http_proxy is set). Everything that it knows is in a
// snapshot that is built anew after a change in the cluster and swapped
// atomically: a request sees the old weights or the new ones, never a mixture,
// and takes no lock.
package router

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/client-go/rest"

	"github.com/canaryctl/canaryctl/lab/internal/serve"
	"github.com/canaryctl/canaryctl/lab/internal/watch"
)

// Config is what a Router needs. DialContext and Kube have no default.
type Config struct {
	// Kube is the API server that the routes are read from.
	Kube *rest.Config
	// Listen is the address to answer on; default 127.0.0.1:0.
	Listen string
	// DialContext connects to a Pod by its nominal "ip:port". The router dials
	// nothing by any other way.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)
	// Log receives what the router does not honour, once per field.
	Log *slog.Logger
	// Namespace is where the clients are: it completes short host names.
	Namespace string
	// ClusterDomain completes the names of Services; default cluster.local.
	ClusterDomain string
	// MaxStreams is how many requests may be open on one HTTP/2 connection of a
	// client's; the next ones wait there. Default 1024, as in Envoy since 1.36.
	MaxStreams int
	// Drain is how long requests in flight to a Pod may go on once its deletion has
	// begun. Default 5 s, Istio's terminationDrainDuration.
	Drain time.Duration
	// Random returns uniform bits; it must be safe for concurrent use. Default
	// is math/rand/v2's generator.
	Random func() uint64
}

func (c *Config) complete() error {
	if c.DialContext == nil {
		return errors.New("make a router: no DialContext: it would have no way to reach a Pod")
	}
	if c.Listen == "" {
		c.Listen = "127.0.0.1:0"
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Namespace == "" {
		c.Namespace = "default"
	}
	if c.ClusterDomain == "" {
		c.ClusterDomain = "cluster.local"
	}
	if c.MaxStreams == 0 {
		c.MaxStreams = 1024
	}
	if c.Drain == 0 {
		c.Drain = 5 * time.Second
	}
	if c.Random == nil {
		c.Random = rand.Uint64
	}
	return nil
}

// Router is the proxy. Make one with New, then Run it.
type Router struct {
	config      Config
	listener    net.Listener
	port        string // of the listener
	watch       *watch.Set
	world       sources
	connections *connections
	transports  transports
	telemetry   *telemetry
	snapshot    atomic.Pointer[snapshot]
	ready       chan struct{}
	requests    sync.WaitGroup // in flight, mirrored ones too
	buffers     buffers
	errorLog    *log.Logger // of net/http, at level debug
}

// New opens the port, so that URL is known before Run.
func New(config Config) (*Router, error) {
	if err := config.complete(); err != nil {
		return nil, err
	}
	r := newRouter(config)
	set, err := watch.New(config.Kube, config.Log)
	if err != nil {
		return nil, fmt.Errorf("make a router: %w", err)
	}
	r.watch, r.world = set, follow(set)
	if r.listener, err = net.Listen("tcp", config.Listen); err != nil {
		return nil, fmt.Errorf("listen on %s for the router: %w", config.Listen, err)
	}
	_, r.port, _ = net.SplitHostPort(r.listener.Addr().String())
	return r, nil
}

// newRouter makes the part that handles requests.
func newRouter(config Config) *Router {
	r := &Router{config: config, telemetry: newTelemetry(), ready: make(chan struct{})}
	r.connections = newConnections(config.DialContext)
	r.transports = newTransports(r.connections.DialContext)
	r.errorLog = slog.NewLogLogger(config.Log.Handler(), slog.LevelDebug)
	r.snapshot.Store(&snapshot{})
	r.telemetry.registry.MustRegister(newActivity(r))
	return r
}

// newTransports keeps connections to Pods open: a canary's p99 should be the
// canary's, not that of a TCP handshake.
func newTransports(dial func(context.Context, string, string) (net.Conn, error)) transports {
	one := func() *http.Transport {
		return &http.Transport{
			DialContext:         dial,
			MaxIdleConnsPerHost: 1024,
			IdleConnTimeout:     90 * time.Second,
			DisableCompression:  true, // pass bodies as they are
		}
	}
	t := transports{http1: one(), http2: one()}
	t.http2.Protocols = new(http.Protocols)
	t.http2.Protocols.SetUnencryptedHTTP2(true)
	return t
}

// Run answers requests until ctx ends, lets those in flight finish for a short
// while, and returns when all goroutines have ended.
func (r *Router) Run(ctx context.Context) error {
	defer r.transports.closeIdle()
	var running sync.WaitGroup
	defer running.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	var watchErr error
	running.Go(func() { watchErr = r.watch.Run(ctx) })
	running.Go(func() { r.follow(ctx) })
	err := r.serve(ctx)
	cancel()
	running.Wait()
	return errors.Join(err, watchErr)
}

// follow builds a snapshot after every change.
func (r *Router) follow(ctx context.Context) {
	select {
	case <-r.watch.Synced():
	case <-ctx.Done():
		return
	}
	build := newBuilder(r.config.Namespace, r.config.ClusterDomain, r.telemetry)
	drains := newDrains(r.connections, r.config.Drain)
	defer drains.stop()
	told := map[Problem]bool{}
	look := func() {
		w := r.world.read()
		r.adopt(build.snapshot(w), told)
		drains.follow(w.pods)
	}
	look()
	close(r.ready)
	for {
		select {
		case <-r.watch.Changed():
			look()
		case <-ctx.Done():
			return
		}
	}
}

// adopt makes the snapshot the one in force, and tells of new problems.
func (r *Router) adopt(s *snapshot, told map[Problem]bool) {
	r.snapshot.Store(s)
	for _, p := range s.problems {
		if !told[p] {
			told[p] = true
			r.config.Log.Warn("router: "+p.Message, "object", p.Object, "field", p.Field)
		}
	}
}

// serve runs the HTTP server until ctx ends, and the requests it made have.
func (r *Router) serve(ctx context.Context) error {
	defer r.requests.Wait()
	defer r.connections.cutAll() // copies that are sent to mirrors have nobody who gives them up
	if err := serve.Until(ctx, r.listener, r, r.errorLog, serve.H2C(r.config.MaxStreams)); err != nil {
		return fmt.Errorf("serve the router on %s: %w", r.listener.Addr(), err)
	}
	return nil
}

// Ready is closed when the first snapshot is in force.
func (r *Router) Ready() <-chan struct{} { return r.ready }

// URL is where the router answers.
func (r *Router) URL() string { return "http://" + r.listener.Addr().String() }

// Metrics serves what a sidecar's /stats/prometheus has of requests: Istio's
// standard metrics, and what is in flight.
func (r *Router) Metrics() http.Handler { return r.telemetry.handler() }

// Problem is something in an object that the router does not honour.
type Problem struct {
	Object  string `json:"object"`          // such as "VirtualService default/web"
	Field   string `json:"field,omitempty"` // such as "spec.http[0].corsPolicy"
	Message string `json:"message"`
}

// String is one line for a person.
func (p Problem) String() string {
	return strings.TrimSpace(fmt.Sprintf("%s %s", p.Object, p.Field)) + ": " + p.Message
}
