package crds

import (
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
)

const (
	collection = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
	// parallel is more than the machine has cores: a good part of each request is waiting.
	parallel = 8
	// servedPoll is how often the API server is asked whether it serves a new resource yet.
	servedPoll = 20 * time.Millisecond
)

// Install creates what is missing, replaces what is different, and returns once every
// resource is served.
func Install(ctx context.Context, config *rest.Config) error {
	all, err := All()
	if err != nil {
		return err
	}
	installed, err := digests(ctx, config)
	if err != nil {
		return err
	}
	client, err := rest.UnversionedRESTClientFor(rawConfig(config))
	if err != nil {
		return fmt.Errorf("install the custom resource definitions: %w", err)
	}
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for _, definition := range all {
		digest, exists := installed[definition.Name]
		if exists && digest == definition.Digest {
			continue
		}
		group.Go(func() error { return put(inner, client, definition, exists) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return awaitServed(ctx, config, all)
}

// digests returns those of the definitions that the API server has, by name.
func digests(ctx context.Context, config *rest.Config) (map[string]string, error) {
	client, err := metadata.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("list the custom resource definitions: %w", err)
	}
	list, err := client.Resource(schema.GroupVersionResource{
		Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions",
	}).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list the custom resource definitions: %w", err)
	}
	digests := make(map[string]string, len(list.Items))
	for _, item := range list.Items {
		digests[item.Name] = item.Annotations[DigestAnnotation]
	}
	return digests, nil
}

// put sends the text as it is: to decode it here only to encode it again would cost more than
// the request. A merge patch replaces lists whole, and everything that matters is in a list.
func put(ctx context.Context, client *rest.RESTClient, d Definition, exists bool) error {
	request := client.Post().AbsPath(collection)
	if exists {
		request = client.Patch(types.MergePatchType).AbsPath(collection, d.Name)
	} else {
		request.SetHeader("Content-Type", "application/json")
	}
	if err := request.Body(d.JSON).Do(ctx).Error(); err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("install CustomResourceDefinition %s: %w", d.Name, err)
	}
	return nil
}

// awaitServed returns once discovery names every resource. It is the last to know: the API server
// answers for a resource before kubectl, which asks discovery, can find it.
func awaitServed(ctx context.Context, config *rest.Config, all []Definition) error {
	client, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return fmt.Errorf("wait for the custom resources: %w", err)
	}
	tick := time.NewTicker(servedPoll)
	defer tick.Stop()
	for {
		_, served, _, err := client.GroupsAndMaybeResourcesWithContext(ctx)
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("wait for the custom resources: %w", err)
		}
		missing := absent(all, served)
		if missing == "" && err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s to be served: %w", missing, ctx.Err())
		case <-tick.C:
		}
	}
}

// absent names the first resource that discovery does not have, or "".
func absent(all []Definition, served map[schema.GroupVersion]*metav1.APIResourceList) string {
	for _, definition := range all {
		for _, version := range definition.Versions {
			list := served[schema.GroupVersion{Group: definition.Group, Version: version}]
			if list == nil || !slices.ContainsFunc(list.APIResources, func(r metav1.APIResource) bool { return r.Name == definition.Plural }) {
				return definition.Name + "/" + version
			}
		}
	}
	return ""
}

func rawConfig(config *rest.Config) *rest.Config {
	raw := rest.CopyConfig(config)
	raw.ContentConfig = rest.ContentConfig{
		NegotiatedSerializer: scheme.Codecs.WithoutConversion(), // for the Status objects that errors come in
		GroupVersion:         &schema.GroupVersion{},
	}
	return raw
}
