package e2e

import (
	"encoding/json"
	"sync"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"
)

const route = "versioned-echo-virtualservice"

// spec is the part of a VirtualService that the tests look at.
type spec struct {
	HTTP []struct {
		Name  string
		Route []struct {
			Destination struct{ Host, Subset string }
			Weight      int
		}
	}
}

// recorder keeps every version of one VirtualService that the API server ever
// had while it watched.
type recorder struct {
	mu       sync.Mutex
	versions []*unstructured.Unstructured
}

// record watches the namespace's VirtualService for the rest of the test.
func record(t *testing.T, namespace string) *recorder {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", lab.Kubeconfig())
	if err != nil {
		t.Fatal(err)
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	gvr := schema.GroupVersionResource{Group: "networking.istio.io", Version: "v1", Resource: "virtualservices"}
	watch, err := client.Resource(gvr).Namespace(namespace).Watch(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	r, done := new(recorder), make(chan struct{})
	go func() {
		defer close(done)
		for event := range watch.ResultChan() {
			if u, ok := event.Object.(*unstructured.Unstructured); ok {
				r.mu.Lock()
				r.versions = append(r.versions, u)
				r.mu.Unlock()
			}
		}
	}()
	t.Cleanup(func() { watch.Stop(); <-done })
	return r
}

// wantValid fails for every recorded version whose weights do not sum to 100.
func (r *recorder) wantValid(t *testing.T) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.versions) == 0 {
		t.Error("the watch saw no version of the route")
	}
	for _, u := range r.versions {
		if sum := sumOfWeights(t, u.Object["spec"]); sum != 100 {
			t.Errorf("version %s of the route: weights sum to %d", u.GetResourceVersion(), sum)
		}
	}
}

func sumOfWeights(t *testing.T, object any) int {
	t.Helper()
	raw, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	var s spec
	if err := json.Unmarshal(raw, &s); err != nil {
		t.Fatal(err)
	}
	if len(s.HTTP) == 0 {
		t.Fatalf("the route has no http rule: %s", raw)
	}
	sum := 0
	for _, d := range s.HTTP[0].Route {
		sum += d.Weight
	}
	if len(s.HTTP[0].Route) == 1 && sum == 0 {
		return 100 // one destination needs no weight
	}
	return sum
}

// weights reads the live weights by subset.
func weights(t *testing.T, namespace string) map[string]int {
	t.Helper()
	r := sh(t, "kubectl get virtualservice "+route+" -n "+namespace+" -o json")
	var vs struct{ Spec spec }
	if err := json.Unmarshal([]byte(r.Stdout), &vs); err != nil {
		t.Fatal(err)
	}
	if sum := sumOfWeights(t, vs.Spec); sum != 100 {
		t.Errorf("the weights sum to %d", sum)
	}
	got := map[string]int{}
	for _, d := range vs.Spec.HTTP[0].Route {
		got[d.Destination.Subset] = d.Weight
	}
	return got
}
