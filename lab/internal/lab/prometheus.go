package lab

import (
	"context"
	"net/netip"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
)

// What kube-prometheus-stack calls its Prometheus when it is installed as "kps"; see
// manifests/prometheus.yaml.
const (
	prometheusNamespace = "monitoring"
	prometheusService   = "kps-kube-prometheus-stack-prometheus"
	prometheusPod       = "prometheus-kps-kube-prometheus-stack-prometheus-0"
	prometheusPort      = 9090
)

// publishPrometheus gives Prometheus' Pod an address, and puts it behind its Service.
func publishPrometheus(ctx context.Context, client dynamic.Interface, address netip.Addr, since time.Time) error {
	if err := applyTyped(ctx, client, prometheusStatus(address, since), "status"); err != nil {
		return err
	}
	name, port, yes := "http-web", int32(prometheusPort), true
	return applyTyped(ctx, client, &discoveryv1.EndpointSlice{
		TypeMeta: metav1.TypeMeta{APIVersion: "discovery.k8s.io/v1", Kind: "EndpointSlice"},
		ObjectMeta: metav1.ObjectMeta{
			Name: prometheusService, Namespace: prometheusNamespace,
			Labels: map[string]string{
				discoveryv1.LabelServiceName: prometheusService,
				discoveryv1.LabelManagedBy:   fieldManager,
			},
		},
		AddressType: discoveryv1.AddressTypeIPv4,
		Endpoints: []discoveryv1.Endpoint{{
			Addresses:  []string{address.String()},
			Conditions: discoveryv1.EndpointConditions{Ready: &yes},
			TargetRef:  &corev1.ObjectReference{Kind: "Pod", Namespace: prometheusNamespace, Name: prometheusPod},
		}},
		Ports: []discoveryv1.EndpointPort{{Name: &name, Port: &port}},
	})
}

func prometheusStatus(address netip.Addr, since time.Time) *corev1.Pod {
	started := metav1.NewTime(since)
	status := corev1.PodStatus{
		Phase:     corev1.PodRunning,
		PodIP:     address.String(),
		PodIPs:    []corev1.PodIP{{IP: address.String()}},
		StartTime: &started,
		ContainerStatuses: []corev1.ContainerStatus{{
			Name: "prometheus", Image: "canary-lab/prometheus", Ready: true, Started: new(true),
			State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: started}},
		}},
	}
	for _, kind := range []corev1.PodConditionType{corev1.PodScheduled, corev1.PodInitialized, corev1.ContainersReady, corev1.PodReady} {
		status.Conditions = append(status.Conditions, corev1.PodCondition{
			Type: kind, Status: corev1.ConditionTrue, LastTransitionTime: started,
		})
	}
	return &corev1.Pod{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{Name: prometheusPod, Namespace: prometheusNamespace},
		Status:     status,
	}
}
