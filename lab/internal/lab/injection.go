package lab

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

const sidecar = "istio-proxy"

// admissionPoll is how often a Pod is tried.
const admissionPoll = 25 * time.Millisecond

// awaitAdmission returns once a Pod would be admitted to the default namespace and get its
// sidecar. The API server takes up a new policy about a second after it is written, and
// Pods are refused until the controller manager has made the service account: whoever
// starts work earlier has Pods without sidecars, or none.
func awaitAdmission(ctx context.Context, client kubernetes.Interface) error {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "canary-lab-probe-"},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "probe", Image: "probe"}}},
	}
	dryRun := metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}
	tick := time.NewTicker(admissionPoll)
	defer tick.Stop()
	for {
		admitted, err := client.CoreV1().Pods(metav1.NamespaceDefault).Create(ctx, pod, dryRun)
		switch {
		case err == nil && hasSidecar(admitted):
			return nil
		case err != nil && !apierrors.IsForbidden(err) && ctx.Err() == nil: // forbidden: no service account yet
			return fmt.Errorf("try whether a Pod would be admitted: %w", err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait until a Pod would be admitted with its sidecar: %w", ctx.Err())
		case <-tick.C:
		}
	}
}

func hasSidecar(pod *corev1.Pod) bool {
	for _, container := range pod.Spec.Containers {
		if container.Name == sidecar {
			return true
		}
	}
	return false
}
