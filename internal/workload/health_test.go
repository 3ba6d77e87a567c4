package workload

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/canaryctl/canaryctl/internal/kube/kubetest"
)

const (
	restartedPod = `
apiVersion: v1
kind: Pod
metadata: {name: shop-v1-a, labels: {app: shop, version: v1}}
status:
  phase: Running
  conditions: [{type: Ready, status: "True", lastTransitionTime: "2026-01-01T00:09:00Z"}]
  initContainerStatuses: [{name: setup, restartCount: 1, lastState: {terminated: {exitCode: 1, finishedAt: "2026-01-01T00:00:05Z"}}}]
  containerStatuses: [{name: shop, ready: true, restartCount: 2, lastState: {terminated: {exitCode: 137, reason: OOMKilled, finishedAt: "2026-01-01T00:08:00Z"}}}]
`
	loopingPod = `
apiVersion: v1
kind: Pod
metadata: {name: shop-v2-b, labels: {app: shop, version: v2}}
status:
  phase: Running
  conditions: [{type: Ready, status: "False", lastTransitionTime: "2026-01-01T00:01:00Z"}]
  containerStatuses:
    - {name: shop, restartCount: 3, state: {waiting: {reason: CrashLoopBackOff}}, lastState: {terminated: {exitCode: 1, finishedAt: "2026-01-01T00:03:00Z"}}}
`
	unreadyPod = `
apiVersion: v1
kind: Pod
metadata: {name: shop-v2-c, labels: {app: shop, version: v2}}
spec: {containers: [{name: shop, image: shop, readinessProbe: {httpGet: {port: 80}}}]}
status:
  phase: Running
  conditions: [{type: Ready, status: "False", lastTransitionTime: "2026-01-01T00:01:00Z"}]
  containerStatuses: [{name: shop, ready: false, restartCount: 0, state: {running: {}}}]
`
	pullingPod = `
apiVersion: v1
kind: Pod
metadata: {name: shop-v2-d, labels: {app: shop, version: v2}}
status: {phase: Pending, containerStatuses: [{name: shop, state: {waiting: {reason: ContainerCreating}}}]}
`
	others = `
apiVersion: v1
kind: Pod
metadata: {name: shop-v2-evicted, labels: {app: shop, version: v2}}
status: {phase: Failed}
---
apiVersion: v1
kind: Pod
metadata: {name: shop-v2-leaving, labels: {app: shop, version: v2}, deletionTimestamp: "2026-01-01T00:01:00Z"}
status: {phase: Running}
---
apiVersion: v1
kind: Pod
metadata: {name: shop-v3-x, labels: {app: shop, version: v3}}
status: {phase: Running}
---
apiVersion: v1
kind: Pod
metadata: {name: till-v2-x, labels: {app: till, version: v2}}
status: {phase: Running}
`
)

func TestHealth(t *testing.T) {
	s := kubetest.New(t, restartedPod, loopingPod, unreadyPod, pullingPod, others)
	got, err := connect(t, s).Health(t.Context(), "v1", "v2")
	if err != nil {
		t.Fatal(err)
	}
	at := func(minute, second int) time.Time { return time.Date(2026, 1, 1, 0, minute, second, 0, time.UTC) }
	for i := range got {
		if age := time.Since(got[i].Created); age < 0 || age > time.Hour {
			t.Errorf("%s was made %s ago", got[i].Name, age) // when it was stored
		}
		got[i].Created, got[i].Changed, got[i].Ended = time.Time{}, got[i].Changed.UTC(), got[i].Ended.UTC()
	}
	want := []Health{
		{Name: "shop-v1-a", Version: "v1", Ready: true, Changed: at(9, 0), Restarts: 3, Ended: at(8, 0),
			Why: "container shop of Pod shop-v1-a ended with exit code 137, killed, for using more memory than it may (2 restarts)"},
		{Name: "shop-v2-b", Version: "v2", Changed: at(1, 0), Restarts: 3, Ended: at(3, 0),
			Why: "container shop of Pod shop-v2-b crashes: it ended with exit code 1 (3 restarts)"},
		{Name: "shop-v2-c", Version: "v2", Changed: at(1, 0), Why: "container shop of Pod shop-v2-c runs but fails its readiness probe"},
		{Name: "shop-v2-d", Version: "v2", Why: "container shop of Pod shop-v2-d waits: ContainerCreating"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("health (-want +got):\n%s", diff)
	}
	if requests := s.Requests(); len(requests) != 1 {
		t.Errorf("%d requests, want one for all Pods", len(requests))
	}
}
