package workload

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/canaryctl/canaryctl/internal/kube"
	"github.com/canaryctl/canaryctl/internal/kube/kubetest"
)

// endpointSlice lists one Pod of the Service shop.
func endpointSlice(name, address, ready string) string {
	return fmt.Sprintf(`
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: %s, namespace: default, labels: {kubernetes.io/service-name: shop}}
addressType: IPv4
endpoints: [{addresses: [%s], conditions: {ready: %s}}]
`, name, address, ready)
}

func canaryPod(name, address, ready string) string {
	return fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata: {name: %s, namespace: default, labels: {app: shop, version: v2}}
status: {podIP: %s, phase: Running, conditions: [{type: Ready, status: "%s"}]}
`, name, address, ready)
}

func TestListingIsComplete(t *testing.T) {
	pods := []string{canaryPod("a", "10.0.0.1", "True"), canaryPod("b", "10.0.0.2", "True")}
	stable := endpointSlice("shop-x", "10.0.0.9", "true")
	a, b := endpointSlice("shop-y", "10.0.0.1", "true"), endpointSlice("shop-z", "10.0.0.2", "true")
	for _, c := range []struct {
		name    string
		objects []string
		want    bool
	}{
		{"all are", append(pods, stable, a, b), true},
		{"one is not", append(pods, stable, a), false},
		{"one is, as not ready", append(pods, stable, a, endpointSlice("shop-z", "10.0.0.2", "false")), false},
		{"one says nothing of being ready", append(pods, a, endpointSlice("shop-z", "10.0.0.2", "null")), true},
		{"a Pod that is not ready does not matter", append(pods, a, b, canaryPod("c", "10.0.0.3", "False")), true},
		{"no such Service", pods, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := kubetest.New(t, c.objects...)
			endpoints, err := typed[discoveryv1.EndpointSlice](s.List(kube.EndpointSlices(), "default"))
			if err != nil {
				t.Fatal(err)
			}
			pods, err := typed[corev1.Pod](s.List(kube.Pods(), "default"))
			if err != nil {
				t.Fatal(err)
			}
			if got := (listing{endpoints: endpoints, pods: pods, read: true, counted: true}).complete(); got != c.want {
				t.Errorf("complete: %t, want %t", got, c.want)
			}
		})
	}
}

// TestWaitListed has an EndpointSlice written after the watch of them began, or time
// go by once nothing else can happen.
func TestWaitListed(t *testing.T) {
	listed := endpointSlice("shop-y", "10.0.0.1", "true")
	for _, c := range []struct {
		name     string
		then     string
		fail     error
		want     bool
		requests []string
	}{
		{name: "it happens", then: listed, want: true, requests: []string{"watch endpointslices", "watch pods"}},
		{name: "it does not", requests: []string{"watch endpointslices", "watch pods"}},
		{name: "may not be read", fail: apierrors.NewForbidden(schema.GroupResource{}, "", nil), want: true},
		{name: "the server fails", fail: errors.New("etcd is electing a leader")},
	} {
		t.Run(c.name, func(t *testing.T) {
			const patience = time.Minute
			clock := clocktesting.NewFakeClock(time.Unix(0, 0))
			s := kubetest.New(t, canaryPod("a", "10.0.0.1", "True"), endpointSlice("shop-x", "10.0.0.9", "true"))
			s.Fail(func(r kubetest.Request) error {
				if r.Resource != "endpointslices" || c.fail == nil {
					return nil
				}
				if !c.want {
					clock.Step(patience)
				}
				return c.fail
			})
			s.OnWatch(func(r kubetest.Request) {
				switch {
				case r.Resource == "endpointslices":
					if err := s.Load(c.then); err != nil {
						t.Error(err)
					}
				case !c.want:
					clock.Step(patience)
				}
			})
			got, err := connect(t, s).at(clock).WaitListed(t.Context(), canaryOf(t, "shop:v2"), "shop", patience)
			if err != nil || got != c.want {
				t.Errorf("listed: %t, %v; want %t", got, err, c.want)
			}
			if requests := slices.Sorted(slices.Values(asked(s))); c.requests != nil && !cmp.Equal(c.requests, requests) {
				t.Errorf("requests %q, want %q", requests, c.requests)
			}
		})
	}
}
