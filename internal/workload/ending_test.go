package workload

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/canaryctl/canaryctl/internal/kube/kubetest"
)

func runningPod(name, annotations, spec string) string {
	return `
apiVersion: v1
kind: Pod
metadata: {name: ` + name + `, labels: {app: shop, version: v2}, annotations: {` + annotations + `}}
spec: {` + spec + `}
status: {phase: Running}
`
}

func TestEnding(t *testing.T) {
	const (
		alone   = "containers: [{name: shop}]"
		sidecar = "containers: [{name: shop}, {name: istio-proxy}]"
	)
	injected := func(env string) string {
		return "containers: [{name: shop}, {name: istio-proxy, env: [" + env + "]}]"
	}
	of := func(seconds ...time.Duration) Ending {
		e := Ending{Pods: 1, Grace: seconds[0] * time.Second, Cut: seconds[0] * time.Second}
		if len(seconds) > 1 {
			e.Cut, e.Sidecar = seconds[1]*time.Second, true
		}
		return e
	}
	for _, test := range []struct {
		name string
		pods []string
		want Ending
	}{
		{"none", nil, Ending{}},
		{"one that never ran", []string{`{apiVersion: v1, kind: Pod, metadata: {name: a, labels: {app: shop, version: v2}}, status: {phase: Pending}}`}, Ending{}},
		{"the application alone", []string{runningPod("a", "", alone)}, of(30)},
		{"its own grace period", []string{runningPod("a", "", alone+", terminationGracePeriodSeconds: 600")}, of(600)},
		{"a sidecar does not wait for that", []string{runningPod("a", "", sidecar+", terminationGracePeriodSeconds: 600")}, of(600, 5)},
		{"nor can it exceed it", []string{runningPod("a", "", sidecar+", terminationGracePeriodSeconds: 2")}, of(2, 2)},
		{"the annotation", []string{runningPod("a", `proxy.istio.io/config: "terminationDrainDuration: 20s"`, sidecar)}, of(30, 20)},
		{"an annotation that cannot be read", []string{runningPod("a", `proxy.istio.io/config: "terminationDrainDuration: {"`, sidecar)}, of(30, 5)},
		{"the mesh's default", []string{runningPod("a", "", injected(`{name: PROXY_CONFIG, value: '{"terminationDrainDuration":"12s"}'}`))}, of(30, 12)},
		{"an old agent's", []string{runningPod("a", "", injected(`{name: TERMINATION_DRAIN_DURATION_SECONDS, value: "9"}`))}, of(30, 9)},
		{"it waits for connections", []string{runningPod("a", "", injected(`{name: EXIT_ON_ZERO_ACTIVE_CONNECTIONS, value: "true"}`))}, of(30)},
		{"as the annotation says", []string{runningPod("a", `proxy.istio.io/config: "proxyMetadata: {EXIT_ON_ZERO_ACTIVE_CONNECTIONS: 'true'}"`, sidecar)}, of(30)},
		{"a sidecar that ends after the application", []string{runningPod("a", "", "initContainers: [{name: istio-proxy, restartPolicy: Always}], containers: [{name: shop}]")}, of(30)},
		{"the first of several cuts", []string{runningPod("a", "", alone), runningPod("b", "", sidecar)}, Ending{Pods: 2, Grace: 30 * time.Second, Cut: 5 * time.Second, Sidecar: true}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := kubetest.New(t)
			for _, pod := range test.pods {
				if err := s.Load(pod); err != nil {
					t.Fatal(err)
				}
			}
			got, err := connect(t, s).Ending(t.Context(), "v2")
			if diff := cmp.Diff(test.want, got); err != nil || diff != "" {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}
