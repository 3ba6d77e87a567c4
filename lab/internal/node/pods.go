package node

import (
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/canaryctl/canaryctl/lab/internal/node/worker"
)

// pods are the workers of the node's Pods. It is safe for concurrent use.
type pods struct {
	mu      sync.RWMutex
	workers map[types.UID]*worker.Worker
	names   map[types.NamespacedName]types.UID
}

func newPods() *pods {
	return &pods{workers: make(map[types.UID]*worker.Worker), names: make(map[types.NamespacedName]types.UID)}
}

func nameOf(pod *corev1.Pod) types.NamespacedName {
	return types.NamespacedName{Namespace: pod.Namespace, Name: pod.Name}
}

// put gives the Pod to its worker, and says whether there was one.
func (p *pods) put(pod *corev1.Pod, add func() *worker.Worker) (w *worker.Worker, added bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if w, ok := p.workers[pod.UID]; ok {
		w.Update(pod)
		return w, false
	}
	w = add()
	p.workers[pod.UID] = w
	p.names[nameOf(pod)] = pod.UID
	return w, true
}

// drop takes a worker out whose Pod is gone from the API.
func (p *pods) drop(pod *corev1.Pod) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if w, ok := p.workers[pod.UID]; ok {
		w.Gone()
		delete(p.workers, pod.UID)
	}
	if p.names[nameOf(pod)] == pod.UID {
		delete(p.names, nameOf(pod))
	}
}

// reload has every worker look for its images anew.
func (p *pods) reload() {
	p.mu.RLock()
	defer p.mu.RUnlock()
	for _, w := range p.workers {
		w.Reload()
	}
}

// knows says whether the Pod has a worker.
func (p *pods) knows(uid types.UID) bool {
	p.mu.RLock()
	defer p.mu.RUnlock()
	_, ok := p.workers[uid]
	return ok
}

// Pod returns the worker of a Pod, by its name; the stream server asks.
func (p *pods) Pod(namespace, name string) (*worker.Worker, bool) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	w, ok := p.workers[p.names[types.NamespacedName{Namespace: namespace, Name: name}]]
	return w, ok
}
