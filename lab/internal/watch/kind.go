package watch

import (
	"cmp"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Kind is the decoded copy of all objects of one resource, in all namespaces.
type Kind[T any] struct {
	gvr      schema.GroupVersionResource
	decode   func(*unstructured.Unstructured) (T, error)
	log      *slog.Logger
	notify   func()
	once     sync.Once
	complete chan struct{}

	mu      sync.RWMutex
	objects map[key]T
}

type key struct{ namespace, name string }

// Add registers a resource with the Set before it runs. An object that decode
// refuses is logged and left out.
func Add[T any](s *Set, gvr schema.GroupVersionResource, decode func(*unstructured.Unstructured) (T, error)) *Kind[T] {
	k := &Kind[T]{
		gvr:      gvr,
		decode:   decode,
		log:      s.log,
		notify:   s.notify,
		complete: make(chan struct{}),
		objects:  map[key]T{},
	}
	s.kinds = append(s.kinds, k)
	return k
}

// Typed decodes into a Kubernetes API type.
func Typed[T any](u *unstructured.Unstructured) (*T, error) {
	into := new(T)
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, into); err != nil {
		return nil, fmt.Errorf("decode %s %s/%s: %w", u.GetKind(), u.GetNamespace(), u.GetName(), err)
	}
	return into, nil
}

// List returns the objects in the order of namespace and name. They are shared:
// do not change them.
func (k *Kind[T]) List() []T {
	k.mu.RLock()
	defer k.mu.RUnlock()
	keys := make([]key, 0, len(k.objects))
	for at := range k.objects {
		keys = append(keys, at)
	}
	slices.SortFunc(keys, func(a, b key) int {
		return cmp.Or(cmp.Compare(a.namespace, b.namespace), cmp.Compare(a.name, b.name))
	})
	all := make([]T, len(keys))
	for i, at := range keys {
		all[i] = k.objects[at]
	}
	return all
}

// Get returns one object.
func (k *Kind[T]) Get(namespace, name string) (T, bool) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	object, ok := k.objects[key{namespace, name}]
	return object, ok
}

// The rest is cache.ReflectorStore: what the reflector writes to.

// Add stores a new object.
func (k *Kind[T]) Add(object any) error { return k.Update(object) }

// Update stores an object anew.
func (k *Kind[T]) Update(object any) error {
	u := object.(*unstructured.Unstructured)
	k.mu.Lock()
	k.put(k.objects, u)
	k.mu.Unlock()
	k.notify()
	return nil
}

// Delete drops an object.
func (k *Kind[T]) Delete(object any) error {
	u := object.(*unstructured.Unstructured)
	k.mu.Lock()
	delete(k.objects, key{u.GetNamespace(), u.GetName()})
	k.mu.Unlock()
	k.notify()
	return nil
}

// Replace takes the result of a list.
func (k *Kind[T]) Replace(list []any, _ string) error {
	objects := make(map[key]T, len(list))
	for _, object := range list {
		k.put(objects, object.(*unstructured.Unstructured))
	}
	k.mu.Lock()
	k.objects = objects
	k.mu.Unlock()
	k.settle()
	k.notify()
	return nil
}

// Resync has nothing to do: the store is all there is.
func (k *Kind[T]) Resync() error { return nil }

func (k *Kind[T]) put(objects map[key]T, u *unstructured.Unstructured) {
	at := key{u.GetNamespace(), u.GetName()}
	u.SetManagedFields(nil)
	decoded, err := k.decode(u)
	if err != nil {
		delete(objects, at)
		k.log.Error("object left out", "resource", k.gvr.Resource, "namespace", at.namespace, "name", at.name, "error", err)
		return
	}
	objects[at] = decoded
}

func (k *Kind[T]) resource() schema.GroupVersionResource { return k.gvr }
func (k *Kind[T]) settled() <-chan struct{}              { return k.complete }
func (k *Kind[T]) settle()                               { k.once.Do(func() { close(k.complete) }) }
