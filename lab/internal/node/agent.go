package node

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/record"

	"github.com/canaryctl/canaryctl/lab/internal/node/image"
	"github.com/canaryctl/canaryctl/lab/internal/node/logs"
	"github.com/canaryctl/canaryctl/lab/internal/node/stream"
	"github.com/canaryctl/canaryctl/lab/internal/node/worker"
)

// Agent is the node. Make one with New.
type Agent struct {
	config Config
	client kubernetes.Interface
	images *image.Resolver
	logs   *logs.Store
	ready  chan struct{}
	pods   *pods
}

// New returns a node that does nothing until Run.
func New(config Config) (*Agent, error) {
	if err := config.complete(); err != nil {
		return nil, err
	}
	client, err := kubernetes.NewForConfig(config.REST)
	if err != nil {
		return nil, fmt.Errorf("make the node's client: %w", err)
	}
	return newAgent(config, client), nil
}

func newAgent(config Config, client kubernetes.Interface) *Agent {
	a := &Agent{
		config: config,
		client: client,
		images: image.NewResolver(config.Images),
		logs:   logs.NewStore(filepath.Join(config.Dir, "logs"), config.Clock),
		ready:  make(chan struct{}),
	}
	a.pods = newPods()
	return a
}

// Load makes the executable at path stand for an image from now on; Pods that
// wait for it start.
func (a *Agent) Load(image, path string) error { return a.images.Load(image, path) }

// Ready is closed when the node takes Pods.
func (a *Agent) Ready() <-chan struct{} { return a.ready }

// Run is the node's life: it ends with ctx, and all containers with it.
func (a *Agent) Run(ctx context.Context) error {
	server, err := stream.Listen(ctx, a.config.TLS, a.pods)
	if err != nil {
		return err
	}
	a.config.Net.Map(address(), KubeletPort, server.Addr())
	defer a.config.Net.Unmap(address(), KubeletPort)

	broadcaster := record.NewBroadcaster(record.WithContext(ctx))
	defer broadcaster.Shutdown()
	broadcaster.StartRecordingToSink(&typedcorev1.EventSinkImpl{Interface: a.client.CoreV1().Events("")})
	recorder := func(component string) record.EventRecorder {
		return broadcaster.NewRecorder(scheme.Scheme, corev1.EventSource{Component: component, Host: Name})
	}

	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return server.Run(ctx) })
	group.Go(func() error {
		if err := a.register(ctx); err != nil {
			return err
		}
		lease := a.lease()
		group.Go(func() error { lease.Run(ctx); return nil })
		group.Go(func() error { a.heartbeat(ctx); return nil })
		return a.watch(ctx, recorder)
	})
	if err := group.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("node %s: %w", Name, err)
	}
	return nil
}

// shared is what the workers have in common.
func (a *Agent) shared(recorder record.EventRecorder) *worker.Node {
	return &worker.Node{
		Name: Name, Address: Address,
		Client: a.client, Source: &objects{client: a.client, ca: a.config.REST.TLSClientConfig},
		Events: recorder, Clock: a.config.Clock, Images: a.images, Starter: a.config.Starter,
		Logs: a.logs, Net: a.config.Net, Ports: worker.NewPorts(a.config.Random),
		Dir:  filepath.Join(a.config.Dir, "pods"),
		Path: a.config.Path, ToolDir: a.config.ToolDir, ProxyURL: a.config.ProxyURL,
		Backoff: a.config.Backoff, StopGrace: a.config.StopGrace, Log: a.config.Log,
	}
}
