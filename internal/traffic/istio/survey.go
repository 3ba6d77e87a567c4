package istio

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/canaryctl/canaryctl/internal/hint"
	"github.com/canaryctl/canaryctl/internal/kube"
	"github.com/canaryctl/canaryctl/internal/traffic"
)

var _ traffic.Adopter = (*Router)(nil)

// surveyed are the objects that a Survey was made from: all VirtualServices and
// DestinationRules of the namespace, by name, and the Service.
type surveyed struct {
	routes, rules map[string]*unstructured.Unstructured
	service       *unstructured.Unstructured
}

// Survey reads the namespace in three requests, and more only to explain.
func (r *Router) Survey(ctx context.Context, q traffic.Query) (traffic.Survey, error) {
	routes, err := r.client.Resource(kube.VirtualServices()).Namespace(q.Namespace).List(ctx, metav1.ListOptions{})
	switch {
	case kube.NotServed(err):
		return traffic.Survey{}, r.without(ctx, q)
	case err != nil:
		return traffic.Survey{}, fmt.Errorf("list VirtualServices in namespace %s: %w", q.Namespace, err)
	}
	services, err := r.client.Resource(kube.Services()).Namespace(q.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return traffic.Survey{}, fmt.Errorf("list Services in namespace %s: %w", q.Namespace, err)
	}
	service, err := r.serviceMeant(ctx, q, routes.Items, services.Items)
	if err != nil {
		return traffic.Survey{}, err
	}
	rules, err := r.client.Resource(kube.DestinationRules()).Namespace(q.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return traffic.Survey{}, fmt.Errorf("list DestinationRules in namespace %s: %w", q.Namespace, err)
	}
	raw := &surveyed{routes: byName(routes.Items), rules: byName(rules.Items), service: service}
	s := traffic.Survey{Namespace: q.Namespace, Host: service.GetName(), Canonical: canonical(service.GetName(), q.Namespace), Raw: raw}
	s.Selector, _, _ = unstructured.NestedStringMap(service.Object, "spec", "selector")
	for _, vs := range sorted(raw.routes) {
		if sender, ok := senderOf(vs, s, q.App); ok {
			s.Senders = append(s.Senders, sender)
		}
	}
	for _, dr := range sorted(raw.rules) {
		d := definitionOf(dr, s)
		if sameHost(d.Host, s.Canonical, s.Namespace) {
			d.Narrow = narrow(dr, s)
			s.Definitions = append(s.Definitions, d)
		} else {
			s.Others = append(s.Others, d)
		}
	}
	s.Notes = notesOn(s)
	return s, r.refused(ctx, s, routes.Items)
}

// wide is an error where a rule for many hosts says how the host's Pods are called: beside
// one for the host alone it says nothing, as it is the more general
// (https://istio.io/latest/docs/reference/config/networking/destination-rule/#DestinationRule).
func wide(s traffic.Survey) error {
	if len(s.Definitions) > 0 {
		return nil
	}
	for _, dr := range s.Raw.(*surveyed).rules {
		host, _, _ := unstructured.NestedString(dr.Object, "spec", "host")
		ending, many := strings.CutPrefix(host, "*")
		_, policy, _ := unstructured.NestedFieldNoCopy(dr.Object, "spec", "trafficPolicy")
		if many && policy && strings.HasSuffix(s.Canonical+".cluster.local", ending) {
			return hint.Wrap(fmt.Errorf("DestinationRule %s/%s, of host %s, says how the Pods of %s are called, and would not any more beside one of host %[4]s: that %[5]w", s.Namespace, dr.GetName(), host, s.Host, traffic.ErrUnsupported),
				"apply a DestinationRule of host %s with that trafficPolicy first; canaryctl adopt then adds what is missing", s.Host)
		}
	}
	return nil
}

