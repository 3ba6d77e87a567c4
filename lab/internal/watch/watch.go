// Package watch keeps decoded copies of Kubernetes objects, and says when one
// of them changed. It is a thin layer over client-go's reflector: there is no
// work queue and no second copy of the raw object, because the lab's router and
// Prometheus rebuild a small picture of the whole rather than follow single
// objects. Kinds whose CRD is not installed yet are picked up when it is.
package watch

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
)

// absentPoll is how often the API server is asked again for a resource that it
// does not serve yet.
const absentPoll = time.Second

// Set is a group of kinds watched through one API server. Register kinds with
// Add, then Run it.
type Set struct {
	client  dynamic.Interface
	log     *slog.Logger
	changed chan struct{}
	synced  chan struct{}
	kinds   []kind
}

// kind is what a Set needs of a Kind, whatever it decodes to.
type kind interface {
	cache.ReflectorStore
	resource() schema.GroupVersionResource
	settled() <-chan struct{}
	settle()
}

// New returns an empty Set.
func New(kube *rest.Config, log *slog.Logger) (*Set, error) {
	kube = rest.CopyConfig(kube)
	kube.QPS = -1 // client-go's default of 5/s would hold the first lists back for seconds
	client, err := dynamic.NewForConfig(kube)
	if err != nil {
		return nil, fmt.Errorf("make a client for %s: %w", kube.Host, err)
	}
	return &Set{
		client:  client,
		log:     log,
		changed: make(chan struct{}, 1),
		synced:  make(chan struct{}),
	}, nil
}

// Changed delivers one value after any object changed. Changes that nobody has
// taken notice of yet are told as one.
func (s *Set) Changed() <-chan struct{} { return s.changed }

// Synced is closed once every kind was listed or found not to be installed.
func (s *Set) Synced() <-chan struct{} { return s.synced }

// Run watches until ctx ends, and returns when its goroutines have.
func (s *Set) Run(ctx context.Context) error {
	ctx = klog.NewContext(ctx, logr.FromSlogHandler(s.log.Handler()))
	var running sync.WaitGroup
	for _, k := range s.kinds {
		running.Go(func() { s.follow(ctx, k) })
	}
	running.Go(func() {
		for _, k := range s.kinds {
			select {
			case <-k.settled():
			case <-ctx.Done():
				return
			}
		}
		close(s.synced)
	})
	running.Wait()
	return nil
}

// follow waits until the API server serves the kind, then mirrors it.
func (s *Set) follow(ctx context.Context, k kind) {
	resource := s.client.Resource(k.resource())
	var told string
	served := func(ctx context.Context) (bool, error) {
		_, err := resource.List(ctx, metav1.ListOptions{Limit: 1})
		switch {
		case err == nil:
			return true, nil
		case apierrors.IsNotFound(err):
			k.settle()
		case ctx.Err() == nil && told != err.Error():
			told = err.Error()
			s.log.Warn("cannot list objects yet; trying again", "resource", k.resource().String(), "error", err)
		}
		return false, nil
	}
	if wait.PollUntilContextCancel(ctx, absentPoll, true, served) != nil {
		return
	}
	source := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			list, err := resource.List(ctx, o)
			if apierrors.IsNotFound(err) { // the CRD was removed, and its objects with it
				_ = k.Replace(nil, "")
			}
			return list, err
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (apiwatch.Interface, error) {
			return resource.Watch(ctx, o)
		},
	}
	backoff := wait.Backoff{Duration: 200 * time.Millisecond, Factor: 2, Jitter: 0.5, Steps: 10, Cap: 5 * time.Second}
	cache.NewReflectorWithOptions(source, nil, k, cache.ReflectorOptions{
		Name:            "lab",
		TypeDescription: k.resource().String(),
		Backoff:         &backoff,
	}).RunWithContext(ctx)
}

func (s *Set) notify() {
	select {
	case s.changed <- struct{}{}:
	default: // the one that waits will tell of this change too
	}
}
