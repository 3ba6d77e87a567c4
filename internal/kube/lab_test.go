package kube_test

import (
	"errors"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/dynamic/fake"

	"github.com/canaryctl/canaryctl/internal/kube"
)

func TestLabURL(t *testing.T) {
	for name, test := range map[string]struct {
		data map[string]any
		want string // empty: not the lab
	}{
		"no ConfigMap":        {nil, ""},
		"published":           {map[string]any{"router": "http://127.0.0.1:4711"}, "http://127.0.0.1:4711"},
		"IPv6":                {map[string]any{"router": "http://[::1]:4711"}, "http://[::1]:4711"},
		"another part only":   {map[string]any{"prometheus": "http://127.0.0.1:4711"}, ""},
		"not loopback":        {map[string]any{"router": "http://192.0.2.1:80"}, ""},
		"a name may be moved": {map[string]any{"router": "http://localhost:80"}, ""},
		"another scheme":      {map[string]any{"router": "file://127.0.0.1/etc/passwd"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			client := fake.NewSimpleDynamicClient(runtime.NewScheme())
			if test.data != nil {
				published := &unstructured.Unstructured{Object: map[string]any{
					"apiVersion": "v1", "kind": "ConfigMap",
					"metadata": map[string]any{"namespace": "kube-public", "name": "canary-lab"},
					"data":     test.data,
				}}
				client = fake.NewSimpleDynamicClient(runtime.NewScheme(), published)
			}
			got, err := kube.LabURL(t.Context(), client, kube.LabRouter)
			if test.want == "" {
				if !errors.Is(err, kube.ErrNoLab) {
					t.Errorf("got %v, %v: want %v", got, err, kube.ErrNoLab)
				}
				return
			}
			if err != nil || got.String() != test.want {
				t.Errorf("got %v, %v: want %s", got, err, test.want)
			}
		})
	}
}
