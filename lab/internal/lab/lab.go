// Package lab puts the parts together: a control plane, a node, a router and Prometheus,
// which make a Kubernetes laboratory on one machine's loopback.
package lab

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/canaryctl/canaryctl/lab/internal/controlplane"
	"github.com/canaryctl/canaryctl/lab/internal/node"
	"github.com/canaryctl/canaryctl/lab/internal/podnet"
	"github.com/canaryctl/canaryctl/lab/internal/proc"
	"github.com/canaryctl/canaryctl/lab/internal/stack"
)

// Config is what a lab needs.
type Config struct {
	Dir Dir
	// Images are executables by image name, beyond those that every lab knows.
	Images map[string]string
	// Reset forgets what an earlier lab in Dir kept.
	Reset bool
	// Progress is told of each step of the start, from several goroutines. Default: nobody.
	Progress func(Progress)
	Log      *slog.Logger
}

// Progress is news about one step of the start.
type Progress struct {
	Step string        `json:"step"`
	Done bool          `json:"done"` // otherwise it begins
	Took time.Duration `json:"took,omitempty"`
}

// Lab is made by New and run once by Run.
type Lab struct {
	config     Config
	executable string
	started    time.Time
	ready      chan struct{}

	guard *proc.Guard
	table *podnet.Table
	plane *controlplane.ControlPlane
	parts *parts
	kube  clients
	stop  context.CancelFunc

	mu    sync.Mutex
	state State
}

// clients are the lab's own access to its API server.
type clients struct {
	rest    *rest.Config
	dynamic dynamic.Interface
	typed   kubernetes.Interface
}

// New checks the configuration. It starts nothing.
func New(config Config) (*Lab, error) {
	if config.Dir == "" {
		return nil, errors.New("make a lab: no state directory")
	}
	if config.Progress == nil {
		config.Progress = func(Progress) {}
	}
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	executable, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find the lab's own executable: %w", err)
	}
	return &Lab{config: config, executable: executable, ready: make(chan struct{})}, nil
}

// Ready is closed once the lab can be worked with: Pods are admitted, run, and are routed to.
func (l *Lab) Ready() <-chan struct{} { return l.ready }

// Run starts the lab and stops it when ctx ends, when it is asked to through its control
// socket, or when a part fails. A directory that another lab holds is ErrRunning.
func (l *Lab) Run(ctx context.Context) error {
	dir := l.config.Dir
	unlock, err := dir.lock()
	if err != nil {
		return err
	}
	defer unlock()
	if err := dir.sweep(ctx); err != nil {
		return err
	}
	if l.config.Reset {
		if err := dir.remove(cluster()); err != nil {
			return err
		}
	}
	l.started = time.Now()
	ctx, l.stop = context.WithCancel(ctx)
	defer l.stop()
	if err := l.prepare(); err != nil {
		return err
	}
	defer func() { _ = l.guard.Close() }()

	control, err := controlplane.ListenUnix(dir.socket()) // the directory's mode says who may use it
	if err != nil {
		return err
	}
	err = stack.Run(ctx,
		func(ctx context.Context) error { return l.serveControl(ctx, control) },
		func(ctx context.Context) error { return stack.Run(ctx, l.plane.Run, l.build) },
	)
	return errors.Join(err, dir.forget())
}

// prepare makes everything that needs no API server yet.
func (l *Lab) prepare() (err error) {
	if l.guard, err = proc.NewGuard(); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = l.guard.Close()
		}
	}()
	l.table = podnet.NewTable()
	l.plane, err = controlplane.New(controlplane.Config{
		Dir:          string(l.config.Dir),
		Executable:   l.executable,
		Guard:        l.guard,
		ServeConnect: l.table.ServeConnect,
		Port:         l.config.Dir.lastPort(),
		NodeAddress:  net.ParseIP(node.Address),
		Log:          l.config.Log,
	})
	if err != nil {
		return err
	}
	if l.kube, err = newClients(l.plane.RESTConfig("canary-lab")); err != nil {
		return err
	}
	if l.parts, err = l.newParts(); err != nil {
		return err
	}
	return l.record(false)
}

func newClients(config *rest.Config) (clients, error) {
	typed, err := kubernetes.NewForConfig(config)
	if err != nil {
		return clients{}, fmt.Errorf("make a client of the API server: %w", err)
	}
	untyped, err := dynamic.NewForConfig(config)
	if err != nil {
		return clients{}, fmt.Errorf("make a client of the API server: %w", err)
	}
	return clients{config, untyped, typed}, nil
}

// record writes on disk what runs.
func (l *Lab) record(ready bool) error {
	self, err := proc.Self()
	if err != nil {
		return err
	}
	state := State{
		Lab:        self,
		Kubernetes: l.plane.URL(),
		Router:     l.parts.router.URL(),
		Prometheus: l.parts.prometheus.URL(),
		Started:    l.started,
		Ready:      ready,
	}
	pids := []int{l.guard.Pid()}
	for _, process := range l.plane.Processes() {
		pids = append(pids, process.Pid)
	}
	for _, pid := range pids {
		// One that ended meanwhile is nobody's worry here: its end stops the lab.
		if id, err := proc.Identify(pid); err == nil {
			state.Processes = append(state.Processes, id)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state = state
	return l.config.Dir.writeState(state)
}
