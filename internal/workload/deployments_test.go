package workload

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
	"k8s.io/utils/clock"

	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/kube"
	"github.com/canaryctl/canaryctl/internal/kube/kubetest"
)

const stableYAML = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop-v1, labels: {app: shop, version: v1}}
spec:
  replicas: 2
  selector: {matchLabels: {app: shop, version: v1}}
  template:
    metadata: {labels: {app: shop, version: v1}}
    spec:
      containers:
        - {name: shop, image: "shop:v1"}
status: {readyReplicas: 2}
`

func connect(t *testing.T, s *kubetest.Server) Deployments {
	t.Helper()
	client, err := dynamic.NewForConfig(s.Config())
	if err != nil {
		t.Fatal(err)
	}
	return New(Config{Client: client, Namespace: "default", App: "shop", Clock: clock.RealClock{}})
}

// at has the time told by another clock.
func (d Deployments) at(c clock.WithTicker) Deployments {
	d.clock = c
	return d
}

func canaryOf(t *testing.T, image string) *unstructured.Unstructured {
	t.Helper()
	canary, err := Derive(object(t, stableYAML), Spec{App: "shop", Version: "v2", Image: image})
	if err != nil {
		t.Fatal(err)
	}
	return canary
}

func TestVersions(t *testing.T) {
	s := kubetest.New(t, stableYAML, `
apiVersion: apps/v1
kind: Deployment
metadata:
  name: shop-v2
  labels: {app: shop}
