package workload

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/canaryctl/canaryctl/internal/kube"
)

// Ending is how the Pods of a version end once they are told to (SIGTERM): what is
// open on them then is cut, sooner or later.
type Ending struct {
	// Pods is how many there are; with none, nothing is cut.
	Pods int
	// Grace is what they have at most.
	Grace time.Duration
	// Cut is when Istio's sidecar cuts all that is open, whatever the application
	// does; where it does not, it is Grace.
	Cut time.Duration
	// Sidecar says that it is Istio's that cuts.
	Sidecar bool
}

// Endings of what istio-proxy is told by nobody; see
// https://istio.io/latest/docs/reference/config/istio.mesh.v1alpha1/#ProxyConfig and
// https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-termination
const (
	sidecarName   = "istio-proxy"
	sidecarDrains = 5 * time.Second
	podGrace      = 30 * time.Second

	annotationProxyConfig = "proxy.istio.io/config"
)

// String is a sentence's part: what happens to what is open.
func (e Ending) String() string {
	if e.Sidecar && e.Cut < e.Grace {
		return fmt.Sprintf("is cut %s after its Pods are told to end: Istio's sidecar waits no longer (terminationDrainDuration), whatever their grace period of %s", short(e.Cut), short(e.Grace))
	}
	return fmt.Sprintf("is cut when the application ends, at the latest %s after its Pods are told to (their grace period)", short(e.Grace))
}

func short(d time.Duration) time.Duration { return d.Round(time.Millisecond) }

// Ending looks at the Pods of a version, in one request: who injects the sidecar, a
// namespace or a template, does not matter then. Pods that are alike end alike; of
// others the first to cut counts.
func (d Deployments) Ending(ctx context.Context, version string) (Ending, error) {
	pods, err := list[corev1.Pod](ctx, d, kube.Pods(), d.podsOf([]string{version}))
	if err != nil {
		return Ending{}, err
	}
	var first Ending
	n := 0
	for i := range pods {
		if pods[i].DeletionTimestamp != nil || pods[i].Status.Phase != corev1.PodRunning || d.versionOfPod(pods[i].Labels) != version {
			continue
		}
		if one := endingOf(&pods[i]); n == 0 || one.Cut < first.Cut {
			first = one
		}
		n++
	}
	first.Pods = n
	return first, nil
}

// endingOf reads what a Pod says. A sidecar among the init containers ends after the
// application, and cuts nothing
// (https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/).
func endingOf(pod *corev1.Pod) Ending {
	e := Ending{Grace: podGrace}
	if s := pod.Spec.TerminationGracePeriodSeconds; s != nil {
		e.Grace = time.Duration(*s) * time.Second
	}
	e.Cut = e.Grace
	for i := range pod.Spec.Containers {
		c := &pod.Spec.Containers[i]
		if c.Name != sidecarName {
			continue
		}
		drains, waits := sidecarOf(pod, c)
		e.Sidecar = !waits
		if e.Sidecar {
			e.Cut = min(e.Grace, drains)
		}
	}
	return e
}

// proxyConfig is as much of Istio's as says when a sidecar ends.
type proxyConfig struct {
	TerminationDrainDuration string            `json:"terminationDrainDuration"`
	ProxyMetadata            map[string]string `json:"proxyMetadata"`
}

// sidecarOf says how long a sidecar goes on, and whether it waits for connections
// instead. Injection gives the container what the mesh and the annotation say
// together; what cannot be read is as if nobody said it.
// https://github.com/istio/istio/blob/1.31.0/pkg/envoy/agent.go
func sidecarOf(pod *corev1.Pod, c *corev1.Container) (drains time.Duration, waits bool) {
	drains = sidecarDrains
	env := map[string]string{}
	for _, v := range c.Env {
		env[v.Name] = v.Value
	}
	if seconds, err := strconv.Atoi(env["TERMINATION_DRAIN_DURATION_SECONDS"]); err == nil {
		drains = time.Duration(seconds) * time.Second
	}
	var injected, own proxyConfig
	_ = json.Unmarshal([]byte(env["PROXY_CONFIG"]), &injected)
	_ = yaml.Unmarshal([]byte(pod.Annotations[annotationProxyConfig]), &own)
	waits, _ = strconv.ParseBool(env["EXIT_ON_ZERO_ACTIVE_CONNECTIONS"])
	for _, said := range []proxyConfig{injected, own} {
		if d, err := time.ParseDuration(said.TerminationDrainDuration); err == nil {
			drains = d
		}
		if w, err := strconv.ParseBool(said.ProxyMetadata["EXIT_ON_ZERO_ACTIVE_CONNECTIONS"]); err == nil {
			waits = w
		}
	}
	return drains, waits
}
