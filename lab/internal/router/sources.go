package router

import (
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/canaryctl/canaryctl/lab/internal/watch"
)

// world is the part of the cluster that routes are made of, at one moment.
type world struct {
	services         []*corev1.Service
	slices           []*discoveryv1.EndpointSlice
	pods             []*corev1.Pod
	ingresses        []*networkingv1.Ingress
	virtualServices  []*object[virtualServiceSpec]
	destinationRules []*object[destinationRuleSpec]
	httpRoutes       []*object[httpRouteSpec]
}

// sources is where a world is read from.
type sources struct {
	services         *watch.Kind[*corev1.Service]
	slices           *watch.Kind[*discoveryv1.EndpointSlice]
	pods             *watch.Kind[*corev1.Pod]
	ingresses        *watch.Kind[*networkingv1.Ingress]
	virtualServices  *watch.Kind[*object[virtualServiceSpec]]
	destinationRules *watch.Kind[*object[destinationRuleSpec]]
	httpRoutes       *watch.Kind[*object[httpRouteSpec]]
}

func follow(set *watch.Set) sources {
	gvr := func(group, version, resource string) schema.GroupVersionResource {
		return schema.GroupVersionResource{Group: group, Version: version, Resource: resource}
	}
	return sources{
		services:         watch.Add(set, gvr("", "v1", "services"), watch.Typed[corev1.Service]),
		slices:           watch.Add(set, gvr("discovery.k8s.io", "v1", "endpointslices"), watch.Typed[discoveryv1.EndpointSlice]),
		pods:             watch.Add(set, gvr("", "v1", "pods"), watch.Typed[corev1.Pod]),
		ingresses:        watch.Add(set, gvr("networking.k8s.io", "v1", "ingresses"), watch.Typed[networkingv1.Ingress]),
		virtualServices:  watch.Add(set, gvr("networking.istio.io", "v1", "virtualservices"), decode[virtualServiceSpec]),
		destinationRules: watch.Add(set, gvr("networking.istio.io", "v1", "destinationrules"), decode[destinationRuleSpec]),
		httpRoutes:       watch.Add(set, gvr("gateway.networking.k8s.io", "v1", "httproutes"), decode[httpRouteSpec]),
	}
}

func (s sources) read() world {
	return world{
		services:         s.services.List(),
		slices:           s.slices.List(),
		pods:             s.pods.List(),
		ingresses:        s.ingresses.List(),
		virtualServices:  s.virtualServices.List(),
		destinationRules: s.destinationRules.List(),
		httpRoutes:       s.httpRoutes.List(),
	}
}
