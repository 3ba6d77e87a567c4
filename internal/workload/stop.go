package workload

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/kube"
)

// Stop ends the Pods of a Deployment, which stays: it is scaled to 0. That ends
// connections, too, which nothing else does. A HorizontalPodAutoscaler leaves a
// Deployment of 0 Pods alone
// (https://kubernetes.io/docs/concepts/workloads/autoscaling/horizontal-pod-autoscale/#implicit-maintenance-mode-deactivation).
func (d Deployments) Stop(ctx context.Context, name string) error {
	_, err := d.resource().Patch(ctx, name, types.MergePatchType, []byte(`{"spec":{"replicas":0}}`),
		metav1.PatchOptions{FieldManager: kube.FieldManager}, "scale")
	switch {
	case apierrors.IsForbidden(err):
		return hint.Wrap(fmt.Errorf("stop the Pods of %s: %w", d.ref(name), err), `grant the verb "patch" on deployments/scale: k8s/rbac/role.yaml`)
	case err != nil:
		return fmt.Errorf("stop the Pods of %s: %w", d.ref(name), err)
	}
	return nil
}
