package labtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

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
	return dynamic.NewForConfig(config)
}

// Sight is one version of the route, as the API server had it.
type Sight struct {
	At       time.Time // when it was seen
	Version  string
	Rules    []map[string]int // of every rule, the weights by subset
	Position *canary.Position // nil where the route carries none
	History  []canary.Ended
}

// Weight is what the first rule gives a version.
func (s Sight) Weight(version string) int { return s.Rules[0][version] }

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
				Weight      int
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
		weights := map[string]int{}
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
// waits for the last. Whatever happens to the API server, it goes on from what was
// seen last, so that nothing is hidden. (client-go's RetryWatcher gives up where a
// connection is refused.)
func Follow(ctx context.Context, resource dynamic.ResourceInterface, see func(apiwatch.EventType, *unstructured.Unstructured)) (stop func(), err error) {
	list, err := resource.List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	for _, item := range list.Items {
		see(apiwatch.Added, &item)
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for last := list.GetResourceVersion(); ctx.Err() == nil; {
			last = followFrom(ctx, resource, last, see)
			select {
			case <-ctx.Done():
			case <-time.After(50 * time.Millisecond):
			}
		}
	}()
	return func() { cancel(); <-done }, nil
}

// followFrom is one watch. It returns the version that it came to.
func followFrom(ctx context.Context, resource dynamic.ResourceInterface, last string, see func(apiwatch.EventType, *unstructured.Unstructured)) string {
	watch, err := resource.Watch(ctx, metav1.ListOptions{ResourceVersion: last, AllowWatchBookmarks: true})
	if err != nil {
		return last
	}
	defer watch.Stop()
	for event := range watch.ResultChan() {
		u, ok := event.Object.(*unstructured.Unstructured)
		if !ok || event.Type == apiwatch.Error {
			return last
		}
		if last = u.GetResourceVersion(); event.Type != apiwatch.Bookmark {
			see(event.Type, u)
		}
	}
	return last
}