// taken is an error where the host has a VirtualService already, which sends its requests
// to another, or nowhere: of two for one host, a proxy hears the older one alone
// (https://istio.io/latest/docs/ops/best-practices/traffic-management/#split-virtual-services).
func taken(s traffic.Survey) error {
	for _, vs := range sorted(s.Raw.(*surveyed).routes) {
		hosts, _, _ := unstructured.NestedStringSlice(vs.Object, "spec", "hosts")
		if ofMesh(vs) && slices.ContainsFunc(hosts, func(h string) bool { return sameHost(h, s.Canonical, s.Namespace) }) {
			return hint.Wrap(fmt.Errorf("adopt %s: VirtualService %s/%s is for host %[1]s, and sends nothing to its Pods; a second one would not be heard beside it, so that this %[4]w", s.Host, s.Namespace, vs.GetName(), traffic.ErrUnsupported),
				"give it a route to %s, as kubectl -n %s edit virtualservice %s does; nothing was changed", s.Host, s.Namespace, vs.GetName())
		}
	}
	return nil
}

func byName(items []unstructured.Unstructured) map[string]*unstructured.Unstructured {
	all := map[string]*unstructured.Unstructured{}
	for i := range items {
		all[items[i].GetName()] = &items[i]
	}
	return all
}

// sorted are the objects, the oldest first: of several for one host, that is the one that
// Istio takes the policy of.
func sorted(all map[string]*unstructured.Unstructured) []*unstructured.Unstructured {
	return slices.SortedFunc(maps.Values(all), func(a, b *unstructured.Unstructured) int {
		at, bt := a.GetCreationTimestamp(), b.GetCreationTimestamp()
		if c := at.Compare(bt.Time); c != 0 {
			return c
		}
		return strings.Compare(a.GetName(), b.GetName())
	})
}

// refused is an error where something else writes what there is, or routes to the host.
func (r *Router) refused(ctx context.Context, s traffic.Survey, routes []unstructured.Unstructured) error {
	raw := s.Raw.(*surveyed)
	for _, sender := range s.Senders {
		if err := r.owned(ctx, virtualService(s.Namespace, sender.Name), raw.routes[sender.Name]); err != nil {
			return err
		}
	}
	for _, d := range s.Definitions {
		if err := r.owned(ctx, destinationRule(s.Namespace, d.Name), raw.rules[d.Name]); err != nil {
			return err
		}
	}
	if err := r.owned(ctx, service(s.Namespace, s.Host), raw.service); err != nil {
		return err
	}
	if err := wide(s); err != nil {
		return err
	}
	if len(s.Senders) > 0 {
		return nil
	}
	if err := taken(s); err != nil {
		return err
	}
	return r.elsewhere(ctx, traffic.Query{Namespace: s.Namespace, Host: s.Host}, routes)
}

// serviceMeant is the Service that a query means, or the only one there is: of several
// that select the same Pods, the one that a VirtualService sends to.
func (r *Router) serviceMeant(ctx context.Context, q traffic.Query, routes, services []unstructured.Unstructured) (*unstructured.Unstructured, error) {
	if away := otherNamespace(q.Host, q.Namespace); away != "" {
		return nil, hint.Wrap(fmt.Errorf("%s is of namespace %s, and a route in another namespace than its Pods %w", q.Host, away, traffic.ErrUnsupported),
			"name that namespace with -n %s", away)
	}
	to := map[string]bool{} // what is sent to, by the VirtualService that is named, or by any
	known := false
	for i := range routes {
		if vs := &routes[i]; q.Route == "" || vs.GetName() == q.Route {
			known = true
			_, hosts := hostsOf(rulesOf(vs), q.Namespace)
			for _, h := range hosts {
				to[canonical(h, q.Namespace)] = true
			}
			if err := delegating(vs); q.Route != "" && len(hosts) == 0 && err != nil {
				return nil, err
			}
		}
	}
	if q.Route != "" && !known {
		return nil, r.missing(ctx, virtualService(q.Namespace, q.Route), q)
	}
	var fitting []*unstructured.Unstructured
	for i := range services {
		if o := &services[i]; serviceFits(o, q) && (q.Route == "" || to[canonical(o.GetName(), q.Namespace)]) {
			fitting = append(fitting, o)
		}
	}
	if called := slices.IndexFunc(fitting, func(o *unstructured.Unstructured) bool { return q.Host == "" && o.GetName() == q.App }); called >= 0 {
		return fitting[called], nil
	}
	if len(fitting) > 1 && samePods(fitting) {
		sent := slices.DeleteFunc(slices.Clone(fitting), func(o *unstructured.Unstructured) bool { return !to[canonical(o.GetName(), q.Namespace)] })
		if len(sent) > 0 {
			fitting = sent
		}
	}
	switch len(fitting) {
	case 1:
		return fitting[0], nil
	case 0:
		return nil, r.noService(ctx, q)
	}
	names := make([]string, len(fitting))
	for i, o := range fitting {
		names[i] = o.GetName()
	}
	return nil, hint.Wrap(fmt.Errorf("%w in namespace %s: the Services %s", traffic.ErrAmbiguous, q.Namespace, strings.Join(names, ", ")),
		"name one with --host")
}

