package lab

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/canaryctl/canaryctl/lab/internal/node"
	"github.com/canaryctl/canaryctl/lab/internal/node/image"
	"github.com/canaryctl/canaryctl/lab/internal/prometheus"
	"github.com/canaryctl/canaryctl/lab/internal/router"
)

// prometheusMemory is for samples, in bytes: about an hour of the guide's Pods and all of its
// route, and little enough that the whole lab fits into 800 MB.
const prometheusMemory = 64 << 20

// parts are what runs in the lab's own process, beside the control plane.
type parts struct {
	router     *router.Router
	node       *node.Agent
	prometheus *prometheus.Prometheus

	since        time.Time
	prometheusAt netip.Addr    // nominal, behind Prometheus' Service
	resources    chan struct{} // closed once the custom resources are served
}

func (l *Lab) newParts() (*parts, error) {
	p := &parts{since: l.started, resources: make(chan struct{})}
	var err error
	if p.prometheusAt, err = l.table.Allocate(); err != nil {
		return nil, fmt.Errorf("find an address for Prometheus: %w", err)
	}
	p.router, err = router.New(router.Config{
		Kube:        l.access("router"),
		DialContext: l.table.DialContext,
		Log:         l.config.Log.With("part", "router"),
		Namespace:   "default",
	})
	if err != nil {
		return nil, err
	}
	if p.node, err = l.newNode(p.router.URL()); err != nil {
		return nil, err
	}
	p.prometheus, err = prometheus.New(prometheus.Config{
		Kube:        l.access("prometheus"),
		DialContext: l.table.DialContext,
		Log:         l.config.Log.With("part", "prometheus"),
		MaxBytes:    prometheusMemory,
		Extra:       []prometheus.Extra{{Job: "canary-lab-router", Handler: p.router.Metrics()}},
	})
	if err != nil {
		return nil, err
	}
	l.table.Map(p.prometheusAt, prometheusPort, strings.TrimPrefix(p.prometheus.URL(), "http://"))
	return p, nil
}

func (l *Lab) newNode(proxy string) (*node.Agent, error) {
	tls, err := l.plane.NodeTLS()
	if err != nil {
		return nil, err
	}
	paths, err := l.config.Dir.images(l.executable, l.config.Images)
	if err != nil {
		return nil, err
	}
	images := make(map[string]image.Image, len(paths))
	for name, path := range paths {
		images[name] = image.Executable(path)
	}
	return node.New(node.Config{
		REST:     l.access("node"),
		Net:      l.table,
		Starter:  l.guard,
		Dir:      l.config.Dir.path("node"),
		TLS:      tls,
		Images:   images,
		ProxyURL: proxy,
		ToolDir:  filepath.Dir(l.executable),
		Log:      l.config.Log.With("part", "node"),
	})
}

// access is a part's own, so that the API server can tell the parts apart.
func (l *Lab) access(part string) *rest.Config { return l.plane.RESTConfig("canary-lab/" + part) }

// run starts every part. Router and Prometheus wait for the custom resources: they look for those
// that are missing only once a second.
func (p *parts) run(ctx context.Context, group *errgroup.Group) {
	group.Go(func() error { return p.node.Run(ctx) })
	for _, run := range []func(context.Context) error{p.router.Run, p.prometheus.Run} {
		group.Go(func() error {
			if err := await(ctx, p.resources); err != nil {
				return err
			}
			return run(ctx)
		})
	}
}

// readiness tells, by name, when each part can be used.
func (p *parts) readiness() map[string]<-chan struct{} {
	return map[string]<-chan struct{}{
		"node":       p.node.Ready(),
		"router":     p.router.Ready(),
		"prometheus": p.prometheus.Ready(),
	}
}

func (p *parts) describe() []Component {
	return []Component{
		{Name: "node", State: state(p.node.Ready()), Address: net.JoinHostPort(node.Address, strconv.Itoa(node.KubeletPort)) + " (nominal)"},
		{Name: "router", State: state(p.router.Ready()), Address: strings.TrimPrefix(p.router.URL(), "http://")},
		{Name: "prometheus", State: state(p.prometheus.Ready()), Address: strings.TrimPrefix(p.prometheus.URL(), "http://")},
	}
}

// publish tells the cluster where the parts are.
func (p *parts) publish(ctx context.Context, client dynamic.Interface) error {
	if err := publishAddresses(ctx, client, p.router.URL(), p.prometheus.URL()); err != nil {
		return err
	}
	return publishPrometheus(ctx, client, p.prometheusAt, p.since)
}

func (p *parts) load(name, path string) error { return p.node.Load(name, path) }
