package istio

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/kube"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

// Find reads the VirtualService that the query names, or searches the namespace
// for the one that fits.
func (r *Router) Find(ctx context.Context, q traffic.Query) (traffic.Route, error) {
	if q.Route != "" {
		return r.named(ctx, q)
	}
	return r.search(ctx, q)
}

func (r *Router) named(ctx context.Context, q traffic.Query) (traffic.Route, error) {
	t := virtualService(q.Namespace, q.Route)
	vs, err := r.in(t).Get(ctx, t.name, metav1.GetOptions{})
	switch {
	case kube.NotServed(err):
		return traffic.Route{}, r.without(ctx, q)
	case apierrors.IsNotFound(err):
		return traffic.Route{}, r.missing(ctx, t, q)
	case err != nil:
		return traffic.Route{}, fmt.Errorf("read %s: %w", t, err)
	}
	var route traffic.Route
	host, err := hostIn(vs, q)
	if err == nil {
		route, err = view(vs, host, q.App)
	}
	if err != nil {
		return traffic.Route{}, r.unfit(ctx, vs, err)
	}
	if route.Leader != "" {
		q.Route, q.Host = route.Leader, canonical(host, t.namespace)
		if leader, err := r.named(ctx, q); err == nil && slices.Contains(leader.Followers, route.Name) {
			return leader, nil
		}
	}
	return route, nil
}

// hostIn is the host of the VirtualService that the query means, as the object
// spells it.
func hostIn(vs *unstructured.Unstructured, q traffic.Query) (string, error) {
	t := virtualService(vs.GetNamespace(), vs.GetName())
	versioned, all := hostsOf(rulesOf(vs), t.namespace)
	if q.Host != "" {
		if i := slices.IndexFunc(all, func(h string) bool { return sameHost(h, q.Host, t.namespace) }); i >= 0 {
			return all[i], nil
		}
		return "", hint.Wrap(fmt.Errorf("%s: %w to host %q: it routes to %s", t, traffic.ErrNoRoute, q.Host, listed(all)),
			"name one of these with --host, or another VirtualService with --vs")
	}
	if len(versioned) > 1 && q.App != "" {
		versioned = slices.DeleteFunc(versioned, func(h string) bool { return short(canonical(h, t.namespace)) != q.App })
	}
	switch {
	case len(versioned) == 1:
		return versioned[0], nil
	case len(versioned) > 1:
		return "", hint.Wrap(fmt.Errorf("%s: %w: it splits the hosts %s", t, traffic.ErrAmbiguous, listed(versioned)),
			"name one of these with --host")
	case len(all) == 1:
		return all[0], nil // view says what is missing
	}
	return "", hint.Wrap(fmt.Errorf("%s: %w: no destination of it names a subset", t, traffic.ErrNotSplit),
		"canaryctl adopt -n %s --vs %s names the version that runs; --dry-run=client shows it first", t.namespace, t.name)
}

// search looks through the namespace for the one route that fits.
func (r *Router) search(ctx context.Context, q traffic.Query) (traffic.Route, error) {
	list, err := r.client.Resource(kube.VirtualServices()).Namespace(q.Namespace).List(ctx, metav1.ListOptions{})
	switch {
	case kube.NotServed(err):
		return traffic.Route{}, r.without(ctx, q)
	case err != nil:
		return traffic.Route{}, fmt.Errorf("list VirtualServices in namespace %s: %w", q.Namespace, err)
	}
	all, reasons := routesOf(list.Items, q)
	fitting, err := r.ofApp(ctx, all, q)
	if err != nil {
		return traffic.Route{}, err
	}
	if split := slices.DeleteFunc(slices.Clone(fitting), unsplit); q.Split && len(split) > 0 {
		fitting = split
	}
	if len(fitting) > 0 {
		if leader, ok := leading(fitting); ok {
			o := of(leader)
			o.others = slices.DeleteFunc(slices.Clone(list.Items), func(vs unstructured.Unstructured) bool { return vs.GetName() == leader.Name })
			o.listed = true
			return leader, nil
		}
		return traffic.Route{}, ambiguous(fitting)
	}
	if err := r.foreign(ctx, list.Items, q); err != nil {
		return traffic.Route{}, err
	}
	if len(reasons) > 0 {
		return traffic.Route{}, errors.Join(reasons...)
	}
	return traffic.Route{}, r.none(ctx, q, list.Items)
}

// unsplit reports whether a route has nowhere to move traffic to or from.
func unsplit(r traffic.Route) bool { return r.Canary == "" && r.Previous() == "" }

// routesOf returns one route for every VirtualService and host that the query
// may mean, and why others that name the host are none.
func routesOf(items []unstructured.Unstructured, q traffic.Query) (routes []traffic.Route, reasons []error) {
	for i := range items {
		vs := &items[i]
		versioned, all := hostsOf(rulesOf(vs), q.Namespace)
		hosts := versioned
		if q.Host != "" {
			hosts = slices.DeleteFunc(slices.Clone(all), func(h string) bool { return !sameHost(h, q.Host, q.Namespace) })
		}
		for _, host := range hosts {
			route, err := view(vs, host, q.App)
			if err != nil {
				reasons = append(reasons, err)
				continue
			}
			routes = append(routes, route)
		}
	}
	return routes, reasons
}

