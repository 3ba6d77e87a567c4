package kube

import "k8s.io/apimachinery/pkg/runtime/schema"

// FieldManager is the name under which canaryctl's writes appear in
// metadata.managedFields.
const FieldManager = "canaryctl"

// The resources are named here once and for all, so that no command pays for
// discovery: a first request would otherwise be preceded by several others.

// Deployments names apps/v1 Deployments.
func Deployments() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}
}

// ReplicaSets names apps/v1 ReplicaSets.
func ReplicaSets() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "replicasets"}
}

// StatefulSets names apps/v1 StatefulSets.
func StatefulSets() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "statefulsets"}
}

// DaemonSets names apps/v1 DaemonSets.
func DaemonSets() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "daemonsets"}
}

// Rollouts names those of Argo Rollouts, of clusters that have it.
func Rollouts() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "argoproj.io", Version: "v1alpha1", Resource: "rollouts"}
}

// Pods names core/v1 Pods.
func Pods() schema.GroupVersionResource { return core("pods") }

// Services names core/v1 Services.
func Services() schema.GroupVersionResource { return core("services") }

// EndpointSlices names discovery.k8s.io/v1 EndpointSlices.
func EndpointSlices() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "discovery.k8s.io", Version: "v1", Resource: "endpointslices"}
}

// Events names core/v1 Events.
func Events() schema.GroupVersionResource { return core("events") }

// ConfigMaps names core/v1 ConfigMaps.
func ConfigMaps() schema.GroupVersionResource { return core("configmaps") }

// Namespaces names core/v1 Namespaces.
func Namespaces() schema.GroupVersionResource { return core("namespaces") }

// Leases names coordination.k8s.io/v1 Leases.
func Leases() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "coordination.k8s.io", Version: "v1", Resource: "leases"}
}

// HorizontalPodAutoscalers names autoscaling/v2 HorizontalPodAutoscalers.
func HorizontalPodAutoscalers() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "autoscaling", Version: "v2", Resource: "horizontalpodautoscalers"}
}

// ScaledObjects names KEDA's ScaledObjects, of clusters that have KEDA.
func ScaledObjects() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "keda.sh", Version: "v1alpha1", Resource: "scaledobjects"}
}

// PodDisruptionBudgets names policy/v1 PodDisruptionBudgets.
func PodDisruptionBudgets() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "policy", Version: "v1", Resource: "poddisruptionbudgets"}
}

// VirtualServices names Istio's VirtualServices, served as v1 since Istio 1.22.
func VirtualServices() schema.GroupVersionResource { return networking("virtualservices") }

// DestinationRules names Istio's DestinationRules, served as v1 since Istio 1.22.
func DestinationRules() schema.GroupVersionResource { return networking("destinationrules") }

// HTTPRoutes names those of the Gateway API.
func HTTPRoutes() schema.GroupVersionResource { return gateway("httproutes") }

// GRPCRoutes names those of the Gateway API.
func GRPCRoutes() schema.GroupVersionResource { return gateway("grpcroutes") }

// Ingresses names networking.k8s.io/v1 Ingresses.
func Ingresses() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "networking.k8s.io", Version: "v1", Resource: "ingresses"}
}

func core(resource string) schema.GroupVersionResource {
	return schema.GroupVersionResource{Version: "v1", Resource: resource}
}

func networking(resource string) schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "networking.istio.io", Version: "v1", Resource: resource}
}

func gateway(resource string) schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "gateway.networking.k8s.io", Version: "v1", Resource: resource}
}
