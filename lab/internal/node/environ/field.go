package environ

import (
	"fmt"
	"maps"
	"math"
	"runtime"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// Addresses are what the node knows of a Pod and its status may not say yet.
type Addresses struct {
	PodIP  string
	HostIP string
}

// Field resolves a fieldRef of the downward API.
//
// https://kubernetes.io/docs/concepts/workloads/pods/downward-api/
func Field(pod *corev1.Pod, at Addresses, path string) (string, error) {
	switch path {
	case "metadata.name":
		return pod.Name, nil
	case "metadata.namespace":
		return pod.Namespace, nil
	case "metadata.uid":
		return string(pod.UID), nil
	case "metadata.labels":
		return pairs(pod.Labels), nil
	case "metadata.annotations":
		return pairs(pod.Annotations), nil
	case "spec.nodeName":
		return pod.Spec.NodeName, nil
	case "spec.serviceAccountName":
		return pod.Spec.ServiceAccountName, nil
	case "status.podIP", "status.podIPs":
		return at.PodIP, nil
	case "status.hostIP", "status.hostIPs":
		return at.HostIP, nil
	}
	if key, ok := subscript(path, "metadata.labels"); ok {
		return pod.Labels[key], nil
	}
	if key, ok := subscript(path, "metadata.annotations"); ok {
		return pod.Annotations[key], nil
	}
	return "", fmt.Errorf("fieldPath %q is not one that the lab knows", path)
}

// subscript takes KEY out of "field['KEY']".
func subscript(path, field string) (string, bool) {
	key, ok := strings.CutPrefix(path, field+"['")
	if !ok {
		return "", false
	}
	return strings.CutSuffix(key, "']")
}

// pairs writes a map as a downward API file does: key="value", one a line.
func pairs(m map[string]string) string {
	lines := make([]string, 0, len(m))
	for _, key := range slices.Sorted(maps.Keys(m)) {
		lines = append(lines, key+"="+strconv.Quote(m[key]))
	}
	return strings.Join(lines, "\n")
}

// Resource resolves a resourceFieldRef: the request or limit in units of the
// divisor, rounded up. A limit that is not set is what the machine has.
func Resource(c *corev1.Container, ref *corev1.ResourceFieldSelector) (string, error) {
	kind, name, ok := strings.Cut(ref.Resource, ".")
	lists := map[string]corev1.ResourceList{"limits": c.Resources.Limits, "requests": c.Resources.Requests}
	if _, known := lists[kind]; !ok || !known {
		return "", fmt.Errorf("resource %q is not one that the lab knows", ref.Resource)
	}
	quantity, set := lists[kind][corev1.ResourceName(name)]
	if !set && kind == "limits" && name == string(corev1.ResourceCPU) {
		quantity = *resource.NewQuantity(int64(runtime.NumCPU()), resource.DecimalSI)
	}
	divisor := ref.Divisor.AsApproximateFloat64()
	if divisor == 0 {
		divisor = 1
	}
	return strconv.FormatInt(int64(math.Ceil(quantity.AsApproximateFloat64()/divisor)), 10), nil
}
