package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"

	"github.com/canaryctl/canaryctl/test/labtest"
)

const app = "versioned-echo"

// ready is how many Pods of each version could answer from a moment on.
type ready struct {
	at   time.Time
	pods map[string]int
}

// witness sees every version of the route and every change of the Pods' readiness,
// past the faults.
type witness struct {
	mu     sync.Mutex
	routes []labtest.Sight
	pods   map[string]podState
	ready  []ready
	wrong  []error // what the route said that nobody can read

	stop []func()
}

type podState struct {
	version string
	ready   bool
}

// watchRelease watches a namespace until close.
func watchRelease(ctx context.Context, client dynamic.Interface, namespace string) (*witness, error) {
	w := &witness{pods: map[string]podState{}}
	for resource, see := range map[schema.GroupVersionResource]func(apiwatch.EventType, *unstructured.Unstructured){
		labtest.VirtualServices():         w.seeRoute,
		{Version: "v1", Resource: "pods"}: w.seePod,
	} {
		stop, err := labtest.Follow(ctx, client.Resource(resource).Namespace(namespace), see)
		if err != nil {
			w.close()
			return nil, fmt.Errorf("watch %s: %w", resource.Resource, err)
		}
		w.stop = append(w.stop, stop)
	}
	return w, nil
}

func (w *witness) close() {
	for _, stop := range w.stop {
		stop()
	}
	w.stop = nil
}

func (w *witness) seeRoute(kind apiwatch.EventType, u *unstructured.Unstructured) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if kind == apiwatch.Deleted || u.GetName() != labtest.Route {
		return
	}
	s, err := labtest.ReadRoute(u)
	if err != nil {
		w.wrong = append(w.wrong, fmt.Errorf("version %s of the route: %w", u.GetResourceVersion(), err))
		return
	}
	w.routes = append(w.routes, s)
}

func (w *witness) seePod(kind apiwatch.EventType, u *unstructured.Unstructured) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pods[u.GetName()] = podState{u.GetLabels()["version"], kind != apiwatch.Deleted && isReady(u)}
	now := ready{time.Now(), map[string]int{}}
	for _, p := range w.pods {
		if p.ready {
			now.pods[p.version]++
		}
	}
	w.ready = append(w.ready, now)
}

func isReady(pod *unstructured.Unstructured) bool {
	if pod.GetDeletionTimestamp() != nil {
		return false
	}
	conditions, _, _ := unstructured.NestedSlice(pod.Object, "status", "conditions")
	for _, c := range conditions {
		if c, ok := c.(map[string]any); ok && c["type"] == "Ready" {
			return c["status"] == "True"
		}
	}
	return false
}

// last is the route as it is.
func (w *witness) last() labtest.Sight {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.routes[len(w.routes)-1]
}

// seen is a copy of everything, to judge by.
func (w *witness) seen() ([]labtest.Sight, []ready, []error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.routes), slices.Clone(w.ready), slices.Clone(w.wrong)
}
