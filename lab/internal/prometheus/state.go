package prometheus

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// virtualService is what the configured weights are read from.
type virtualService struct {
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		HTTP []struct {
			Route []destination `json:"route"`
		} `json:"http"`
	} `json:"spec"`
}

// destination is one of a rule.
type destination struct {
	Destination struct {
		Host   string `json:"host"`
		Subset string `json:"subset"`
	} `json:"destination"`
	Weight float64 `json:"weight"`
}

// state exports the few series about objects that dashboards put beside the
// traffic. In a real cluster they come from kube-state-metrics;
// canary_route_weight does from its custom resource state configuration, which knows the
// first rule alone, and cannot divide.
func (s sources) state() http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(stateCollector{s})
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError})
}

type stateCollector struct{ sources }

// Describe sends nothing: the series come and go with the objects.
func (stateCollector) Describe(chan<- *prometheus.Desc) {}

// Collect reads the objects as they are now.
func (c stateCollector) Collect(out chan<- prometheus.Metric) {
	c.weights(out)
	gauge := func(name, help string, labels ...string) func(float64, ...string) {
		desc := prometheus.NewDesc(name, help, labels, nil)
		return func(v float64, values ...string) {
			out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, v, values...)
		}
	}
	wanted := gauge("kube_deployment_spec_replicas", "Number of desired pods for a deployment.", "namespace", "deployment")
	available := gauge("kube_deployment_status_replicas_available", "The number of available replicas per deployment.", "namespace", "deployment")
	for _, d := range c.deployments.List() {
		if d.Spec.Replicas != nil {
			wanted(float64(*d.Spec.Replicas), d.Namespace, d.Name)
		}
		available(float64(d.Status.AvailableReplicas), d.Namespace, d.Name)
	}
	ready := gauge("kube_pod_status_ready", "Describes whether the pod is ready to serve requests.", "namespace", "pod", "uid", "condition")
	restarts := prometheus.NewDesc("kube_pod_container_status_restarts_total", "The number of container restarts per container.",
		[]string{"namespace", "pod", "uid", "container"}, nil)
	for _, p := range c.pods.List() {
		for _, condition := range p.Status.Conditions {
			if condition.Type != corev1.PodReady {
				continue
			}
			for label, status := range map[string]corev1.ConditionStatus{"true": corev1.ConditionTrue, "false": corev1.ConditionFalse, "unknown": corev1.ConditionUnknown} {
				ready(number(condition.Status == status), p.Namespace, p.Name, string(p.UID), label)
			}
		}
		for _, container := range p.Status.ContainerStatuses {
			out <- prometheus.MustNewConstMetric(restarts, prometheus.CounterValue, float64(container.RestartCount),
				p.Namespace, p.Name, string(p.UID), container.Name)
		}
	}
}

// weights exports the shares that each VirtualService configures, in percent of what
// the rule's weights sum to. Of a host's versions those count that the first rule with
// two of them names, else the first with one.
func (c stateCollector) weights(out chan<- prometheus.Metric) {
	desc := prometheus.NewDesc("canary_route_weight", "Configured weight of a version in a route, in percent of its rule's.",
		[]string{"namespace", "route", "host", "version"}, nil)
	for _, vs := range c.virtualServices.List() {
		hosts := map[string]map[string]float64{}
		for _, rule := range vs.Spec.HTTP {
			for host, shares := range sharesOf(rule.Route) {
				if len(hosts[host]) == 0 || len(hosts[host]) == 1 && len(shares) > 1 {
					hosts[host] = shares
				}
			}
		}
		for host, shares := range hosts {
			for version, share := range shares {
				out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, share, vs.Namespace, vs.Name, host, version)
			}
		}
	}
}

// sharesOf are the shares of one rule, in percent, by host and version. Its only
// destination gets everything, and weights are parts of their sum:
// https://istio.io/latest/docs/reference/config/networking/virtual-service/#HTTPRouteDestination
func sharesOf(route []destination) map[string]map[string]float64 {
	sum := 0.0
	for _, to := range route {
		sum += to.Weight
	}
	all := map[string]map[string]float64{}
	for _, to := range route {
		host, version := to.Destination.Host, to.Destination.Subset
		if version == "" {
			continue
		}
		if all[host] == nil {
			all[host] = map[string]float64{}
		}
		switch {
		case len(route) == 1:
			all[host][version] = 100
		case sum > 0:
			all[host][version] += 100 * to.Weight / sum
		default:
			all[host][version] = 0
		}
	}
	return all
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
