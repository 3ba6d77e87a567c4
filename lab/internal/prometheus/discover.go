package prometheus

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	k8slabels "k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/canaryctl/canaryctl/lab/internal/watch"
)

// sources is what targets, rules and the state of the cluster are read from.
type sources struct {
	pods            *watch.Kind[*corev1.Pod]
	services        *watch.Kind[*corev1.Service]
	slices          *watch.Kind[*discoveryv1.EndpointSlice]
	deployments     *watch.Kind[*appsv1.Deployment]
	serviceMonitors *watch.Kind[*monitor]
	podMonitors     *watch.Kind[*monitor]
	rules           *watch.Kind[*ruleObject]
	virtualServices *watch.Kind[*virtualService]
}

func follow(set *watch.Set) sources {
	gvr := func(group, version, resource string) schema.GroupVersionResource {
		return schema.GroupVersionResource{Group: group, Version: version, Resource: resource}
	}
	const operator = "monitoring.coreos.com"
	return sources{
		pods:            watch.Add(set, gvr("", "v1", "pods"), watch.Typed[corev1.Pod]),
		services:        watch.Add(set, gvr("", "v1", "services"), watch.Typed[corev1.Service]),
		slices:          watch.Add(set, gvr("discovery.k8s.io", "v1", "endpointslices"), watch.Typed[discoveryv1.EndpointSlice]),
		deployments:     watch.Add(set, gvr("apps", "v1", "deployments"), watch.Typed[appsv1.Deployment]),
		serviceMonitors: watch.Add(set, gvr(operator, "v1", "servicemonitors"), fromJSON[monitor]),
		podMonitors:     watch.Add(set, gvr(operator, "v1", "podmonitors"), fromJSON[monitor]),
		rules:           watch.Add(set, gvr(operator, "v1", "prometheusrules"), fromJSON[ruleObject]),
		virtualServices: watch.Add(set, gvr("networking.istio.io", "v1", "virtualservices"), fromJSON[virtualService]),
	}
}

// fromJSON decodes an object of which only some fields matter.
func fromJSON[T any](u *unstructured.Unstructured) (*T, error) {
	text, err := u.MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("encode %s %s/%s: %w", u.GetKind(), u.GetNamespace(), u.GetName(), err)
	}
	into := new(T)
	if err := json.Unmarshal(text, into); err != nil {
		return nil, fmt.Errorf("decode %s %s/%s: %w", u.GetKind(), u.GetNamespace(), u.GetName(), err)
	}
	return into, nil
}

// monitor is what a ServiceMonitor or PodMonitor says about its targets. Their
// relabelings are not applied.
type monitor struct {
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		JobLabel          string               `json:"jobLabel"`
		TargetLabels      []string             `json:"targetLabels"`
		PodTargetLabels   []string             `json:"podTargetLabels"`
		Selector          metav1.LabelSelector `json:"selector"`
		NamespaceSelector struct {
			Any        bool     `json:"any"`
			MatchNames []string `json:"matchNames"`
		} `json:"namespaceSelector"`
		Endpoints           []monitorEndpoint `json:"endpoints"`
		PodMetricsEndpoints []monitorEndpoint `json:"podMetricsEndpoints"`
	} `json:"spec"`
}

type monitorEndpoint struct {
	Port        string              `json:"port"`
	TargetPort  *intstr.IntOrString `json:"targetPort"`
	PortNumber  int32               `json:"portNumber"`
	Path        string              `json:"path"`
	Params      url.Values          `json:"params"`
	HonorLabels bool                `json:"honorLabels"`
}

// watches says whether objects of the namespace are the monitor's.
func (m *monitor) watches(namespace string) bool {
	s := m.Spec.NamespaceSelector
	if s.Any {
		return true
	}
	if len(s.MatchNames) > 0 {
		return slices.Contains(s.MatchNames, namespace)
	}
	return namespace == m.Namespace
}

