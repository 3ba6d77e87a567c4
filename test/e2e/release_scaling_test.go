package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestReleaseIsScaledAsStable has what looks after the stable version's Pods look
// after the canary's. It stays with a canary that is promoted, and goes with one
// that is not.
func TestReleaseIsScaledAsStable(t *testing.T) {
	t.Parallel()
	s := perform(t, pods, "autoscaling")
	path := filepath.Join(s.dir, "scaling.yaml")
	if err := os.WriteFile(path, []byte(scaling), 0o600); err != nil {
		t.Fatal(err)
	}
	sh(t, "kubectl apply -f "+path+" -n "+s.ns)

	s.release("v2", quick, "").wants(0)
	s.wantScaled("v1", "v2")

	e := s.release("v3", patient, "")
	s.until("the second release", func(r written) bool { return r.To == "v3" && r.MaxWeight == 20 })
	s.wantScaled("v1", "v2", "v3")
	s.types("abort")
	e.wants(3)
	wantGone(t, s.ns, "deploy/versioned-echo-v3")
	eventually(t, promptly, func() (bool, string) { // by the garbage collector
		got := s.scaled()
		return cmp.Equal(got, []string{"v1", "v2"}), fmt.Sprint(got)
	})
}

const scaling = `
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: versioned-echo-v1, labels: {app: versioned-echo, version: v1}}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: versioned-echo-v1}
  minReplicas: 2
  maxReplicas: 7
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 70}}}]
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: versioned-echo-v1, labels: {app: versioned-echo, version: v1}}
spec:
  minAvailable: 1
  selector: {matchLabels: {app: versioned-echo, version: v1}}
`

// scaled are the versions that an autoscaler of 2 to 7 Pods looks after and a
// budget keeps from disruption.
func (s *stage) scaled() []string {
	s.t.Helper()
	hpa := sh(s.t, `kubectl get hpa -o jsonpath='{range .items[*]}{.spec.scaleTargetRef.name} {.spec.minReplicas} {.spec.maxReplicas}{"\n"}{end}' -n `+s.ns).Stdout
	pdb := sh(s.t, `kubectl get pdb -o jsonpath='{range .items[*]}{.spec.selector.matchLabels.version}{"\n"}{end}' -n `+s.ns).Stdout
	var all []string
	for _, version := range []string{"v1", "v2", "v3"} {
		if strings.Contains(hpa, "versioned-echo-"+version+" 2 7\n") && strings.Contains(pdb, version+"\n") {
			all = append(all, version)
		}
	}
	return all
}

func (s *stage) wantScaled(want ...string) {
	s.t.Helper()
	if diff := cmp.Diff(want, s.scaled()); diff != "" {
		s.t.Errorf("scaled as stable is (-want +got):\n%s", diff)
	}
}
