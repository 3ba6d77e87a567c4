package environ

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestExpand(t *testing.T) {
	vars := map[string]string{"A": "1", "B": "two", "EMPTY": ""}
	lookup := func(name string) (string, bool) { v, ok := vars[name]; return v, ok }
	for text, want := range map[string]string{
		"":              "",
		"plain":         "plain",
		"$(A)":          "1",
		"x$(A)y$(B)z":   "x1ytwoz",
		"$(EMPTY)|":     "|",
		"$(MISSING)":    "$(MISSING)",
		"$$(A)":         "$(A)",
		"$$$(A)":        "$1",
		"$A ${A}":       "$A ${A}",
		"$(A":           "$(A",
		"cost 5$":       "cost 5$",
		"$(A)$(A)":      "11",
		"$($(A))":       "$($(A))",
		"sh -c 'a $$1'": "sh -c 'a $1'",
	} {
		if got := Expand(text, lookup); got != want {
			t.Errorf("Expand(%q) = %q, want %q", text, got, want)
		}
	}
}

// objects is a namespace with one ConfigMap and one Secret.
type objects struct{}

func (objects) ConfigMap(_ context.Context, _, name string) (*corev1.ConfigMap, error) {
	if name != "settings" {
		return nil, apierrors.NewNotFound(corev1.Resource("configmaps"), name)
	}
	return &corev1.ConfigMap{Data: map[string]string{"level": "debug", "not a name=": "x"}}, nil
}

func (objects) Secret(_ context.Context, _, name string) (*corev1.Secret, error) {
	if name != "keys" {
		return nil, apierrors.NewNotFound(corev1.Resource("secrets"), name)
	}
	return &corev1.Secret{Data: map[string][]byte{"token": []byte("hush")}}, nil
}

func pod() *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: "web", Namespace: "shop", UID: "u1",
			Labels:      map[string]string{"app": "web", "app.kubernetes.io/part-of": "shop"},
			Annotations: map[string]string{"note": "hi"},
		},
		Spec: corev1.PodSpec{NodeName: "canary-lab", ServiceAccountName: "sa"},
	}
}

func field(name, path string) corev1.EnvVar {
	return corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: path}}}
}

func keyOf(object, key string, optional bool) *corev1.ConfigMapKeySelector {
	return &corev1.ConfigMapKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: object}, Key: key, Optional: &optional}
}

func secretKey(object, key string) *corev1.SecretKeySelector {
	return &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: object}, Key: key}
}

func build(t *testing.T, c corev1.Container, forced map[string]string) ([]string, error) {
	t.Helper()
	env, err := Build(context.Background(), objects{}, Container{
		Pod: pod(), Spec: &c, At: Addresses{PodIP: "10.244.0.2", HostIP: "10.0.0.1"}, Forced: forced,
	})
	if err != nil {
		return nil, err
	}
	return env.Strings(), nil
}