// discovery collects endpoints.
type discovery struct {
	sources
	interval time.Duration
	pods     map[string]*corev1.Pod // by namespace/name
	found    []endpoint
	claimed  map[string]bool // "ip:port/path" of what a monitor found
}

// endpoints lists what is to be scraped now: what monitors select, then the
// annotated Pods that no monitor selects, so that nothing counts twice.
func (s sources) endpoints(interval time.Duration) []endpoint {
	d := &discovery{sources: s, interval: interval, pods: map[string]*corev1.Pod{}, claimed: map[string]bool{}}
	for _, pod := range s.pods.List() {
		if pod.Status.PodIP != "" && pod.Status.Phase != corev1.PodSucceeded && pod.Status.Phase != corev1.PodFailed {
			d.pods[pod.Namespace+"/"+pod.Name] = pod
		}
	}
	for _, m := range s.serviceMonitors.List() {
		d.fromServices(m)
	}
	for _, m := range s.podMonitors.List() {
		d.fromPods(m)
	}
	for _, pod := range s.pods.List() {
		d.fromAnnotations(pod)
	}
	return d.found
}

func (d *discovery) fromServices(m *monitor) {
	selector, err := metav1.LabelSelectorAsSelector(&m.Spec.Selector)
	if err != nil {
		return // the API server validates it
	}
	for _, service := range d.services.List() {
		if !m.watches(service.Namespace) || !selector.Matches(k8slabels.Set(service.Labels)) {
			continue
		}
		for _, slice := range d.slices.List() {
			if slice.Namespace != service.Namespace || slice.Labels[discoveryv1.LabelServiceName] != service.Name {
				continue
			}
			for i := range m.Spec.Endpoints {
				d.fromSlice(m, i, service, slice)
			}
		}
	}
}

func (d *discovery) fromSlice(m *monitor, index int, service *corev1.Service, slice *discoveryv1.EndpointSlice) {
	want := &m.Spec.Endpoints[index]
	for _, e := range slice.Endpoints {
		if len(e.Addresses) == 0 || e.TargetRef == nil {
			continue
		}
		pod := d.pods[cmp.Or(e.TargetRef.Namespace, slice.Namespace)+"/"+e.TargetRef.Name]
		if pod == nil {
			continue
		}
		port, name := want.in(slice, pod)
		if port == 0 {
			continue
		}
		found := podLabels(pod, port, name)
		found["service"] = service.Name
		found["job"] = cmp.Or(service.Labels[m.Spec.JobLabel], service.Name)
		copyLabels(found, service.Labels, m.Spec.TargetLabels)
		copyLabels(found, pod.Labels, m.Spec.PodTargetLabels)
		pool := fmt.Sprintf("serviceMonitor/%s/%s/%d", m.Namespace, m.Name, index)
		d.add(pool, pod.Status.PodIP, port, want, found)
	}
}

// in finds the monitor's port among those of a slice, or of the Pod itself.
func (e *monitorEndpoint) in(slice *discoveryv1.EndpointSlice, pod *corev1.Pod) (int32, string) {
	if e.TargetPort != nil {
		return containerPort(pod, *e.TargetPort)
	}
	for _, p := range slice.Ports {
		if p.Port != nil && p.Name != nil && *p.Name == e.Port {
			return *p.Port, e.Port
		}
	}
	return 0, ""
}

func (d *discovery) fromPods(m *monitor) {
	selector, err := metav1.LabelSelectorAsSelector(&m.Spec.Selector)
	if err != nil {
		return
	}
	for _, pod := range d.sources.pods.List() {
		if d.pods[pod.Namespace+"/"+pod.Name] == nil || !m.watches(pod.Namespace) || !selector.Matches(k8slabels.Set(pod.Labels)) {
			continue
		}
		for i := range m.Spec.PodMetricsEndpoints {
			want := &m.Spec.PodMetricsEndpoints[i]
			wanted := intstr.FromString(want.Port)
			if want.PortNumber != 0 {
				wanted = intstr.FromInt32(want.PortNumber)
			}
			port, name := containerPort(pod, wanted)
			if port == 0 {
				continue
			}
			found := podLabels(pod, port, name)
			found["job"] = cmp.Or(pod.Labels[m.Spec.JobLabel], m.Namespace+"/"+m.Name)
			copyLabels(found, pod.Labels, m.Spec.PodTargetLabels)
			d.add(fmt.Sprintf("podMonitor/%s/%s/%d", m.Namespace, m.Name, i), pod.Status.PodIP, port, want, found)
		}
	}
}

