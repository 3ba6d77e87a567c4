package workload

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/canaryctl/canaryctl/internal/kube"
)

// WaitListed waits, for no longer than patience, until a Service's EndpointSlices have the
// addresses of all ready Pods of a Deployment, and says whether they do. Proxies
// learn from them where requests can go, so that a ready Pod which is not listed
// yet is one that requests are answered with 503 for. Where there is nothing to
// wait for, since the Service has no EndpointSlices or we may not read them, it
// says yes at once.
//
// It costs a request, to watch the EndpointSlices, and where there are any, another
// for the Pods.
func (d Deployments) WaitListed(ctx context.Context, deployment *unstructured.Unstructured, service string, patience time.Duration) (listed bool, err error) {
	typed, err := typedDeployment(deployment)
	if err != nil {
		return false, err
	}
	pods, err := selected(kube.Pods(), typed.Spec.Selector)
	if err != nil {
		return false, fmt.Errorf("wait for the Pods of %s: %w", d.ref(typed.Name), err)
	}
	deadline, timer := d.clock.Now().Add(patience), d.clock.NewTimer(patience)
	defer timer.Stop()
	within, stop := context.WithCancel(ctx)
	w, seen := newWatches(), listing{}
	defer w.running.Wait()
	defer stop()
	followPods := sync.OnceFunc(func() {
		follow(within, w, d, pods, func(_ []*unstructured.Unstructured, pods []corev1.Pod, err error) {
			seen.pods, seen.counted, seen.barred = pods, err == nil, seen.barred || apierrors.IsForbidden(err)
		})
	})
	endpoints := selection{resource: kube.EndpointSlices(), labels: discoveryv1.LabelServiceName + "=" + service}
	follow(within, w, d, endpoints, func(_ []*unstructured.Unstructured, endpoints []discoveryv1.EndpointSlice, err error) {
		seen.endpoints, seen.read, seen.barred = endpoints, err == nil, seen.barred || apierrors.IsForbidden(err)
	})
	for w.next(within, timer.C()) {
		if seen.complete() {
			return true, nil
		}
		if seen.read {
			followPods()
		}
		if !d.clock.Now().Before(deadline) {
			return false, nil
		}
	}
	return false, ctx.Err()
}

// listing is what is known of a Service's endpoints and the Pods that they are of.
type listing struct {
	endpoints     []discoveryv1.EndpointSlice
	pods          []corev1.Pod
	read, counted bool // they are known; else what failed may pass
	barred        bool // they will not be
}

// complete reports whether nothing is left to wait for.
func (l listing) complete() bool {
	if l.barred || l.read && len(l.endpoints) == 0 {
		return true
	}
	return l.read && l.counted && !slices.ContainsFunc(l.pods, func(p corev1.Pod) bool {
		return p.DeletionTimestamp == nil && podReady(&p) && !addressed(l.endpoints, p.Status.PodIP)
	})
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
