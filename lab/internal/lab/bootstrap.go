package lab

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"io"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"
)

//go:embed manifests/*.yaml
var manifests embed.FS

const (
	fieldManager = "canary-lab"

	// DiscoveryNamespace is where clients look the lab's addresses up.
	DiscoveryNamespace = "kube-public"
	// DiscoveryName is the ConfigMap that has them.
	DiscoveryName = "canary-lab"
)

// bootstrap puts what the lab has from the start into the API server. It may be repeated.
func bootstrap(ctx context.Context, client dynamic.Interface) error {
	// Namespaces first, since others live in them.
	for _, name := range []string{"namespaces", "injection", "discovery", "prometheus"} {
		objects, err := readManifest(name)
		if err != nil {
			return err
		}
		for _, object := range objects {
			if err := apply(ctx, client, object); err != nil {
				return err
			}
		}
	}
	return nil
}

func readManifest(name string) ([]*unstructured.Unstructured, error) {
	text, err := manifests.ReadFile("manifests/" + name + ".yaml")
	if err != nil {
		return nil, fmt.Errorf("read the embedded manifest %s: %w", name, err)
	}
	var objects []*unstructured.Unstructured
	documents := utilyaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), len(text))
	for {
		object := &unstructured.Unstructured{}
		switch err := documents.Decode(object); {
		case errors.Is(err, io.EOF):
			return objects, nil
		case err != nil:
			return nil, fmt.Errorf("read the embedded manifest %s: %w", name, err)
		}
		objects = append(objects, object)
	}
}

// publishAddresses tells canaryctl, and whoever may log in, where router and Prometheus answer.
func publishAddresses(ctx context.Context, client dynamic.Interface, router, prometheus string) error {
	return applyTyped(ctx, client, &corev1.ConfigMap{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
		ObjectMeta: metav1.ObjectMeta{Name: DiscoveryName, Namespace: DiscoveryNamespace},
		Data:       map[string]string{"router": router, "prometheus": prometheus},
	})
}

func applyTyped(ctx context.Context, client dynamic.Interface, object runtime.Object, subresources ...string) error {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return fmt.Errorf("convert %T: %w", object, err)
	}
	return apply(ctx, client, &unstructured.Unstructured{Object: content}, subresources...)
}

// apply creates or updates an object by server-side apply, or with "status" its status. The
// resource's name is guessed from the kind, which is right for every kind the lab has.
func apply(ctx context.Context, client dynamic.Interface, object *unstructured.Unstructured, subresources ...string) error {
	resource, _ := meta.UnsafeGuessKindToResource(object.GroupVersionKind())
	var target dynamic.ResourceInterface = client.Resource(resource)
	if namespace := object.GetNamespace(); namespace != "" {
		target = client.Resource(resource).Namespace(namespace)
	}
	_, err := target.Apply(ctx, object.GetName(), object, metav1.ApplyOptions{FieldManager: fieldManager, Force: true}, subresources...)
	if err != nil {
		return fmt.Errorf("apply %s %s: %w", object.GetKind(), object.GetName(), err)
	}
	return nil
}
