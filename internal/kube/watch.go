package kube

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
)

// Watch keeps a copy of some objects of one resource as they are.
type Watch struct {
	Client         dynamic.Interface
	Resource       schema.GroupVersionResource
	Namespace      string
	Labels, Fields string // selectors; empty for all objects
	Clock          clock.Clock
}

// Run tells of the objects, by name, when they are first known and after every
// change, one call at a time, until the context ends and the last call has
// returned. While they cannot be known it tells why instead, and tries again
// within about a second: it outlives API servers that restart, watches that are
// cut, versions that are gone, and too many requests. The objects are shared: who
// wants to change one copies it.
//
// A watch that streams the objects first costs one request. Who may list but not
// watch gets them listed, about once a second.
func (w Watch) Run(ctx context.Context, tell func(objects []*unstructured.Unstructured, err error)) {
	c := &watched{Watch: w, tell: tell}
	defer c.end()
	// The reflector would log what fails; here it is told.
	ctx = klog.NewContext(ctx, klog.Logger{})
	cache.NewReflectorWithOptions(&cache.ListWatch{
		ListWithContextFunc:  c.list,
		WatchFuncWithContext: c.watch,
	}, nil, c, cache.ReflectorOptions{
		Name:    w.Resource.Resource,
		Clock:   w.Clock,
		Backoff: &wait.Backoff{Duration: 200 * time.Millisecond, Factor: 2, Cap: time.Second, Steps: 10, Jitter: 0.1},
	}).RunWithContext(ctx)
}

// watched is a cache.ReflectorStore that tells of what is put into it.
type watched struct {
	Watch
	tell func([]*unstructured.Unstructured, error)

	mu      sync.Mutex
	objects map[string]*unstructured.Unstructured
	failing bool // the last that was told is an error
	ended   bool
}

func (c *watched) list(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
	options.LabelSelector, options.FieldSelector = c.Labels, c.Fields
	list, err := c.Client.Resource(c.Resource).Namespace(c.Namespace).List(ctx, options)
	if err != nil {
		if !expired(err) { // else it is asked again at once, for any version
			c.fail(ctx, "list", err)
		}
		return nil, err
	}
	return list, nil
}

func (c *watched) watch(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
	options.LabelSelector, options.FieldSelector = c.Labels, c.Fields
	streams := options.SendInitialEvents != nil
	w, err := c.Client.Resource(c.Resource).Namespace(c.Namespace).Watch(ctx, options)
	switch {
	case err == nil && !streams: // the copy is up to date, or soon will be
		c.recover()
	case err != nil && !expired(err) && !apierrors.IsForbidden(err) && !apierrors.IsInvalid(err):
		// What is left out is followed by a list, which says how things are.
		c.fail(ctx, "watch", err)
	}
	return w, err
}

func expired(err error) bool { return apierrors.IsResourceExpired(err) || apierrors.IsGone(err) }

func (c *watched) fail(ctx context.Context, verb string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended || ctx.Err() != nil {
		return
	}
	c.failing = true
	c.tell(nil, fmt.Errorf("%s %s in namespace %s: %w", verb, c.Resource.Resource, c.Namespace, err))
}

// recover tells what was told before an error once more.
func (c *watched) recover() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failing && c.objects != nil {
		c.changed()
	}
}

// changed tells of the copy. It is locked.
func (c *watched) changed() {
	if c.ended {
		return
	}
	c.failing = false
	objects := make([]*unstructured.Unstructured, 0, len(c.objects))
	for _, name := range slices.Sorted(maps.Keys(c.objects)) {
		objects = append(objects, c.objects[name])
	}
	c.tell(objects, nil)
}

// end waits for a call that is being made, and lets no other begin: a list may
// outlive the reflector that asked for it.
func (c *watched) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
}

// Replace takes all objects in the place of those before.
func (c *watched) Replace(items []any, _ string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.objects = map[string]*unstructured.Unstructured{}
	for _, item := range items {
		if o, ok := item.(*unstructured.Unstructured); ok {
			c.objects[o.GetNamespace()+"/"+o.GetName()] = o
		}
	}
	c.changed()
	return nil
}

// Add takes an object that is new.
func (c *watched) Add(item any) error { return c.Update(item) }

// Update takes an object in the place of the one of its name.
func (c *watched) Update(item any) error {
	return c.put(item, func(key string, o *unstructured.Unstructured) { c.objects[key] = o })
}

// Delete forgets an object.
func (c *watched) Delete(item any) error {
	return c.put(item, func(key string, _ *unstructured.Unstructured) { delete(c.objects, key) })
}

func (c *watched) put(item any, change func(key string, o *unstructured.Unstructured)) error {
	o, ok := item.(*unstructured.Unstructured)
	if !ok {
		return fmt.Errorf("watch %s: %T is no object", c.Resource.Resource, item)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	change(o.GetNamespace()+"/"+o.GetName(), o)
	c.changed()
	return nil
}

// Resync has nothing to do: there is nobody who forgets.
func (*watched) Resync() error { return nil }