func TestBuild(t *testing.T) {
	for _, tt := range []struct {
		name   string
		spec   corev1.Container
		forced map[string]string
		want   []string
	}{
		{
			name: "values see earlier ones only",
			spec: corev1.Container{Env: []corev1.EnvVar{{Name: "A", Value: "$(B)"}, {Name: "B", Value: "b"}, {Name: "C", Value: "$(A) $(B)"}}},
			want: []string{"A=$(B)", "B=b", "C=$(B) b"},
		},
		{
			name: "the last of a name wins",
			spec: corev1.Container{Env: []corev1.EnvVar{{Name: "A", Value: "1"}, {Name: "A", Value: "2"}}},
			want: []string{"A=2"},
		},
		{
			name: "downward API",
			spec: corev1.Container{Env: []corev1.EnvVar{
				field("NAME", "metadata.name"), field("NS", "metadata.namespace"), field("UID", "metadata.uid"),
				field("APP", "metadata.labels['app']"), field("PART", "metadata.labels['app.kubernetes.io/part-of']"),
				field("NOTE", "metadata.annotations['note']"), field("NONE", "metadata.labels['none']"),
				field("IP", "status.podIP"), field("IPS", "status.podIPs"), field("HOST_IP", "status.hostIP"),
				field("NODE", "spec.nodeName"), field("SA", "spec.serviceAccountName"),
			}},
			want: []string{
				"NAME=web", "NS=shop", "UID=u1", "APP=web", "PART=shop", "NOTE=hi", "NONE=", "IP=10.244.0.2",
				"IPS=10.244.0.2", "HOST_IP=10.0.0.1", "NODE=canary-lab", "SA=sa",
			},
		},
		{
			name: "resources, rounded up to the divisor",
			spec: corev1.Container{
				Resources: corev1.ResourceRequirements{Limits: corev1.ResourceList{"memory": resource.MustParse("100Mi"), "cpu": resource.MustParse("1500m")}},
				Env: []corev1.EnvVar{
					{Name: "MEM", ValueFrom: &corev1.EnvVarSource{ResourceFieldRef: &corev1.ResourceFieldSelector{Resource: "limits.memory", Divisor: resource.MustParse("1Mi")}}},
					{Name: "CPU", ValueFrom: &corev1.EnvVarSource{ResourceFieldRef: &corev1.ResourceFieldSelector{Resource: "limits.cpu"}}},
				},
			},
			want: []string{"MEM=100", "CPU=2"},
		},
		{
			name: "ConfigMap and Secret",
			spec: corev1.Container{
				EnvFrom: []corev1.EnvFromSource{
					{Prefix: "CFG_", ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "settings"}}},
					{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "keys"}}},
				},
				Env: []corev1.EnvVar{
					{Name: "LEVEL", ValueFrom: &corev1.EnvVarSource{ConfigMapKeyRef: keyOf("settings", "level", false)}},
					{Name: "GONE", ValueFrom: &corev1.EnvVarSource{ConfigMapKeyRef: keyOf("settings", "gone", true)}},
					{Name: "ALSO_GONE", ValueFrom: &corev1.EnvVarSource{ConfigMapKeyRef: keyOf("gone", "gone", true)}},
					{Name: "TOKEN", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: secretKey("keys", "token")}},
				},
			},
			want: []string{"CFG_level=debug", "token=hush", "LEVEL=debug", "TOKEN=hush"},
		},
		{
			name:   "forced variables win and are seen",
			spec:   corev1.Container{Env: []corev1.EnvVar{{Name: "PORT", Value: "8080"}, {Name: "ADDR", Value: ":$(PORT)"}}},
			forced: map[string]string{"PORT": "20001"},
			want:   []string{"PORT=20001", "ADDR=:20001"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := build(t, tt.spec, tt.forced)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("environment (-want +got):\n%s", diff)
			}
		})
	}
}

func TestBuildSaysWhatIsMissing(t *testing.T) {
	from := func(source corev1.EnvVarSource) corev1.Container {
		return corev1.Container{Env: []corev1.EnvVar{{Name: "X", ValueFrom: &source}}}
	}
	for _, tt := range []struct {
		want string
		spec corev1.Container
	}{
		{`configmap "gone" not found`, from(corev1.EnvVarSource{ConfigMapKeyRef: keyOf("gone", "k", false)})},
		{`secret "gone" not found`, from(corev1.EnvVarSource{SecretKeyRef: secretKey("gone", "k")})},
		{"couldn't find key k in ConfigMap shop/settings", from(corev1.EnvVarSource{ConfigMapKeyRef: keyOf("settings", "k", false)})},
		{"couldn't find key k in Secret shop/keys", from(corev1.EnvVarSource{SecretKeyRef: secretKey("keys", "k")})},
		{`fieldPath "spec.magic"`, corev1.Container{Env: []corev1.EnvVar{field("X", "spec.magic")}}},
		{`configmap "gone" not found`, corev1.Container{EnvFrom: []corev1.EnvFromSource{{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "gone"}}}}}},
	} {
		t.Run(tt.want, func(t *testing.T) {
			_, err := build(t, tt.spec, nil)
			if !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("err = %v, want ErrConfig with %q", err, tt.want)
			}
		})
	}
}
