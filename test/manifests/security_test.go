package manifests

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
)

// violations lists what the Pod Security Standard "restricted" forbids in a Pod,
// and what this project adds to it: a read-only root file system, and no API
// token for a service that calls no API.
// https://kubernetes.io/docs/concepts/security/pod-security-standards/
func violations(pod corev1.PodSpec) []string {
	var found []string
	add := func(bad bool, format string, args ...any) {
		if bad {
			found = append(found, fmt.Sprintf(format, args...))
		}
	}
	add(pod.HostNetwork || pod.HostPID || pod.HostIPC, "shares a namespace of the host")
	add(!isFalse(pod.AutomountServiceAccountToken), "mounts an API token")
	for _, v := range pod.Volumes {
		add(!allowedVolume(v), "volume %s is of a kind that is not allowed", v.Name)
	}
	ps := pod.SecurityContext
	if ps == nil {
		ps = &corev1.PodSecurityContext{}
	}
	for _, c := range slices.Concat(pod.InitContainers, pod.Containers) {
		sc := c.SecurityContext
		if sc == nil {
			sc = &corev1.SecurityContext{}
		}
		add(sc.Privileged != nil && *sc.Privileged, "%s is privileged", c.Name)
		add(!isFalse(sc.AllowPrivilegeEscalation), "%s may escalate privileges", c.Name)
		add(!isTrue(or(sc.RunAsNonRoot, ps.RunAsNonRoot)), "%s may run as root", c.Name)
		user := or(sc.RunAsUser, ps.RunAsUser)
		add(user != nil && *user == 0, "%s runs as user 0", c.Name)
		seccomp := or(sc.SeccompProfile, ps.SeccompProfile)
		add(seccomp == nil || seccomp.Type == corev1.SeccompProfileTypeUnconfined, "%s has no seccomp profile", c.Name)
		caps := sc.Capabilities
		add(caps == nil || !slices.Contains(caps.Drop, "ALL"), "%s keeps capabilities", c.Name)
		add(caps != nil && slices.ContainsFunc(caps.Add, func(c corev1.Capability) bool { return c != "NET_BIND_SERVICE" }), "%s adds capabilities", c.Name)
		add(!isTrue(sc.ReadOnlyRootFilesystem), "%s can write to its root file system", c.Name)
		for _, p := range c.Ports {
			add(p.HostPort != 0, "%s takes port %d of the host", c.Name, p.HostPort)
		}
	}
	return found
}

func allowedVolume(v corev1.Volume) bool {
	s := v.VolumeSource
	return s.ConfigMap != nil || s.CSI != nil || s.DownwardAPI != nil || s.EmptyDir != nil || s.Ephemeral != nil ||
		s.PersistentVolumeClaim != nil || s.Projected != nil || s.Secret != nil
}

func isTrue(b *bool) bool  { return b != nil && *b }
func isFalse(b *bool) bool { return b != nil && !*b }

// or returns the container's setting where it has one, else the Pod's.
func or[T any](container, pod *T) *T {
	if container != nil {
		return container
	}
	return pod
}

func TestPodsAreRestricted(t *testing.T) {
	for _, w := range workloads(t) {
		for _, v := range violations(w.template.Spec) {
			t.Errorf("%s: %s", w, v)
		}
	}
}

// Each case breaks one rule of a Pod that breaks none.
func TestViolations(t *testing.T) {
	yes, no, root := true, false, int64(0)
	tests := []struct {
		name string
		make func(pod *corev1.PodSpec, c *corev1.Container)
		want []string
	}{
		{"none", func(*corev1.PodSpec, *corev1.Container) {}, nil},
		{"host network", func(p *corev1.PodSpec, _ *corev1.Container) { p.HostNetwork = true }, []string{"shares a namespace of the host"}},
		{"token", func(p *corev1.PodSpec, _ *corev1.Container) { p.AutomountServiceAccountToken = nil }, []string{"mounts an API token"}},
		{"host path", func(p *corev1.PodSpec, _ *corev1.Container) {
			p.Volumes = []corev1.Volume{{Name: "v", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/"}}}}
		}, []string{"volume v is of a kind that is not allowed"}},
		{"privileged", func(_ *corev1.PodSpec, c *corev1.Container) { c.SecurityContext.Privileged = &yes }, []string{"c is privileged"}},
		{"escalation", func(_ *corev1.PodSpec, c *corev1.Container) { c.SecurityContext.AllowPrivilegeEscalation = nil }, []string{"c may escalate privileges"}},
		{"root allowed", func(p *corev1.PodSpec, _ *corev1.Container) { p.SecurityContext.RunAsNonRoot = nil }, []string{"c may run as root"}},
		{"container overrides the Pod", func(_ *corev1.PodSpec, c *corev1.Container) { c.SecurityContext.RunAsNonRoot = &no }, []string{"c may run as root"}},
		{"user 0", func(p *corev1.PodSpec, _ *corev1.Container) { p.SecurityContext.RunAsUser = &root }, []string{"c runs as user 0"}},
		{"seccomp", func(p *corev1.PodSpec, _ *corev1.Container) { p.SecurityContext.SeccompProfile = nil }, []string{"c has no seccomp profile"}},
		{"capabilities kept", func(_ *corev1.PodSpec, c *corev1.Container) { c.SecurityContext.Capabilities = nil }, []string{"c keeps capabilities"}},
		{"capability added", func(_ *corev1.PodSpec, c *corev1.Container) {
			c.SecurityContext.Capabilities.Add = []corev1.Capability{"NET_ADMIN"}
		}, []string{"c adds capabilities"}},
		{"writable root", func(_ *corev1.PodSpec, c *corev1.Container) { c.SecurityContext.ReadOnlyRootFilesystem = nil }, []string{"c can write to its root file system"}},
		{"host port", func(_ *corev1.PodSpec, c *corev1.Container) { c.Ports = []corev1.ContainerPort{{HostPort: 80}} }, []string{"c takes port 80 of the host"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			pod := corev1.PodSpec{
				AutomountServiceAccountToken: &no,
				SecurityContext: &corev1.PodSecurityContext{RunAsNonRoot: &yes,
					SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}},
				Containers: []corev1.Container{{Name: "c", SecurityContext: &corev1.SecurityContext{
					AllowPrivilegeEscalation: &no, ReadOnlyRootFilesystem: &yes,
					Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}}}},
			}
			tt.make(&pod, &pod.Containers[0])
			if diff := cmp.Diff(tt.want, violations(pod)); diff != "" {
				t.Errorf("violations (-want +got):\n%s", diff)
			}
		})
	}
}