// fromAnnotations follows the old custom prometheus.io/scrape, /port and /path.
func (d *discovery) fromAnnotations(pod *corev1.Pod) {
	if d.pods[pod.Namespace+"/"+pod.Name] == nil || pod.Annotations["prometheus.io/scrape"] != "true" {
		return
	}
	var port int32
	if n, err := strconv.ParseUint(pod.Annotations["prometheus.io/port"], 10, 16); err == nil {
		port = int32(n)
	} else if len(pod.Spec.Containers) > 0 && len(pod.Spec.Containers[0].Ports) > 0 {
		port = pod.Spec.Containers[0].Ports[0].ContainerPort
	}
	want := &monitorEndpoint{Path: pod.Annotations["prometheus.io/path"]}
	if port == 0 || d.claimed[address(pod.Status.PodIP, port, want)] {
		return
	}
	_, name := containerPort(pod, intstr.FromInt32(port))
	found := podLabels(pod, port, name)
	found["job"] = "kubernetes-pods"
	d.add("kubernetes-pods", pod.Status.PodIP, port, want, found)
}

func (d *discovery) add(pool, ip string, port int32, want *monitorEndpoint, found map[string]string) {
	at := address(ip, port, want)
	d.claimed[at] = true
	target := url.URL{Scheme: "http", Host: net.JoinHostPort(ip, strconv.Itoa(int(port))),
		Path: cmp.Or(want.Path, "/metrics"), RawQuery: want.Params.Encode()}
	discovered := map[string]string{"__address__": target.Host, "__metrics_path__": target.Path, "__scheme__": "http", "job": pool}
	d.found = append(d.found, endpoint{
		pool:       pool,
		url:        target.String(),
		labels:     labels.FromMap(found),
		discovered: discovered,
		interval:   d.interval,
		honor:      want.HonorLabels,
	})
}

func address(ip string, port int32, want *monitorEndpoint) string {
	return net.JoinHostPort(ip, strconv.Itoa(int(port))) + cmp.Or(want.Path, "/metrics")
}

// podLabels are the labels that the Prometheus operator's configuration gives.
func podLabels(pod *corev1.Pod, port int32, portName string) map[string]string {
	found := map[string]string{
		"instance":  net.JoinHostPort(pod.Status.PodIP, strconv.Itoa(int(port))),
		"namespace": pod.Namespace,
		"pod":       pod.Name,
	}
	if portName != "" {
		found["endpoint"] = portName
	}
	for _, c := range pod.Spec.Containers {
		if slices.ContainsFunc(c.Ports, func(p corev1.ContainerPort) bool { return p.ContainerPort == port }) {
			found["container"] = c.Name
		}
	}
	return found
}

// containerPort finds a port of the Pod by name or number. A number need not be
// declared.
func containerPort(pod *corev1.Pod, want intstr.IntOrString) (int32, string) {
	for _, c := range pod.Spec.Containers {
		for _, p := range c.Ports {
			if p.ContainerPort == want.IntVal || want.StrVal != "" && p.Name == want.StrVal {
				return p.ContainerPort, p.Name
			}
		}
	}
	return want.IntVal, ""
}

func copyLabels(into, from map[string]string, names []string) {
	for _, name := range names {
		if v := from[name]; v != "" {
			into[labelName(name)] = v
		}
	}
}

// labelName replaces what a label's name may not have, as Prometheus does.
func labelName(name string) string {
	out := []byte(name)
	for i, c := range out {
		if c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			out[i] = '_'
		}
	}
	return string(out)
}
