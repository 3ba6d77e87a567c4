// Package worker looks after one Pod: it runs the containers as processes,
// probes, restarts and stops them, and writes the Pod's status. Each Pod has one
// goroutine, which looks at everything anew whenever anything has happened; so
// the state of a Pod needs no locks and no order of events can confuse it.
package worker

import (
	"context"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/record"
	"k8s.io/utils/clock"

	"github.com/canaryctl/canaryctl/lab/internal/node/image"
	"github.com/canaryctl/canaryctl/lab/internal/node/logs"
	"github.com/canaryctl/canaryctl/lab/internal/node/process"
	"github.com/canaryctl/canaryctl/lab/internal/node/volume"
	"github.com/canaryctl/canaryctl/lab/internal/podnet"
)

// Node is what the workers of a node share.
type Node struct {
	Name    string
	Address string // nominal address of the node
	Client  kubernetes.Interface
	Source  volume.Source
	Events  record.EventRecorder
	Clock   clock.Clock
	Images  *image.Resolver
	Starter process.Starter
	Logs    *logs.Store
	Net     *podnet.Table
	Ports   *Ports
	// Dir holds the Pods' directories.
	Dir string
	// Path is the PATH of containers, and ToolDir what goes before it.
	Path    string
	ToolDir string
	// ProxyURL is the router, which containers use as their HTTP proxy. Optional.
	ProxyURL string
	// Backoff is that of restarts and image pulls.
	Backoff Backoff
	// StopGrace is what containers get when the lab itself stops.
	StopGrace time.Duration
	Log       *slog.Logger
}

// Worker looks after one Pod. Make one with New; Run does the work.
type Worker struct {
	*Node
	uid  string
	dir  string
	wake chan struct{}
	// tasks are the goroutines that wait for processes and stop them.
	tasks sync.WaitGroup

	mu     sync.Mutex
	latest *corev1.Pod
	gone   bool
	reload bool
	runs   map[string]*run // the last run of each container, for logs and attachments

	// All below belongs to Run's goroutine.
	pod         *corev1.Pod
	known       *corev1.PodStatus // what the API server has
	ip          netip.Addr
	began       metav1.Time
	init, main  []*container
	volumes     *volume.Volumes
	mounted     time.Time // when the volumes were last written
	mountError  string
	initialised bool
	ending      bool // no container is started any more
	over        bool // nothing runs any more, for good
	inherited   bool // it had ended before this worker began, and its status stays
	deleted     bool
	reason      string // of an end that the node brought about
	message     string
	next        time.Time // when to look again though nothing happened
}

// New returns a worker for a Pod that is bound to the node.
func New(node *Node, pod *corev1.Pod) *Worker {
	w := &Worker{
		Node: node, uid: string(pod.UID), dir: filepath.Join(node.Dir, string(pod.UID)),
		wake: make(chan struct{}, 1), latest: pod, pod: pod, runs: make(map[string]*run),
	}
	w.known = pod.Status.DeepCopy()
	w.began = metav1.NewTime(node.Clock.Now())
	w.init, w.main = newContainers(pod, node.Backoff, w.began)
	w.volumes = volume.New(filepath.Join(w.dir, "volumes"), node.Source, node.Clock)
	w.inherited = pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
	w.over, w.ending = w.inherited, w.inherited
	return w
}

// Update tells the worker what the API server says of its Pod.
func (w *Worker) Update(pod *corev1.Pod) {
	w.mu.Lock()
	w.latest = pod
	w.mu.Unlock()
	w.poke()
}

// Gone tells the worker that its Pod is no longer in the API.
func (w *Worker) Gone() {
	w.mu.Lock()
	w.gone = true
	w.mu.Unlock()
	w.poke()
}

// Reload has the worker look for missing images at once.
func (w *Worker) Reload() {
	w.mu.Lock()
	w.reload = true
	w.mu.Unlock()
	w.poke()
}

// poke has the worker look at everything again.
func (w *Worker) poke() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Run looks after the Pod until it is gone from the API, and leaves nothing of
// it behind. When ctx ends it stops the Pod's processes, and leaves the Pod in
// the API, and its logs, for the next lab.
func (w *Worker) Run(ctx context.Context) {
	defer w.tasks.Wait()
	for {
		w.next = time.Time{}
		if gone := w.look(); gone {
			w.abandon(ctx, 0)
			w.forget()
			return
		}
		w.sync(ctx)
		w.publish(ctx)
		w.conclude(ctx)
		if !w.sleep(ctx) {
			w.abandon(ctx, w.StopGrace)
			return
		}
	}
}

// look takes over what the others have told.
func (w *Worker) look() (gone bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pod = w.latest
	if w.reload {
		w.reload = false
		for _, c := range w.all() {
			c.failed = time.Time{}
		}
	}
	return w.gone
}

func (w *Worker) all() []*container {
	return append(append([]*container(nil), w.init...), w.main...)
}

// later asks for another look at that time.
func (w *Worker) later(at time.Time) {
	if w.next.IsZero() || at.Before(w.next) {
		w.next = at
	}
}

// sleep waits until something happens, and says whether ctx goes on.
func (w *Worker) sleep(ctx context.Context) bool {
	var alarm <-chan time.Time
	if !w.next.IsZero() {
		timer := w.Clock.NewTimer(max(0, w.next.Sub(w.Clock.Now())))
		defer timer.Stop()
		alarm = timer.C()
	}
	select {
	case <-w.wake:
		return true
	case <-alarm:
		return true
	case <-ctx.Done():
		return false
	}
}

// forget removes what the Pod left on this machine.
func (w *Worker) forget() {
	w.release()
	for _, err := range []error{os.RemoveAll(w.dir), w.Logs.Drop(w.uid)} {
		if err != nil {
			w.Log.Warn("remove what a Pod left", "pod", w.pod.Namespace+"/"+w.pod.Name, "error", err)
		}
	}
}
