package lab

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
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

	// What kube-prometheus-stack calls its Prometheus when it is installed as "kps".
	prometheusNamespace = "monitoring"
	prometheusService   = "kps-kube-prometheus-stack-prometheus"
	prometheusPort      = 9090

	// DiscoveryNamespace and DiscoveryName are where clients look the lab's addresses up.
	DiscoveryNamespace = "kube-public"
	DiscoveryName      = "canary-lab"
)

// bootstrap puts what the lab has from the start into the API server. It may be repeated.
func bootstrap(ctx context.Context, client dynamic.Interface) error {
	// Namespaces first, since others live in them.
	for _, name := range []string{"namespaces", "injection", "discovery"} {
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

// publishPrometheus puts an address behind Prometheus' Service, so that the API server's proxy
// reaches it as it does in a cluster.
func publishPrometheus(ctx context.Context, client dynamic.Interface, address netip.Addr) error {
	name, port, yes := "http-web", int32(prometheusPort), true
	return applyTyped(ctx, client, &discoveryv1.EndpointSlice{
		TypeMeta: metav1.TypeMeta{APIVersion: "discovery.k8s.io/v1", Kind: "EndpointSlice"},
		ObjectMeta: metav1.ObjectMeta{
			Name: prometheusService, Namespace: prometheusNamespace,
			Labels: map[string]string{
				discoveryv1.LabelServiceName: prometheusService,
				discoveryv1.LabelManagedBy:   fieldManager,
			},
		},
		AddressType: discoveryv1.AddressTypeIPv4,
		Endpoints: []discoveryv1.Endpoint{{
			Addresses:  []string{address.String()},
			Conditions: discoveryv1.EndpointConditions{Ready: &yes},
		}},
		Ports: []discoveryv1.EndpointPort{{Name: &name, Port: &port}},
	})
}

func applyTyped(ctx context.Context, client dynamic.Interface, object runtime.Object) error {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return fmt.Errorf("convert %T: %w", object, err)
	}
	return apply(ctx, client, &unstructured.Unstructured{Object: content})
}

// apply creates or updates an object by server-side apply. The resource's name is
// guessed from the kind, which is right for every kind the lab has.
func apply(ctx context.Context, client dynamic.Interface, object *unstructured.Unstructured) error {
	resource, _ := meta.UnsafeGuessKindToResource(object.GroupVersionKind())
	var target dynamic.ResourceInterface = client.Resource(resource)
	if namespace := object.GetNamespace(); namespace != "" {
		target = client.Resource(resource).Namespace(namespace)
	}
	_, err := target.Apply(ctx, object.GetName(), object, metav1.ApplyOptions{FieldManager: fieldManager, Force: true})
	if err != nil {
		return fmt.Errorf("apply %s %s: %w", object.GetKind(), object.GetName(), err)
	}
	return nil
}
