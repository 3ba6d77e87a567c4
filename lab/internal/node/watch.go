package node

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"

	"github.com/canaryctl/canaryctl/lab/internal/node/worker"
)

// watch follows the Pods: those of this node get workers, those of none are
// placed. There is one node, so one informer for all Pods shows no more than two
// with selectors would.
func (a *Agent) watch(ctx context.Context, recorder func(component string) record.EventRecorder) error {
	factory := informers.NewSharedInformerFactory(a.client, 0)
	informer := factory.Core().V1().Pods()
	node := a.shared(recorder("kubelet"))
	scheduler := &scheduler{
		client: a.client, pods: informer.Lister(), events: recorder("default-scheduler"),
		log: a.config.Log, wake: make(chan struct{}, 1),
	}

	var workers sync.WaitGroup
	defer workers.Wait()
	run := func(pod *corev1.Pod) {
		scheduler.poke()
		if pod.Spec.NodeName != Name {
			return
		}
		w, added := a.pods.put(pod, func() *worker.Worker { return worker.New(node, pod) })
		if added {
			workers.Go(func() { w.Run(ctx) })
		}
	}
	handler, err := informer.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(object any) { run(object.(*corev1.Pod)) },
		UpdateFunc: func(_, object any) { run(object.(*corev1.Pod)) },
		DeleteFunc: func(object any) {
			scheduler.poke()
			if last, ok := object.(cache.DeletedFinalStateUnknown); ok {
				object = last.Obj
			}
			a.pods.drop(object.(*corev1.Pod))
		},
	})
	if err != nil {
		return err
	}
	factory.StartWithContext(ctx)
	defer factory.Shutdown() // before the workers are waited for: it adds no more then
	if !cache.WaitForCacheSync(ctx.Done(), handler.HasSynced) {
		return ctx.Err()
	}
	a.sweep()
	close(a.ready)

	workers.Go(func() { scheduler.run(ctx) })
	for {
		changed := a.images.Changed()
		select {
		case <-changed:
			a.pods.reload()
		case <-ctx.Done():
			return nil
		}
	}
}

// sweep removes what a former lab left of Pods that were deleted without it.
func (a *Agent) sweep() {
	for _, dir := range []string{"pods", "logs"} {
		entries, err := os.ReadDir(filepath.Join(a.config.Dir, dir))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			a.config.Log.Warn("look for what deleted Pods left", "error", err)
		}
		for _, entry := range entries {
			if a.pods.knows(types.UID(entry.Name())) {
				continue
			}
			if err := os.RemoveAll(filepath.Join(a.config.Dir, dir, entry.Name())); err != nil {
				a.config.Log.Warn("remove what a deleted Pod left", "error", err)
			}
		}
	}
}
