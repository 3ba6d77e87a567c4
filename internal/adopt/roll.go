package adopt

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/canaryctl/canaryctl/internal/kube"
	"github.com/canaryctl/canaryctl/internal/workload"
)

// typed is a Deployment with what the API server filled in; nil where it cannot be read,
// which says nothing.
func typed(v workload.Version) *appsv1.Deployment {
	var d appsv1.Deployment
	if v.Object == nil || runtime.DefaultUnstructuredConverter.FromUnstructured(v.Object.Object, &d) != nil {
		return nil
	}
	return &d
}

func selectorOf(v workload.Version) map[string]string {
	d := typed(v)
	if d == nil || d.Spec.Selector == nil {
		return nil
	}
	return d.Spec.Selector.MatchLabels
}

func keeperOf(v workload.Version) string {
	if v.Object == nil {
		return ""
	}
	return kube.Keeper(v.Object)
}

// replaced is what a roll costs.
func replaced(v workload.Version) string {
	if v.Desired == 0 {
		return "no Pod restarts: there is none"
	}
	return fmt.Sprintf("its %s replaced once, as by a new image", map[bool]string{true: "Pod is", false: fmt.Sprintf("%d Pods are", v.Desired)}[v.Desired == 1])
}

// risks are why a roll of a Deployment may lose requests: not by what is changed, but as
// any release of a new image by its strategy would.
func risks(v workload.Version) []string {
	d := typed(v)
	if d == nil || v.Desired == 0 {
		return nil
	}
	var all []string
	say := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	if d.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType {
		say("its strategy is Recreate: all Pods end before the first new one begins, and requests are lost in between")
	} else if down := mayBeDown(d, v.Desired); down >= v.Desired {
		say("its strategy lets %d of %d Pods be away at a time (maxUnavailable): requests may find none", down, v.Desired)
	}
	if !probed(d) {
		say("its Pods have no readinessProbe: a new one gets requests before it can answer")
	}
	if v.Ready < v.Desired {
		say("only %d of its %d Pods are ready now", v.Ready, v.Desired)
	}
	return all
}

// mayBeDown is how many Pods may be away: 25% rounded down, where nothing is said
// (https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#max-unavailable).
func mayBeDown(d *appsv1.Deployment, replicas int) int {
	most := intstr.FromString("25%")
	if r := d.Spec.Strategy.RollingUpdate; r != nil && r.MaxUnavailable != nil {
		most = *r.MaxUnavailable
	}
	n, err := intstr.GetScaledValueFromIntOrPercent(&most, replicas, false)
	if err != nil {
		return 0 // the API server admits no such value
	}
	return n
}

// probed reports whether any container has a say in when its Pod is ready.
func probed(d *appsv1.Deployment) bool {
	for _, c := range d.Spec.Template.Spec.Containers {
		if c.ReadinessProbe != nil {
			return true
		}
	}
	return hasGate(d.Spec.Template.Spec)
}

func hasGate(s corev1.PodSpec) bool { return len(s.ReadinessGates) > 0 }
