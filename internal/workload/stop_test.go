package workload

import (
	"testing"

	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/kube"
	"github.com/canaryctl/canaryctl/internal/kube/kubetest"
)

func TestStop(t *testing.T) {
	s := kubetest.New(t)
	s.RunDeployments(nil)
	canary := canaryOf(t, "shop:2")
	canary.SetNamespace("default")
	s.Put(canary)
	d := connect(t, s)
	for range 2 { // twice is once
		if err := d.Stop(t.Context(), "shop-v2"); err != nil {
			t.Fatal(err)
		}
	}
	if pods := s.List(kube.Pods(), "default"); len(pods) != 0 {
		t.Errorf("%d Pods are left", len(pods))
	}
	if s.Get(kube.Deployments(), "default", "shop-v2") == nil {
		t.Error("the Deployment is gone, too")
	}
	s.Forbid("patch", "deployments")
	err := d.Stop(t.Context(), "shop-v2")
	if err == nil || hint.Of(err) != `grant the verb "patch" on deployments/scale: k8s/rbac/role.yaml` {
		t.Errorf("forbidden: %v, hint %q", err, hint.Of(err))
	}
}