// ofApp keeps the routes of an application: those that remember it, else those
// whose host is called like it, else those whose Service selects its label.
func (r *Router) ofApp(ctx context.Context, routes []traffic.Route, q traffic.Query) ([]traffic.Route, error) {
	if q.App == "" || q.Host != "" {
		return routes, nil
	}
	keep := func(fits func(traffic.Route) bool) []traffic.Route {
		return slices.DeleteFunc(slices.Clone(routes), func(t traffic.Route) bool { return !fits(t) })
	}
	called := keep(func(t traffic.Route) bool {
		return t.Position != nil && t.Position.App == q.App || short(canonical(t.Host, t.Namespace)) == q.App
	})
	if len(called) > 0 || len(routes) == 0 {
		return called, nil
	}
	services, err := r.client.Resource(kube.Services()).Namespace(q.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list Services in namespace %s: %w", q.Namespace, err)
	}
	return keep(func(t traffic.Route) bool {
		return slices.ContainsFunc(services.Items, func(s unstructured.Unstructured) bool {
			app, _, _ := unstructured.NestedString(s.Object, "spec", "selector", "app")
			return app == q.App && sameHost(s.GetName(), t.Host, t.Namespace)
		})
	}), nil
}

func ambiguous(routes []traffic.Route) error {
	var names []string
	for _, r := range routes {
		names = append(names, fmt.Sprintf("%s (host %s)", r.Name, r.Host))
	}
	return hint.Wrap(fmt.Errorf("%w in namespace %s: the VirtualServices %s", traffic.ErrAmbiguous, routes[0].Namespace, strings.Join(names, ", ")),
		"name one with --vs, and its host with --host")
}

// missing explains why a VirtualService is not there.
func (r *Router) missing(ctx context.Context, t target, q traffic.Query) error {
	list, err := r.client.Resource(t.resource).Namespace(t.namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		list = &unstructured.UnstructuredList{} // the explanation is a courtesy: do without
	}
	if len(list.Items) == 0 {
		return r.none(ctx, q, nil)
	}
	return hint.Wrap(fmt.Errorf("%s: %w: the namespace has %s", t, traffic.ErrNoRoute, listed(namesOf(list.Items))),
		"name one of these with --vs, or another namespace with -n")
}

// none explains why a namespace has no route that fits.
func (r *Router) none(ctx context.Context, q traffic.Query, others []unstructured.Unstructured) error {
	wanted := wantedBy(q)
	if err := r.elsewhere(ctx, q, others); err != nil {
		return err
	}
	if err := bare(others, q); err != nil {
		return err
	}
	if len(others) > 0 {
		return hint.Wrap(fmt.Errorf("look for %s in namespace %s: %w: there is %s", wanted, q.Namespace, traffic.ErrNoRoute, listed(namesOf(others))),
			"name one of these with --vs; or canaryctl adopt -n %s makes one for a Service, as --host names it", q.Namespace)
	}
	_, err := r.client.Resource(kube.Namespaces()).Get(ctx, q.Namespace, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return hint.Wrap(fmt.Errorf("look for %s: %w: there is no namespace %q", wanted, traffic.ErrNoRoute, q.Namespace),
			"name another with -n; kubectl get namespaces lists them")
	}
	return hint.Wrap(fmt.Errorf("look for %s in namespace %s: %w: it has no VirtualService", wanted, q.Namespace, traffic.ErrNoRoute),
		"canaryctl adopt -n %s makes one for a Deployment and its Service, --dry-run=client shows it first; or name another namespace with -n", q.Namespace)
}

// bare is an error where a VirtualService that a query may mean sends to a Service and
// names no version of it.
func bare(items []unstructured.Unstructured, q traffic.Query) error {
	for i := range items {
		vs := &items[i]
		_, all := hostsOf(rulesOf(vs), q.Namespace)
		for _, host := range all {
			if c := canonical(host, q.Namespace); strings.HasSuffix(c, "."+q.Namespace+".svc") && asked(c, q) {
				return bareTo(virtualService(vs.GetNamespace(), vs.GetName()), host)
			}
		}
	}
	return nil
}

func bareTo(t target, host string) error {
	return hint.Wrap(fmt.Errorf("%s: %w: it routes to host %s without a subset", t, traffic.ErrNotSplit, host), "%s", adoptHint(t.namespace, host))
}

// wantedBy is what a query asks for, in words.
func wantedBy(q traffic.Query) string {
	switch {
	case q.Route != "":
		return fmt.Sprintf("VirtualService %q", q.Route)
	case q.Host != "":
		return fmt.Sprintf("a VirtualService for host %q", q.Host)
	case q.App != "":
		return fmt.Sprintf("a VirtualService for app %q", q.App)
	}
	return "a VirtualService"
}

func notInstalled(namespace string) error {
	return hint.Wrap(fmt.Errorf("read VirtualServices in namespace %s: Istio %w: the API server does not serve networking.istio.io/v1", namespace, traffic.ErrNotInstalled),
		"install Istio 1.22 or newer (istioctl install), or start the lab: canary-lab up")
}

func namesOf(items []unstructured.Unstructured) []string {
	var names []string
	for _, o := range items {
		names = append(names, o.GetName())
	}
	return names
}

func listed(names []string) string {
	if len(names) == 0 {
		return "nothing"
	}
	return strings.Join(names, ", ")
}
