package kubetest

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"
)

// Event is one change: Type is ADDED, MODIFIED or DELETED, as in a watch.
type Event struct {
	Type   string
	Object *unstructured.Unstructured

	key key
}

type key struct {
	group, resource, namespace, name string
}

func (k key) groupResource() schema.GroupResource {
	return schema.GroupResource{Group: k.group, Resource: k.resource}
}

type store struct {
	mu      sync.Mutex
	version int
	objects map[key]*unstructured.Unstructured
	history []Event
	oldest  int           // the version before which the history is forgotten
	wake    chan struct{} // closed and replaced at every change
	closed  bool
}

func newStore() *store {
	return &store{objects: map[key]*unstructured.Unstructured{}, wake: make(chan struct{})}
}

func (s *store) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	close(s.wake)
	s.wake = make(chan struct{})
}

func (s *store) changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.wake
}

func (s *store) get(k key) (*unstructured.Unstructured, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.getLocked(k)
}

func (s *store) getLocked(k key) (*unstructured.Unstructured, error) {
	o, ok := s.objects[k]
	if !ok {
		return nil, apierrors.NewNotFound(k.groupResource(), k.name)
	}
	return o.DeepCopy(), nil
}

func (s *store) list(k key, selector labels.Selector) ([]unstructured.Unstructured, string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	items := []unstructured.Unstructured{}
	for _, at := range slices.SortedFunc(maps.Keys(s.objects), compareKeys) {
		o := s.objects[at]
		if k.holds(at) && selector.Matches(labels.Set(o.GetLabels())) {
			items = append(items, *o.DeepCopy())
		}
	}
	return items, strconv.Itoa(s.version)
}

// holds reports whether a list of k includes the object at the key.
func (k key) holds(at key) bool {
	return at.group == k.group && at.resource == k.resource &&
		(k.namespace == "" || at.namespace == k.namespace) && (k.name == "" || at.name == k.name)
}

func compareKeys(a, b key) int {
	return strings.Compare(a.namespace+"/"+a.name, b.namespace+"/"+b.name)
}

// write says how an object is stored.
type write struct {
	manager   string
	operation string // Apply or Update, for managedFields
	dryRun    bool
}

// update stores what change makes of the object at k; a nil object deletes it.
// The change sees nil where there is none.
func (s *store) update(k key, w write, change func(old *unstructured.Unstructured) (*unstructured.Unstructured, error)) (Event, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var old *unstructured.Unstructured
	if o, ok := s.objects[k]; ok {
		old = o.DeepCopy()
	}
	next, err := change(old)
	if err != nil {
		return Event{}, err
	}
	if next != nil {
		dropEmpty(next)
	}
	e := Event{Type: "MODIFIED", key: k}
	switch {
	case next == nil:
		e.Type, e.Object = "DELETED", old
	case old == nil:
		e.Type, e.Object = "ADDED", next
		next.SetUID(types.UID(fmt.Sprintf("%08d-0000-4000-8000-000000000000", s.version+1)))
		next.SetCreationTimestamp(metav1.NewTime(time.Now().Truncate(time.Second)))
		next.SetGeneration(1)
	default:
		e.Object = next
		next.SetUID(old.GetUID())
		next.SetCreationTimestamp(old.GetCreationTimestamp())
		next.SetGeneration(old.GetGeneration())
		if !equality.Semantic.DeepEqual(old.Object["spec"], next.Object["spec"]) {
			next.SetGeneration(old.GetGeneration() + 1)
		}
		if unchanged(old, next) {
			return Event{Object: old}, nil
		}
	}
	if next != nil && w.manager != "" {
		manage(next, w)
	}
	if w.dryRun {
		return Event{Object: e.Object}, nil
	}
	s.commit(e)
	return Event{Type: e.Type, Object: e.Object.DeepCopy(), key: k}, nil
}

// dropEmpty leaves out what a real server's typed metadata leaves out.
func dropEmpty(o *unstructured.Unstructured) {
	for _, field := range []string{"labels", "annotations"} {
		if m, found, _ := unstructured.NestedMap(o.Object, "metadata", field); found && len(m) == 0 {
			unstructured.RemoveNestedField(o.Object, "metadata", field)
		}
	}
}