// serviceFits reports whether a query may mean a Service: one without a selector has no
// Pods that a version could be of.
func serviceFits(o *unstructured.Unstructured, q traffic.Query) bool {
	selector, _, _ := unstructured.NestedStringMap(o.Object, "spec", "selector")
	switch {
	case len(selector) == 0:
		return false
	case q.Host != "":
		return sameHost(o.GetName(), q.Host, q.Namespace)
	case q.App != "":
		return o.GetName() == q.App || selector["app"] == q.App
	}
	return true
}

func samePods(services []*unstructured.Unstructured) bool {
	selector := func(o *unstructured.Unstructured) map[string]string {
		s, _, _ := unstructured.NestedStringMap(o.Object, "spec", "selector")
		return s
	}
	return !slices.ContainsFunc(services, func(o *unstructured.Unstructured) bool { return !maps.Equal(selector(o), selector(services[0])) })
}

// noService explains that no Service fits.
func (r *Router) noService(ctx context.Context, q traffic.Query) error {
	what := "a Service with a selector"
	switch {
	case q.Host != "":
		what = fmt.Sprintf("Service %q, with a selector", short(canonical(q.Host, q.Namespace)))
	case q.App != "":
		what = fmt.Sprintf("a Service called %[1]s, or of Pods with the label app=%[1]s", q.App)
	case q.Route != "":
		what = fmt.Sprintf("a Service with a selector that VirtualService %s sends to", q.Route)
	}
	if _, err := r.client.Resource(kube.Namespaces()).Get(ctx, q.Namespace, metav1.GetOptions{}); apierrors.IsNotFound(err) {
		return hint.Wrap(fmt.Errorf("look for %s: %w: there is no namespace %q", what, traffic.ErrNoRoute, q.Namespace),
			"name another with -n; kubectl get namespaces lists them")
	}
	return hint.Wrap(fmt.Errorf("look for %s in namespace %s: %w: there is none", what, q.Namespace, traffic.ErrNoRoute),
		"name another with --host, or another namespace with -n; kubectl -n %s get services lists them", q.Namespace)
}

// senderOf is a VirtualService as a sender to the host: one that has destinations there,
// or had some that adopt changed.
func senderOf(vs *unstructured.Unstructured, s traffic.Survey, app string) (traffic.Sender, bool) {
	sender := traffic.Sender{Kind: "VirtualService", Name: vs.GetName(), Adopted: adoptedFor(vs, s.Canonical), Keeper: kube.Keeper(vs),
		Object: object(virtualService(s.Namespace, vs.GetName()), vs)}
	places := placesOf(vs, s.Canonical)
	for _, p := range places {
		switch {
		case p.subset == "":
			sender.Bare++
		case !slices.Contains(sender.Versions, p.subset):
			sender.Versions = append(sender.Versions, p.subset)
		}
	}
	if host, ok := spelled(vs, traffic.Route{Host: s.Canonical, Namespace: s.Namespace}); ok {
		if route, err := view(vs, host, app); err == nil {
			sender.Route = &route
		}
	}
	return sender, len(places) > 0 || sender.Adopted != nil
}

