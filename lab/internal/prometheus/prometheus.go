// Package prometheus is the lab's Prometheus: the real PromQL engine and the
// real parsers of expositions, over a small store in memory. It scrapes Pods
// that are annotated or selected by ServiceMonitors and PodMonitors, evaluates
// PrometheusRules, and serves the HTTP API that clients and Grafana use.
package prometheus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"k8s.io/client-go/rest"

	"github.com/canaryctl/canaryctl/lab/internal/serve"
	"github.com/canaryctl/canaryctl/lab/internal/watch"
)

// Config is what a Prometheus needs. DialContext and Kube have no default.
type Config struct {
	// Kube is the API server that targets and rules are read from.
	Kube *rest.Config
	// Listen is the address of the HTTP API; default 127.0.0.1:0.
	Listen string
	// DialContext connects to a Pod by its nominal "ip:port". Scrapes dial
	// nothing by any other way.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)
	Log         *slog.Logger
	// Interval is how often everything is scraped, and rules are evaluated that
	// name no interval; default 1 s. Longer intervals that monitors ask for are
	// shortened to it, so that the minutes of a demonstration are enough.
	Interval time.Duration
	// Retention is how long samples are kept; default 3 h.
	Retention time.Duration
	// MaxBytes bounds the samples in memory: past it, the oldest go before their
	// time. Default 256 MiB.
	MaxBytes int
	// MaxSeries bounds the series; default 100,000.
	MaxSeries int
	// Extra targets live in this process, such as the router.
	Extra []Extra
}

// Extra is a target whose handler is called without a network.
type Extra struct {
	Job     string
	Labels  map[string]string
	Handler http.Handler
}

func (c *Config) complete() error {
	if c.DialContext == nil {
		return errors.New("make a Prometheus: no DialContext: it would have no way to reach a Pod")
	}
	if c.Listen == "" {
		c.Listen = "127.0.0.1:0"
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Interval == 0 {
		c.Interval = time.Second
	}
	if c.Retention == 0 {
		c.Retention = 3 * time.Hour
	}
	if c.MaxBytes == 0 {
		c.MaxBytes = 256 << 20
	}
	if c.MaxSeries == 0 {
		c.MaxSeries = 100_000
	}
	return nil
}

// Prometheus scrapes, stores and answers. Make one with New, then Run it.
type Prometheus struct {
	config   Config
	listener net.Listener
	watch    *watch.Set
	world    sources
	store    *store
	parser   parser.Parser
	engine   *promql.Engine
	rules    *ruler
	targets  *targets
	started  time.Time
	ready    chan struct{}
}

// New opens the port, so that URL is known before Run.
func New(config Config) (*Prometheus, error) {
	if err := config.complete(); err != nil {
		return nil, err
	}
	set, err := watch.New(config.Kube, config.Log)
	if err != nil {
		return nil, fmt.Errorf("make a Prometheus: %w", err)
	}
	p := newEngine(config)
	p.watch, p.world = set, follow(set)
	if p.listener, err = net.Listen("tcp", config.Listen); err != nil {
		return nil, fmt.Errorf("listen on %s for Prometheus: %w", config.Listen, err)
	}
	return p, nil
}

// newEngine makes the part that needs neither API server nor port.
func newEngine(config Config) *Prometheus {
	syntax := parser.NewParser(parser.Options{})
	p := &Prometheus{
		config:  config,
		store:   newStore(config.Retention, config.MaxSeries, config.MaxBytes),
		parser:  syntax,
		started: time.Now(),
		ready:   make(chan struct{}),
		engine: promql.NewEngine(promql.EngineOpts{
			Logger:                   config.Log,
			MaxSamples:               50_000_000,
			Timeout:                  time.Minute,
			LookbackDelta:            5 * time.Minute,
			NoStepSubqueryIntervalFn: func(int64) int64 { return config.Interval.Milliseconds() },
			EnableAtModifier:         true,
			EnableNegativeOffset:     true,
			Parser:                   syntax,
		}),
	}
	p.rules = newRuler(p)
	p.targets = newTargets(p.store, config)
	return p
}

// Run scrapes and answers until ctx ends, and returns when all goroutines have.
func (p *Prometheus) Run(ctx context.Context) error {
	defer p.engine.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var running sync.WaitGroup
	var watchErr error
	running.Go(func() { watchErr = p.watch.Run(ctx) })
	running.Go(func() { p.targets.run(ctx) })
	running.Go(func() { p.follow(ctx) })
	running.Go(func() { p.rules.run(ctx) })
	running.Go(func() { p.sweep(ctx) })
	err := p.serve(ctx)
	cancel()
	running.Wait()
	return errors.Join(err, watchErr)
}

// follow adapts targets and rules to every change of the cluster.
func (p *Prometheus) follow(ctx context.Context) {
	select {
	case <-p.watch.Synced():
	case <-ctx.Done():
		return
	}
	extra := append(slices.Clone(p.config.Extra), Extra{Job: "kube-state-metrics", Handler: p.world.state()})
	for first := true; ; first = false {
		p.targets.want(ctx, append(p.world.endpoints(p.config.Interval), inProcess(extra, p.config.Interval)...))
		p.rules.load(p.world.rules.List())
		if first {
			close(p.ready)
		}
		select {
		case <-p.watch.Changed():
		case <-ctx.Done():
			return
		}
	}
}

// sweep forgets old samples.
func (p *Prometheus) sweep(ctx context.Context) {
	ticker := time.NewTicker(30 * time.Second)
	defer ticker.Stop()
	for {
		select {
		case now := <-ticker.C:
			horizon := p.store.sweep(now)
			if kept := now.Sub(horizon); kept < p.config.Retention {
				p.config.Log.Warn("prometheus: there is too much to keep; keeping less of the past",
					"bytes", p.config.MaxBytes, "series", p.config.MaxSeries, "kept", kept)
			}
		case <-ctx.Done():
			return
		}
	}
}

// serve runs the HTTP API until ctx ends.
func (p *Prometheus) serve(ctx context.Context) error {
	errors := slog.NewLogLogger(p.config.Log.Handler(), slog.LevelDebug)
	if err := serve.Until(ctx, p.listener, p.Handler(), errors); err != nil {
		return fmt.Errorf("serve Prometheus on %s: %w", p.listener.Addr(), err)
	}
	return nil
}

// Ready is closed when the first targets are being scraped.
func (p *Prometheus) Ready() <-chan struct{} { return p.ready }

// URL is where the HTTP API answers.
func (p *Prometheus) URL() string { return "http://" + p.listener.Addr().String() }
