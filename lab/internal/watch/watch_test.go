package watch_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/canaryctl/canaryctl/lab/internal/watch"
	"github.com/canaryctl/canaryctl/lab/internal/watch/watchtest"
)

const (
	one    = "apiVersion: v1\nkind: Service\nmetadata: {name: one, namespace: a}\nspec: {clusterIP: 10.96.0.1}"
	two    = "apiVersion: v1\nkind: Service\nmetadata: {name: two, namespace: a}\nspec: {clusterIP: 10.96.0.2}"
	widget = "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: w, namespace: a}\nspec: {size: 3}"
)

func TestFollowsObjectsAndLateKinds(t *testing.T) {
	defer goleak.VerifyNone(t)
	t.Run("run", func(t *testing.T) { // a subtest, so that the server ends before the check for leaks
		server := watchtest.New(t, "/api/v1/services Service")
		server.Put(one)
		set, err := watch.New(server.Config(), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		services := watch.Add(set, schema.GroupVersionResource{Version: "v1", Resource: "services"}, watch.Typed[corev1.Service])
		widgets := watch.Add(set, schema.GroupVersionResource{Group: "example.com", Version: "v1", Resource: "widgets"},
			func(u *unstructured.Unstructured) (string, error) { return u.GetName(), nil })
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- set.Run(ctx) }()
		defer func() {
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		}()
		<-set.Synced()

		addresses := func() []string {
			got := []string{}
			for _, s := range services.List() {
				got = append(got, s.Name+" "+s.Spec.ClusterIP)
			}
			return got
		}
		eventually(t, set, addresses, []string{"one 10.96.0.1"})
		server.Put(two)
		eventually(t, set, addresses, []string{"one 10.96.0.1", "two 10.96.0.2"})
		server.Delete(one)
		eventually(t, set, addresses, []string{"two 10.96.0.2"})

		server.Serve("/apis/example.com/v1/widgets Widget")
		server.Put(widget)
		eventually(t, set, widgets.List, []string{"w"})
	})
}

// eventually looks again with every change until got returns want.
func eventually(t *testing.T, set *watch.Set, got func() []string, want []string) {
	t.Helper()
	limit := time.After(20 * time.Second)
	for {
		diff := cmp.Diff(want, got())
		if diff == "" {
			return
		}
		select {
		case <-set.Changed():
		case <-limit:
			t.Fatalf("still different (-want +got):\n%s", diff)
		}
	}
}