// definitionOf is a DestinationRule as what defines versions of its host.
func definitionOf(dr *unstructured.Unstructured, s traffic.Survey) traffic.Definition {
	d := traffic.Definition{Kind: "DestinationRule", Name: dr.GetName(), Adopted: adoptedFor(dr, s.Canonical), Keeper: kube.Keeper(dr),
		Object: object(destinationRule(s.Namespace, dr.GetName()), dr), Versions: map[string]map[string]string{}}
	d.Host, _, _ = unstructured.NestedString(dr.Object, "spec", "host")
	_, d.Policy, _ = unstructured.NestedFieldNoCopy(dr.Object, "spec", "trafficPolicy")
	all := subsetsOf(dr)
	for _, entry := range all.list {
		m, _ := entry.(map[string]any)
		if name, _ := m["name"].(string); name != "" {
			d.Versions[name], _ = all.labels(name)
		}
	}
	return d
}

// narrow says why a rule does not hold for all proxies that know the routes, or "": a
// route to a subset that a proxy does not know is answered with 503. A rule without a
// workloadSelector is none to those that one with it selects.
func narrow(dr *unstructured.Unstructured, s traffic.Survey) string {
	if _, some, _ := unstructured.NestedFieldNoCopy(dr.Object, "spec", "workloadSelector"); some {
		return "is for the clients alone that its workloadSelector selects"
	}
	to := exportedTo(dr)
	if slices.Contains(to, "*") {
		return ""
	}
	if len(s.Senders) == 0 {
		return fmt.Sprintf("is exported to %q alone, and the new VirtualService would be to all", strings.Join(to, ", "))
	}
	for _, sender := range s.Senders {
		further := func(namespace string) bool { return !slices.Contains(to, namespace) }
		if slices.ContainsFunc(exportedTo(s.Raw.(*surveyed).routes[sender.Name]), further) {
			return fmt.Sprintf("is exported to %q alone, and %s %s further", strings.Join(to, ", "), sender.Kind, sender.Name)
		}
	}
	return ""
}

// exportedTo are the namespaces that know an object, where "*" is all.
func exportedTo(o *unstructured.Unstructured) []string {
	if to, _, _ := unstructured.NestedStringSlice(o.Object, "spec", "exportTo"); len(to) > 0 {
		return to
	}
	return []string{"*"}
}

// notesOn says which requests no VirtualService of the host splits.
func notesOn(s traffic.Survey) []string {
	raw := s.Raw.(*surveyed)
	var notes []string
	mesh := len(s.Senders) == 0
	for _, sender := range s.Senders {
		mesh = mesh || ofMesh(raw.routes[sender.Name])
	}
	if !mesh {
		notes = append(notes, fmt.Sprintf("requests from within the mesh go past %s, which is a gateway's: a canary gets its share of them at once", sentBy(s)))
	}
	if names := otherPorts(raw.service); len(s.Senders) == 0 && len(names) > 0 {
		notes = append(notes, fmt.Sprintf("port %s of Service %s is none of HTTP: the new VirtualService does not split its connections, and a canary gets its share of them at once", strings.Join(names, ", "), s.Host))
	}
	return notes
}

func sentBy(s traffic.Survey) string {
	var names []string
	for _, sender := range s.Senders {
		names = append(names, sender.Kind+" "+sender.Name)
	}
	return strings.Join(names, ", ")
}

// otherPorts are the ports of which the Service says that they are not HTTP
// (https://istio.io/latest/docs/ops/configuration/traffic-management/protocol-selection/).
func otherPorts(service *unstructured.Unstructured) []string {
	ports, _, _ := unstructured.NestedSlice(service.Object, "spec", "ports")
	var names []string
	for _, entry := range ports {
		m, _ := entry.(map[string]any)
		name, _ := m["name"].(string)
		protocol, _ := m["appProtocol"].(string)
		if protocol == "" {
			protocol, _, _ = strings.Cut(name, "-")
		}
		if slices.Contains([]string{"tcp", "tls", "https", "mongo", "mysql", "redis", "udp"}, strings.ToLower(protocol)) {
			names = append(names, fmt.Sprint(m["port"]))
		}
	}
	return names
}
