package manifests

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// workload is a Deployment or a Rollout, as far as these tests care.
type workload struct {
	Object
	selector *metav1.LabelSelector
	template corev1.PodTemplateSpec
}

func workloads(t *testing.T) []workload {
	t.Helper()
	var all []workload
	for _, d := range find[appsv1.Deployment](t) {
		all = append(all, workload{d.Object, d.Value.Spec.Selector, d.Value.Spec.Template})
	}
	for _, r := range find[rollout](t) {
		all = append(all, workload{r.Object, r.Value.Spec.Selector, r.Value.Spec.Template})
	}
	return all
}

// A version is a Deployment of its own, named and labelled after it.
func TestVersionsAreToldApart(t *testing.T) {
	for _, d := range find[appsv1.Deployment](t) {
		version := d.Labels["version"]
		if want := "versioned-echo-" + version; d.Name != want {
			t.Errorf("%s: the name should be %s", d, want)
		}
		want := map[string]string{"app": "versioned-echo", "version": version}
		if diff := cmp.Diff(want, d.Value.Spec.Selector.MatchLabels); diff != "" {
			t.Errorf("%s: selector (-want +got):\n%s", d, diff)
		}
	}
	for _, w := range workloads(t) {
		version := w.template.Labels["version"]
		c := w.template.Spec.Containers[0]
		if c.Image != "versioned-echo:"+version || env(c, "APP_VERSION").Value != version {
			t.Errorf("%s: image %s and APP_VERSION %q, both should say %s", w, c.Image, env(c, "APP_VERSION").Value, version)
		}
		if from := env(c, "POD_NAME").ValueFrom; from == nil || from.FieldRef.FieldPath != "metadata.name" {
			t.Errorf("%s: POD_NAME is not the Pod's name", w)
		}
		if !matches(t, w.selector, w.template.Labels) {
			t.Errorf("%s: the selector does not match its own Pods", w)
		}
	}
}

func TestContainersAreFitToServe(t *testing.T) {
	for _, w := range workloads(t) {
		for _, c := range w.template.Spec.Containers {
			if c.ImagePullPolicy != corev1.PullIfNotPresent {
				t.Errorf("%s: imagePullPolicy %s would look for a local image in a registry", w, c.ImagePullPolicy)
			}
			for name, probe := range map[string]*corev1.Probe{
				"startup": c.StartupProbe, "readiness": c.ReadinessProbe, "liveness": c.LivenessProbe,
			} {
				if probe == nil || probe.HTTPGet == nil || probe.HTTPGet.Path != "/health" || probe.HTTPGet.Port != intstr.FromString("http") {
					t.Errorf("%s: the %s probe does not ask /health", w, name)
				}
			}
			for _, resource := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
				request, limit := c.Resources.Requests[resource], c.Resources.Limits[resource]
				if request.IsZero() || limit.Cmp(request) < 0 {
					t.Errorf("%s: %s wants a request and a limit not below it", w, resource)
				}
			}
		}
	}
}

// Each Service finds Pods that some workload here makes, at a port they have.
func TestServicesFindPods(t *testing.T) {
	for _, s := range find[corev1.Service](t) {
		if s.Value.Spec.Ports[0].Name != "http" {
			t.Errorf("%s: Istio takes the protocol from the port's name: want http", s)
		}
		var found []string
		for _, w := range workloads(t) {
			if !labels.SelectorFromSet(s.Value.Spec.Selector).Matches(labels.Set(w.template.Labels)) {
				continue
			}
			found = append(found, w.Name)
			if port := w.template.Spec.Containers[0].Ports[0]; s.Value.Spec.Ports[0].TargetPort != intstr.FromString(port.Name) {
				t.Errorf("%s: target port %s, %s has %s", s, s.Value.Spec.Ports[0].TargetPort.String(), w.Name, port.Name)
			}
		}
		if len(found) == 0 {
			t.Errorf("%s: selects no Pod", s)
		}
		if version := s.Labels["version"]; version != "" && strings.Join(found, " ") != "versioned-echo-"+version {
			t.Errorf("%s: selects %v", s, found)
		}
	}
}

// Two scrapes of one Pod would count each request twice.
func TestServiceMonitorSelectsOneService(t *testing.T) {
	for _, m := range find[serviceMonitor](t) {
		var found []string
		for _, s := range find[corev1.Service](t) {
			if matches(t, &m.Value.Spec.Selector, s.Labels) {
				found = append(found, s.Name)
			}
		}
		if diff := cmp.Diff([]string{"versioned-echo"}, found); diff != "" {
			t.Errorf("%s: Services (-want +got):\n%s", m, diff)
		}
	}
}

func env(c corev1.Container, name string) corev1.EnvVar {
	for _, e := range c.Env {
		if e.Name == name {
			return e
		}
	}
	return corev1.EnvVar{}
}

func matches(t *testing.T, selector *metav1.LabelSelector, set map[string]string) bool {
	t.Helper()
	s, err := metav1.LabelSelectorAsSelector(selector)
	if err != nil {
		t.Fatal(err)
	}
	return s.Matches(labels.Set(set))
}