func (s *store) commit(e Event) {
	s.version++
	e.Object.SetResourceVersion(strconv.Itoa(s.version))
	if e.Type == "DELETED" {
		delete(s.objects, e.key)
	} else {
		s.objects[e.key] = e.Object
	}
	s.history = append(s.history, Event{Type: e.Type, Object: e.Object.DeepCopy(), key: e.key})
	close(s.wake)
	s.wake = make(chan struct{})
}

// since returns the events of k's kind after a version, the version to ask for
// next, and a channel that is closed when there may be more.
func (s *store) since(k key, version int) (events []Event, next int, more <-chan struct{}, open bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.history[min(version, len(s.history)):] {
		if k.holds(e.key) {
			events = append(events, e)
		}
	}
	return events, s.version, s.wake, !s.closed
}

func (s *store) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.oldest = s.version
}

func (s *store) forgotten(version int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return version < s.oldest
}

// unchanged is how a real server turns a write without effect into none.
func unchanged(old, next *unstructured.Unstructured) bool {
	a, b := old.DeepCopy(), next.DeepCopy()
	for _, o := range []*unstructured.Unstructured{a, b} {
		o.SetManagedFields(nil)
		o.SetResourceVersion("")
	}
	return equality.Semantic.DeepEqual(a.Object, b.Object)
}

func manage(o *unstructured.Unstructured, w write) {
	now := metav1.NewTime(time.Now())
	entries := slices.DeleteFunc(o.GetManagedFields(), func(e metav1.ManagedFieldsEntry) bool { return e.Manager == w.manager })
	o.SetManagedFields(append(entries, metav1.ManagedFieldsEntry{
		Manager: w.manager, Operation: metav1.ManagedFieldsOperationType(w.operation), APIVersion: o.GetAPIVersion(), Time: &now,
	}))
}

// Load stores the objects of YAML documents, as if they had always been there.
func (s *Server) Load(documents ...string) error {
	for _, text := range documents {
		for _, document := range strings.Split("\n"+text, "\n---") {
			o := &unstructured.Unstructured{}
			data, err := yaml.YAMLToJSON([]byte(document))
			if err != nil {
				return fmt.Errorf("load an object: %w", err)
			}
			if string(data) == "null" {
				continue
			}
			if err := o.UnmarshalJSON(data); err != nil {
				return fmt.Errorf("load an object: %w", err)
			}
			s.Put(o)
		}
	}
	return nil
}

// Put stores an object as it is, replacing what was there. It counts as a
// change that the field manager "kubetest" made.
func (s *Server) Put(o *unstructured.Unstructured) {
	e, err := s.store.update(keyOf(o), write{manager: "kubetest", operation: "Update"}, func(*unstructured.Unstructured) (*unstructured.Unstructured, error) {
		return o.DeepCopy(), nil
	})
	if err != nil {
		panic(err) // the change above returns none
	}
	s.notify(e)
}

// Get returns the object as it is now, or nil.
func (s *Server) Get(r schema.GroupVersionResource, namespace, name string) *unstructured.Unstructured {
	o, err := s.store.get(key{r.Group, r.Resource, namespace, name})
	if err != nil {
		return nil
	}
	return o
}

// List returns the objects of a resource in a namespace, sorted by name.
func (s *Server) List(r schema.GroupVersionResource, namespace string) []unstructured.Unstructured {
	items, _ := s.store.list(key{group: r.Group, resource: r.Resource, namespace: namespace}, labels.Everything())
	return items
}

// Delete removes an object, if it is there.
func (s *Server) Delete(r schema.GroupVersionResource, namespace, name string) {
	e, err := s.store.update(key{r.Group, r.Resource, namespace, name}, write{}, func(old *unstructured.Unstructured) (*unstructured.Unstructured, error) {
		if old == nil {
			return nil, apierrors.NewNotFound(r.GroupResource(), name)
		}
		return nil, nil
	})
	if err == nil {
		s.notify(e)
	}
}

// keyOf guesses the resource from the kind, as kubectl did before discovery.
func keyOf(o *unstructured.Unstructured) key {
	gvr, _ := meta.UnsafeGuessKindToResource(o.GroupVersionKind())
	namespace := o.GetNamespace()
	if namespace == "" && !clusterScoped(gvr.Resource) {
		namespace = "default"
		o.SetNamespace(namespace)
	}
	return key{gvr.Group, gvr.Resource, namespace, o.GetName()}
}

func clusterScoped(resource string) bool {
	switch resource {
	case "namespaces", "nodes", "clusterroles", "clusterrolebindings":
		return true
	}
	return false
}
