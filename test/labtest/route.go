package labtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/canaryctl/canaryctl/internal/canary"
)

// Route is the name of the VirtualService in k8s/base.
const Route = "versioned-echo-virtualservice"

// VirtualServices is the resource that it is of.
func VirtualServices() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "networking.istio.io", Version: "v1", Resource: "virtualservices"}
}

// Client acts with the administrator's rights.
func (l *Lab) Client() (dynamic.Interface, error) {
	config, err := clientcmd.BuildConfigFromFlags("", l.Kubeconfig())
	if err != nil {
		return nil, err
	}
	config.QPS = -1 // a watch must not wait for its turn
	return dynamic.NewForConfig(config)
}

// Sight is one version of the route, as the API server had it.
type Sight struct {
	At       time.Time // when it was seen
	Version  string
	Rules    []map[string]canary.Percent // of every rule, the weights by subset
	Position *canary.Position            // nil where the route carries none
	History  []canary.Ended
}

// Weight is what the first rule gives a version.
func (s Sight) Weight(version string) canary.Percent { return s.Rules[0][version] }

// Release is where the release stands by this version of the route; the zero value
// where it does not say.
func (s Sight) Release() canary.Release {
	if s.Position == nil || s.Position.Release == nil {
		return canary.Release{}
	}
	return *s.Position.Release
}

// ReadRoute reads a VirtualService.
func ReadRoute(u *unstructured.Unstructured) (Sight, error) {
	s := Sight{At: time.Now(), Version: u.GetResourceVersion()}
	raw, err := json.Marshal(u.Object["spec"])
	if err != nil {
		return s, err
	}
	var spec struct {
		HTTP []struct {
			Route []struct {
				Destination struct{ Subset string }
				Weight      canary.Percent
			}
		}
	}
	if err := json.Unmarshal(raw, &spec); err != nil {
		return s, err
	}
	if len(spec.HTTP) == 0 {
		return s, errors.New("it has no rule")
	}
	for _, rule := range spec.HTTP {
		weights := map[string]canary.Percent{}
		for _, d := range rule.Route {
			weights[d.Destination.Subset] = d.Weight
		}
		if len(rule.Route) == 1 && rule.Route[0].Weight == 0 {
			weights[rule.Route[0].Destination.Subset] = canary.Total // one destination needs no weight
		}
		s.Rules = append(s.Rules, weights)
	}
	if text := u.GetAnnotations()[canary.HistoryAnnotation]; text != "" {
		if err := json.Unmarshal([]byte(text), &s.History); err != nil {
			return s, fmt.Errorf("its history: %w", err)
		}
	}
	if text := u.GetAnnotations()[canary.Annotation]; text != "" {
		s.Position = &canary.Position{}
		if err := json.Unmarshal([]byte(text), s.Position); err != nil {
			return s, fmt.Errorf("its position: %w", err)
		}
	}
	return s, nil
}

// Follow tells see of every object there is, and of every change, until stop, which
// waits for the last. It outlives the API server: it goes on from what was seen last.
// (client-go's RetryWatcher gives up where a connection is refused.)
func Follow(ctx context.Context, resource dynamic.ResourceInterface, see func(apiwatch.EventType, *unstructured.Unstructured)) (stop func(), err error) {
	f := follower{resource, see}
	last, err := f.list(ctx)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			last = f.watch(ctx, last)
			select {
			case <-ctx.Done():
			case <-time.After(50 * time.Millisecond):
			}
		}
	}()
	return func() { cancel(); <-done }, nil
}

type follower struct {
	resource dynamic.ResourceInterface
	see      func(apiwatch.EventType, *unstructured.Unstructured)
}

// list tells of all there is, and returns the version that it is of.
func (f follower) list(ctx context.Context) (string, error) {
	list, err := f.resource.List(ctx, metav1.ListOptions{})
	if err != nil {
		return "", err
	}
	for _, item := range list.Items {
		f.see(apiwatch.Added, &item)
	}
	return list.GetResourceVersion(), nil
}

// watch is one watch from a version on; it returns the one that it came to.
func (f follower) watch(ctx context.Context, last string) string {
	watch, err := f.resource.Watch(ctx, metav1.ListOptions{ResourceVersion: last, AllowWatchBookmarks: true})
	if err != nil {
		return f.after(ctx, err, last)
	}
	defer watch.Stop()
	for event := range watch.ResultChan() {
		u, ok := event.Object.(*unstructured.Unstructured)
		if !ok || event.Type == apiwatch.Error {
			return f.after(ctx, apierrors.FromObject(event.Object), last)
		}
		if last = u.GetResourceVersion(); event.Type != apiwatch.Bookmark {
			f.see(event.Type, u)
		}
	}
	return last
}

// after is where to go on from after an error: an API server that has just begun
// remembers nothing of before, and then nothing was written since it ended.
func (f follower) after(ctx context.Context, err error, last string) string {
	if !apierrors.IsResourceExpired(err) && !apierrors.IsGone(err) {
		return last
	}
	if fresh, err := f.list(ctx); err == nil {
		return fresh
	}
	return last
}
