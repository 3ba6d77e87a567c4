package istio

import (
	"context"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/kube"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

// What is looked up here explains why there is no route that fits, and is a
// courtesy: what may not be read, or is not served, is left out of it.

// manyRoutes is how many VirtualServices of other namespaces are looked through:
// big clusters have thousands, and somebody waits for the answer.
const manyRoutes = 500

// unfit explains why a VirtualService is no route: others write it, or it sends
// the requests on to another VirtualService.
func (r *Router) unfit(ctx context.Context, vs *unstructured.Unstructured, reason error) error {
	if err := r.foreign(ctx, []unstructured.Unstructured{*vs}, traffic.Query{Namespace: vs.GetNamespace()}); err != nil {
		return err
	}
	if versioned, _ := hostsOf(rulesOf(vs), vs.GetNamespace()); len(versioned) > 0 {
		return reason
	}
	if err := delegating(vs); err != nil {
		return err
	}
	return reason
}

// foreign is an error where another tool writes a VirtualService that the query
// may mean, or a Service that it sends to. Such a tool splits between Services as
// well, which is no route here.
func (r *Router) foreign(ctx context.Context, items []unstructured.Unstructured, q traffic.Query) error {
	to := map[string]bool{}
	for i := range items {
		vs := &items[i]
		if !mayMean(vs, q) {
			continue
		}
		if err := r.owned(ctx, virtualService(vs.GetNamespace(), vs.GetName()), vs); err != nil {
			return err
		}
		_, hosts := hostsOf(rulesOf(vs), q.Namespace)
		for _, host := range hosts {
			to[canonical(host, q.Namespace)] = true
		}
	}
	if len(to) == 0 {
		return nil
	}
	services, err := r.client.Resource(kube.Services()).Namespace(q.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil //nolint:nilerr // what cannot be read says nothing
	}
	for i := range services.Items {
		o := &services.Items[i]
		if !to[canonical(o.GetName(), q.Namespace)] {
			continue
		}
		if err := r.owned(ctx, service(q.Namespace, o.GetName()), o); err != nil {
			return err
		}
	}
	return nil
}

// mayMean reports whether a query may mean a VirtualService: it is for the host or
// the application, or sends to it.
func mayMean(vs *unstructured.Unstructured, q traffic.Query) bool {
	of, _, _ := unstructured.NestedStringSlice(vs.Object, "spec", "hosts")
	_, to := hostsOf(rulesOf(vs), vs.GetNamespace())
	return slices.ContainsFunc(slices.Concat(of, to), func(h string) bool { return asked(canonical(h, vs.GetNamespace()), q) })
}

// asked reports whether a query may mean a canonical host.
func asked(host string, q traffic.Query) bool {
	return (q.Host == "" || canonical(q.Host, q.Namespace) == host) && (q.App == "" || short(host) == q.App)
}

// delegating is an error where a VirtualService sends requests on to others
// (https://istio.io/latest/docs/reference/config/networking/virtual-service/#Delegate).
func delegating(vs *unstructured.Unstructured) error {
	to := delegatesOf(vs)
	if len(to) == 0 {
		return nil
	}
	var names []string
	for _, t := range to {
		names = append(names, t.String())
	}
	t := virtualService(vs.GetNamespace(), vs.GetName())
	err := fmt.Errorf("%s: %w: it delegates to %s", t, traffic.ErrNotSplit, listed(names))
	if to[0].namespace == t.namespace {
		return hint.Wrap(err, "name that with --vs %s", to[0].name)
	}
	return hint.Wrap(err, "name that with -n %s --vs %s", to[0].namespace, to[0].name)
}

// delegatesOf are the VirtualServices that one delegates to, each once.
func delegatesOf(vs *unstructured.Unstructured) []target {
	var to []target
	for _, entry := range httpOf(vs) {
		m, _ := entry.(map[string]any)
		delegate, _ := m["delegate"].(map[string]any)
		name, _ := delegate["name"].(string)
		namespace, _ := delegate["namespace"].(string)
		if namespace == "" {
			namespace = vs.GetNamespace()
		}
		if t := virtualService(namespace, name); name != "" && !slices.Contains(to, t) {
			to = append(to, t)
		}
	}
	return to
}

// elsewhere explains what routes to the Services of a namespace that has no
// VirtualService for them.
func (r *Router) elsewhere(ctx context.Context, q traffic.Query, others []unstructured.Unstructured) error {
	for i := range others {
		away := slices.ContainsFunc(delegatesOf(&others[i]), func(t target) bool { return t.namespace != q.Namespace })
		if away && q.App == "" && q.Host == "" {
			return delegating(&others[i])
		}
	}
	if len(others) > 0 && q.App == "" && q.Host == "" {
		return nil // those are what is meant
	}
	if err := r.inOtherNamespaces(ctx, q); err != nil {
		return err
	}
	if text := r.otherKind(ctx, q); text != "" {
		return hint.Wrap(fmt.Errorf("look for %s in namespace %s: %w: %s, and a route of that kind %w", wantedBy(q), q.Namespace, traffic.ErrNoRoute, text, traffic.ErrUnsupported),
			"canaryctl splits traffic by a VirtualService of Istio: apply one in its place, as k8s/base/virtualservice.yaml is")
	}
	return nil
}

// inOtherNamespaces is an error where a VirtualService of another namespace routes
// to a Service of this one.
func (r *Router) inOtherNamespaces(ctx context.Context, q traffic.Query) error {
	list, err := r.client.Resource(kube.VirtualServices()).List(ctx, metav1.ListOptions{Limit: manyRoutes})
	if err != nil {
		return nil //nolint:nilerr // it may not be allowed: then do without
	}
	for i := range list.Items {
		vs := &list.Items[i]
		_, hosts := hostsOf(rulesOf(vs), vs.GetNamespace())
		for _, host := range hosts {
			c := canonical(host, vs.GetNamespace())
			if vs.GetNamespace() == q.Namespace || otherNamespace(c, vs.GetNamespace()) != q.Namespace || !asked(c, q) {
				continue
			}
			return hint.Wrap(fmt.Errorf("look for %s in namespace %s: %w: VirtualService %s/%s routes to %s of this namespace, and a route in another namespace than its Pods %w",
				wantedBy(q), q.Namespace, traffic.ErrNoRoute, vs.GetNamespace(), vs.GetName(), short(c), traffic.ErrUnsupported),
				"move it into namespace %s, with its gateways named as NAMESPACE/NAME, or let it delegate to a VirtualService there", q.Namespace)
		}
	}
	return nil
}

// otherKind says which route of another kind sends to a Service of the namespace,
// or "".
func (r *Router) otherKind(ctx context.Context, q traffic.Query) string {
	for _, kind := range []struct {
		name     string
		resource schema.GroupVersionResource
		services func(*unstructured.Unstructured) []string
	}{
		{"HTTPRoute", kube.HTTPRoutes(), servicesOfGatewayAPI},
		{"GRPCRoute", kube.GRPCRoutes(), servicesOfGatewayAPI},
		{"Ingress", kube.Ingresses(), servicesOfIngress},
	} {
		list, err := r.client.Resource(kind.resource).Namespace(q.Namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			continue
		}
		for i := range list.Items {
			o := &list.Items[i]
			if to := kind.services(o); slices.ContainsFunc(to, func(s string) bool { return q.Route == o.GetName() || ofVersion(s, q) }) {
				return fmt.Sprintf("%s %s/%s sends requests to %s", kind.name, o.GetNamespace(), o.GetName(), listed(to))
			}
		}
	}
	return ""
}

// ofVersion reports whether a query may mean a Service, which in such routes is
// one for each version, called APP-VERSION.
func ofVersion(service string, q traffic.Query) bool {
	if q.Host != "" {
		return canonical(q.Host, q.Namespace) == canonical(service, q.Namespace)
	}
	return q.App == "" || service == q.App || strings.HasPrefix(service, q.App+"-")
}

// servicesOfGatewayAPI are the Services of its namespace that a route sends to.
func servicesOfGatewayAPI(route *unstructured.Unstructured) []string {
	var names []string
	rules, _, _ := unstructured.NestedSlice(route.Object, "spec", "rules")
	for _, rule := range rules {
		m, _ := rule.(map[string]any)
		refs, _ := m["backendRefs"].([]any)
		for _, entry := range refs {
			ref, _ := entry.(map[string]any)
			kind, _ := ref["kind"].(string)
			namespace, _ := ref["namespace"].(string)
			name, _ := ref["name"].(string)
			if (kind == "" || kind == "Service") && (namespace == "" || namespace == route.GetNamespace()) {
				names = append(names, name)
			}
		}
	}
	return distinct(names)
}

// servicesOfIngress are the Services that an Ingress sends to.
func servicesOfIngress(ingress *unstructured.Unstructured) []string {
	standard, _, _ := unstructured.NestedString(ingress.Object, "spec", "defaultBackend", "service", "name")
	names := []string{standard}
	rules, _, _ := unstructured.NestedSlice(ingress.Object, "spec", "rules")
	for _, entry := range rules {
		rule, _ := entry.(map[string]any)
		paths, _, _ := unstructured.NestedSlice(rule, "http", "paths")
		for _, entry := range paths {
			path, _ := entry.(map[string]any)
			name, _, _ := unstructured.NestedString(path, "backend", "service", "name")
			names = append(names, name)
		}
	}
	return distinct(names)
}

// distinct are the names, sorted, each once.
func distinct(names []string) []string {
	names = slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == "" })
	slices.Sort(names)
	return slices.Compact(names)
}

// without explains that there is no Istio, and what routes in its place.
func (r *Router) without(ctx context.Context, q traffic.Query) error {
	missing := notInstalled(q.Namespace)
	text := r.otherKind(ctx, q)
	if text == "" {
		return missing
	}
	return hint.Wrap(fmt.Errorf("%w; %s, and a route of that kind %w", missing, text, traffic.ErrUnsupported),
		"canaryctl splits traffic by a VirtualService of Istio: install Istio 1.22 or newer, and apply one as k8s/base/virtualservice.yaml is")
}
