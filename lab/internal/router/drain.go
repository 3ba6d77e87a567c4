package router

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// drains cut off Pods that are being deleted. A Pod's sidecar gets SIGTERM with
// the application, and ends after terminationDrainDuration, whatever the Pod's
// terminationGracePeriodSeconds and the application's own draining say. What is
// still open then, streams above all, breaks off; see
// https://istio.io/latest/docs/reference/config/istio.mesh.v1alpha1/#ProxyConfig-termination_drain_duration
type drains struct {
	connections *connections
	after       time.Duration
	leaving     map[string]*time.Timer // by Pod ip
}

func newDrains(c *connections, after time.Duration) *drains {
	return &drains{connections: c, after: after, leaving: map[string]*time.Timer{}}
}

// follow takes note of the Pods that there are.
func (d *drains) follow(pods []*corev1.Pod) {
	deleted := map[string]bool{}
	for _, p := range pods {
		ip := p.Status.PodIP
		if ip == "" || p.DeletionTimestamp == nil {
			continue
		}
		deleted[ip] = true
		if d.leaving[ip] == nil {
			d.leaving[ip] = time.AfterFunc(d.duration(p), func() { d.connections.cut(ip) })
		}
	}
	for ip, timer := range d.leaving {
		if !deleted[ip] {
			timer.Stop()
			d.connections.restore(ip)
			delete(d.leaving, ip)
		}
	}
}

// duration is how long a Pod's sidecar drains: the mesh's time, or what the Pod's
// annotation proxy.istio.io/config says.
func (d *drains) duration(p *corev1.Pod) time.Duration {
	var own struct {
		Drain *duration `json:"terminationDrainDuration"`
	}
	if err := yaml.Unmarshal([]byte(p.Annotations["proxy.istio.io/config"]), &own); err != nil || own.Drain == nil {
		return d.after
	}
	return time.Duration(*own.Drain)
}

func (d *drains) stop() {
	for _, timer := range d.leaving {
		timer.Stop()
	}
}