spec:
  template:
    metadata: {labels: {app: shop, version: v2}}
    spec: {containers: [{name: shop, image: "shop:v2"}, {name: proxy, image: "proxy:1"}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop-worker, labels: {app: shop}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: other-v1, labels: {app: other, version: v1}}
`)
	versions, err := connect(t, s).Versions(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i := range versions {
		versions[i].Object, versions[i].Labels = nil, nil
	}
	want := []Version{
		{Version: "v1", Deployment: "shop-v1", Images: []string{"shop:v1"}, Image: "shop:v1", Desired: 2, Ready: 2},
		{Version: "v2", Deployment: "shop-v2", Images: []string{"shop:v2", "proxy:1"}, Image: "shop:v2", Desired: 1},
	}
	if diff := cmp.Diff(want, versions); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := connect(t, s).Pick(versions, "v3"); !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), "live versions: v1, v2") {
		t.Errorf("a version that is not there: %v", err)
	}
	if _, err := connect(t, s).Pick(append(versions, versions[0]), "v1"); !errors.Is(err, ErrDuplicate) {
		t.Errorf("a version that is there twice: %v", err)
	}
}

func TestCreateDelete(t *testing.T) {
	s := kubetest.New(t)
	d, ctx := connect(t, s), t.Context()
	exists := func() bool { return s.Get(kube.Deployments(), "default", "shop-v2") != nil }
	for _, dry := range []bool{true, false} {
		if _, err := d.Create(ctx, canaryOf(t, "shop:v2"), Options{ServerDryRun: dry}); err != nil || exists() == dry {
			t.Errorf("create, dry run %t: exists %t, %v", dry, exists(), err)
		}
	}
	if _, err := d.Create(ctx, canaryOf(t, "shop:v2"), Options{}); err == nil {
		t.Error("a second creation was let through")
	}
	if existed, err := d.Delete(ctx, "shop-v2", Options{ServerDryRun: true, Wait: true}); err != nil || !existed || !exists() {
		t.Errorf("a dry run of a deletion: existed %t, exists %t, %v", existed, exists(), err)
	}
	for _, want := range []bool{true, false} {
		if existed, err := d.Delete(ctx, "shop-v2", Options{Wait: true}); err != nil || existed != want || exists() {
			t.Errorf("delete: existed %t, exists %t, %v; want existed %t", existed, exists(), err, want)
		}
	}
}

// TestLiveWaitsOutADeletion finds a Deployment whose Pods are still ending.
func TestLiveWaitsOutADeletion(t *testing.T) {
	ending := object(t, stableYAML)
	ending.SetNamespace("default")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(unstructured.SetNestedField(ending.Object, "2026-01-02T03:04:05Z", "metadata", "deletionTimestamp"))
	s := kubetest.New(t)
	s.Put(ending)
	looks := 0
	s.Fail(func(kubetest.Request) error {
		if looks++; looks == 2 {
			s.Delete(kube.Deployments(), "default", "shop-v1")
		}
		return nil
	})
	live, err := connect(t, s).Live(t.Context(), "shop-v1")
	if live != nil || err != nil || looks != 2 {
		t.Errorf("after %d looks: %v, %v", looks, live, err)
	}

	s.Put(ending)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	looks = 3
	if _, err := connect(t, s).Live(ctx, "shop-v1"); !errors.Is(err, ErrTimeout) && !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a deletion that does not end: %v", err)
	}
}

func TestWaitReady(t *testing.T) {
	const refused = `
apiVersion: v1
kind: Event
metadata: {name: e}
reason: Unhealthy
involvedObject: {kind: Pod, name: shop-v2-0, fieldPath: "spec.containers{shop}"}
message: 'Liveness probe failed: HTTP probe failed with statuscode: 500'
`
	tests := map[string]struct {
		image   string
		timeout time.Duration
		harm    func(*kubetest.Server)
		is      error
		want    string
		hint    string
		shown   []string
	}{
		"ready at once": {
			image: "shop:v2", timeout: time.Minute,
			shown: []string{"shop-v2: 2 of 2 Pods ready"},
		},
		"the image cannot be had": {
			image: "ImagePullBackOff", timeout: time.Minute, is: ErrNotReady,
			want: `container shop of Pod shop-v2-0: cannot pull image "ImagePullBackOff"`, hint: "check that the image and its tag exist",
			shown: []string{"shop-v2: 0 of 2 Pods ready (ImagePullBackOff)"},
		},
		"the probe fails, and an event says so": {
			image: "CrashLoopBackOff", timeout: time.Minute, is: ErrNotReady,
			harm: func(s *kubetest.Server) {
				if err := s.Load(refused); err != nil {
					t.Fatal(err)
				}
				pod := s.Get(kube.Pods(), "default", "shop-v2-0")
				status := pod.Object["status"].(map[string]any)["containerStatuses"].([]any)[0].(map[string]any)
				status["restartCount"] = int64(1)
				status["lastState"] = map[string]any{"terminated": map[string]any{"exitCode": int64(137)}}
				s.Put(pod)
			},
			want: "fails its liveness probe", hint: "logs shop-v2-0 -c shop --previous",
			shown: []string{"shop-v2: 0 of 2 Pods ready (CrashLoopBackOff)"},
		},
		"still starting when the time is over": {
			image: "ContainerCreating", timeout: 0, is: ErrTimeout,
			want: "timed out: shop-v2: 0 of 2 Pods ready (ContainerCreating)", hint: "run the same command again",
			shown: []string{"shop-v2: 0 of 2 Pods ready (ContainerCreating)"},
		},
		"deleted meanwhile": {
			image: "shop:v2", timeout: time.Minute, is: ErrNotFound,
			harm: func(s *kubetest.Server) { s.Delete(kube.Deployments(), "default", "shop-v2") },
			want: "Deployment default/shop-v2 was deleted meanwhile",
		},
		"may not look": {
			image: "shop:v2", timeout: time.Minute,
			harm: func(s *kubetest.Server) {
				s.Forbid("watch", "")
				s.Forbid("list", "deployments")
			},
			want: `cannot list resource "deployments"`,
		},
		"may list but not watch": {
			image: "ImagePullBackOff", timeout: time.Minute, is: ErrNotReady,
			harm:  func(s *kubetest.Server) { s.Forbid("watch", "") },
			want:  "cannot pull image",
			shown: []string{"shop-v2: 0 of 2 Pods ready (ImagePullBackOff)"},
		},
		"may not see the events": {
			image: "ImagePullBackOff", timeout: time.Minute, is: ErrNotReady,
			harm: func(s *kubetest.Server) { s.Forbid("list", "events") },
			want: "cannot pull image", hint: "check that the image and its tag exist",
			shown: []string{"shop-v2: 0 of 2 Pods ready (ImagePullBackOff)"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := kubetest.New(t)
			s.RunDeployments(func(image string) string {
				if image == "shop:v2" {
					return ""
				}
				return image
			})
			d := connect(t, s)
			if _, err := d.Create(t.Context(), canaryOf(t, tt.image), Options{}); err != nil {
				t.Fatal(err)
			}
			if tt.harm != nil {
				tt.harm(s)
			}
			var shown []string
			err := d.WaitReady(t.Context(), "shop-v2", tt.timeout, func(p Progress) { shown = append(shown, p.String()) })
			if tt.want == "" && err != nil {
				t.Fatal(err)
			}
			if tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("error:\n got %v\nwant %s", err, tt.want)
			}
			if tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("%v is not %v", err, tt.is)
			}
			if got := hint.Of(err); !strings.Contains(got, tt.hint) {
				t.Errorf("hint %q, want %q", got, tt.hint)
			}
			if diff := cmp.Diff(tt.shown, shown); diff != "" {
				t.Errorf("shown (-want +got):\n%s", diff)
			}
		})
	}
}
