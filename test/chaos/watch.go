package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/watch"

	"github.com/canaryctl/canaryctl/internal/canary"
)

const (
	app       = "versioned-echo"
	routeName = "versioned-echo-virtualservice"
)

func routes() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "networking.istio.io", Version: "v1", Resource: "virtualservices"}
}

// sight is one version of the route, as the API server had it.
type sight struct {
	at       time.Time // when the watch told of it
	version  string
	rules    []map[string]int // of every rule, the weights by subset
	position *canary.Position // nil where the route carries none
	history  []canary.Ended
}

// weight is what the first rule gives a version.
func (s sight) weight(version string) int { return s.rules[0][version] }

// release is where the release stands by this version of the route; the zero value
// where it does not say.
func (s sight) release() canary.Release {
	if s.position == nil || s.position.Release == nil {
		return canary.Release{}
	}
	return *s.position.Release
}

// ready is how many Pods of each version could answer from a moment on.
type ready struct {
	at   time.Time
	pods map[string]int
}

// witness sees every version of the route and every change of the Pods' readiness,
// past the faults.
type witness struct {
	mu     sync.Mutex
	routes []sight
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
		routes():                          w.seeRoute,
		{Version: "v1", Resource: "pods"}: w.seePod,
	} {
		if err := w.follow(ctx, client.Resource(resource).Namespace(namespace), see); err != nil {
			w.close()
			return nil, fmt.Errorf("watch %s: %w", resource.Resource, err)
		}
	}
	return w, nil
}

// follow goes on from the version that was seen last, so that a restart of the API
// server hides nothing.
func (w *witness) follow(ctx context.Context, resource dynamic.ResourceInterface, see func(apiwatch.EventType, *unstructured.Unstructured)) error {
	list, err := resource.List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	for _, item := range list.Items {
		see(apiwatch.Added, &item)
	}
	retry, err := watch.NewRetryWatcherWithContext(ctx, list.GetResourceVersion(), &cache.ListWatch{
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (apiwatch.Interface, error) {
			return resource.Watch(ctx, o)
		},
	})
	if err != nil {
		return err
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for event := range retry.ResultChan() {
			if u, ok := event.Object.(*unstructured.Unstructured); ok {
				see(event.Type, u)
			}
		}
	}()
	w.stop = append(w.stop, func() { retry.Stop(); <-done })
	return nil
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
	if kind == apiwatch.Deleted || u.GetName() != routeName {
		return
	}
	s, err := readRoute(u)
	if err != nil {
		w.wrong = append(w.wrong, fmt.Errorf("version %s of the route: %w", u.GetResourceVersion(), err))
		return
	}
	s.at = time.Now()
	w.routes = append(w.routes, s)
}

func readRoute(u *unstructured.Unstructured) (sight, error) {
	s := sight{version: u.GetResourceVersion()}
	raw, err := json.Marshal(u.Object["spec"])
	if err != nil {
		return s, err
	}
	var spec struct {
		HTTP []struct {
			Route []struct {
				Destination struct{ Subset string }
				Weight      int
			}
		}
	}
	if err := json.Unmarshal(raw, &spec); err != nil {
		return s, err
	}
	if len(spec.HTTP) == 0 {
		return s, fmt.Errorf("it has no rule")
	}
	for _, rule := range spec.HTTP {
		weights := map[string]int{}
		for _, d := range rule.Route {
			weights[d.Destination.Subset] = d.Weight
		}
		if len(rule.Route) == 1 && rule.Route[0].Weight == 0 {
			weights[rule.Route[0].Destination.Subset] = canary.Total // one destination needs no weight
		}
		s.rules = append(s.rules, weights)
	}
	if text := u.GetAnnotations()[canary.HistoryAnnotation]; text != "" {
		if err := json.Unmarshal([]byte(text), &s.history); err != nil {
			return s, fmt.Errorf("its history: %w", err)
		}
	}
	if text := u.GetAnnotations()[canary.Annotation]; text != "" {
		s.position = &canary.Position{}
		if err := json.Unmarshal([]byte(text), s.position); err != nil {
			return s, fmt.Errorf("its position: %w", err)
		}
	}
	return s, nil
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
func (w *witness) last() sight {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.routes[len(w.routes)-1]
}

// readyPods is how many Pods of a version can answer now.
func (w *witness) readyPods(version string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, p := range w.pods {
		if p.ready && p.version == version {
			n++
		}
	}
	return n
}

// seen is a copy of everything, to judge by.
func (w *witness) seen() ([]sight, []ready, []error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.routes), slices.Clone(w.ready), slices.Clone(w.wrong)
}
