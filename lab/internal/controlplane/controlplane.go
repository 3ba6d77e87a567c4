// Package controlplane runs a real Kubernetes control plane on loopback: etcd,
// kube-apiserver and kube-controller-manager.
//
// Their global flags and registries want a process each, so the lab's own executable is
// started again under their names (see Main).
package controlplane

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/rest"

	"github.com/canaryctl/canaryctl/lab/internal/proc"
	"github.com/canaryctl/canaryctl/lab/internal/stack"
)

// Config is what a control plane needs.
type Config struct {
	// Dir is the state directory: keys, data, logs. Made with mode 0700 when missing.
	Dir string
	// Executable is the program whose main calls Main. Default: this very program.
	Executable string
	// Guard ties the processes to the life of the lab.
	Guard *proc.Guard
	// ServeConnect answers the API server's HTTP CONNECT requests for Pods and nodes,
	// until its context ends.
	ServeConnect func(context.Context, net.Listener) error
	// Port is the API server's, if it is free; otherwise, and with 0, any free port.
	Port int
	// NodeAddress is the address that the node's certificate is issued for.
	NodeAddress net.IP
	Log         *slog.Logger
}

func (c *Config) complete() error {
	if c.Dir == "" || c.Guard == nil || c.ServeConnect == nil {
		return errors.New("make a control plane: Dir, Guard and ServeConnect are required")
	}
	if c.Executable == "" {
		self, err := os.Executable()
		if err != nil {
			return fmt.Errorf("find the lab's own executable: %w", err)
		}
		c.Executable = self
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return nil
}

// Process is one running part of the control plane.
type Process struct {
	Name    string
	Pid     int
	Address string
	Started time.Time
}

// ControlPlane is made by New and run once by Run.
type ControlPlane struct {
	config Config
	layout layout
	keys   *keys
	port   int
	ready  chan struct{}

	mu        sync.Mutex
	processes []Process
}

// New makes keys, certificates and the kubeconfig, and chooses the port.
func New(config Config) (*ControlPlane, error) {
	if err := config.complete(); err != nil {
		return nil, err
	}
	at := layout(config.Dir)
	if err := at.make(); err != nil {
		return nil, err
	}
	keys, err := issueKeys(at, config.NodeAddress, time.Now())
	if err != nil {
		return nil, err
	}
	port, err := freePort(config.Port)
	if err != nil {
		return nil, err
	}
	p := &ControlPlane{config: config, layout: at, keys: keys, port: port, ready: make(chan struct{})}
	if err := p.writeKubeconfigs(); err != nil {
		return nil, err
	}
	return p, nil
}

// Run starts the processes, and stops them when ctx ends or one of them fails. An
// API server that is killed comes back; its store and its address are the same.
func (p *ControlPlane) Run(ctx context.Context) error {
	if err := p.writeEgressConfig(); err != nil {
		return err
	}
	egress, err := ListenUnix(p.layout.egressSocket())
	if err != nil {
		return err
	}

	// etcd outlives the API server, which would spend its last seconds looking for it.
	return stack.Run(ctx,
		func(ctx context.Context) error { return p.run(ctx, p.etcd()) },
		func(ctx context.Context) error {
			group, ctx := errgroup.WithContext(ctx)
			group.Go(func() error { return p.config.ServeConnect(ctx, egress) })
			group.Go(func() error { return p.keep(ctx, p.apiServer()) })
			group.Go(func() error {
				if err := p.awaitReady(ctx); err != nil {
					return err
				}
				close(p.ready)
				return p.run(ctx, p.controllerManager())
			})
			return group.Wait()
		})
}

// Ready is closed once the API server says that it is ready.
func (p *ControlPlane) Ready() <-chan struct{} { return p.ready }

// URL is the API server's.
func (p *ControlPlane) URL() string { return "https://" + p.address() }

// Port is the API server's.
func (p *ControlPlane) Port() int { return p.port }

// Kubeconfig is the file of the administrator's kubeconfig.
func (p *ControlPlane) Kubeconfig() string { return p.layout.kubeconfig() }

// RESTConfig is the access of one of the lab's own parts, with every right. The
// lab's parts are few and trusted, so they are not throttled.
func (p *ControlPlane) RESTConfig(userAgent string) *rest.Config {
	return &rest.Config{
		Host:      p.URL(),
		UserAgent: userAgent,
		QPS:       -1,
		TLSClientConfig: rest.TLSClientConfig{
			CAData:   p.keys.ca.certPEM,
			CertData: p.keys.lab.certPEM,
			KeyData:  p.keys.lab.keyPEM,
		},
	}
}

// NodeTLS is what the node's server needs to be believed by the API server, and
// to believe nobody else.
func (p *ControlPlane) NodeTLS() (*tls.Config, error) { return p.keys.nodeTLS() }

// Processes are those that run, in the order they were started.
func (p *ControlPlane) Processes() []Process {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.processes)
}

func (p *ControlPlane) address() string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(p.port))
}

// freePort returns the preferred port if nobody has it, else any that is free. Whoever
// takes it between here and the API server's start makes the start fail, audibly.
func freePort(preferred int) (int, error) {
	for _, port := range []int{preferred, 0} {
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			continue
		}
		defer func() { _ = l.Close() }()
		return l.Addr().(*net.TCPAddr).Port, nil
	}
	return 0, errors.New("find a free port on 127.0.0.1: there is none")
}
