package workload

import (
	"context"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/canaryctl/canaryctl/internal/kube"
)

// WaitListed waits, for no longer than patience, until a Service's EndpointSlices have the
// addresses of all ready Pods of a Deployment, and says whether they do. Proxies
// learn from them where requests can go, so that a ready Pod which is not listed
// yet is one that requests are answered with 503 for. Where there is nothing to
// wait for, since the Service has no EndpointSlices or we may not read them, it
// says yes at once.
func (d Deployments) WaitListed(ctx context.Context, deployment *unstructured.Unstructured, service string, patience time.Duration) (listed bool, err error) {
	deadline := d.clock.Now().Add(patience)
	err = d.poll(ctx, func() (bool, error) {
		all, err := d.listed(ctx, deployment, service)
		listed = err == nil && all || apierrors.IsForbidden(err) // else what failed may pass
		return listed || !d.clock.Now().Before(deadline), nil
	})
	return listed, err
}

func (d Deployments) listed(ctx context.Context, obj *unstructured.Unstructured, service string) (bool, error) {
	endpoints, err := list[discoveryv1.EndpointSlice](ctx, d, kube.EndpointSlices(),
		&metav1.LabelSelector{MatchLabels: map[string]string{discoveryv1.LabelServiceName: service}})
	if err != nil || len(endpoints) == 0 {
		return true, err
	}
	deployment, err := typedDeployment(obj)
	if err != nil {
		return false, err
	}
	pods, err := list[corev1.Pod](ctx, d, kube.Pods(), deployment.Spec.Selector)
	if err != nil {
		return false, err
	}
	for i := range pods {
		if p := &pods[i]; p.DeletionTimestamp == nil && podReady(p) && !addressed(endpoints, p.Status.PodIP) {
			return false, nil
		}
	}
	return true, nil
}

// addressed reports whether requests are sent to an address. An endpoint that does
// not say whether it is ready is to be taken for ready
// (https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/#conditions).
func addressed(all []discoveryv1.EndpointSlice, address string) bool {
	for _, slice := range all {
		for _, e := range slice.Endpoints {
			if slices.Contains(e.Addresses, address) && (e.Conditions.Ready == nil || *e.Conditions.Ready) {
				return true
			}
		}
	}
	return false
}
