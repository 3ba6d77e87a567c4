package router

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// draft is a snapshot in the making, with indexes of the world.
type draft struct {
	*builder
	out       *snapshot
	services  map[string]*service // by fully qualified name
	pods      map[string]*corev1.Pod
	rules     map[string][]*object[destinationRuleSpec] // by host
	clusters  map[clusterKey]*cluster
	endpoints map[endpointKey]*endpoint
	loads     map[string]*load                         // by cluster
	tcpRoutes map[string][]*object[virtualServiceSpec] // that have some for a host, the oldest first
	known     []string
}

type service struct {
	*corev1.Service
	fqdn   string
	slices []*discoveryv1.EndpointSlice
}

type clusterKey struct {
	host   string
	port   int32
	subset string
}

func newDraft(b *builder, w world) *draft {
	d := &draft{
		builder:   b,
		services:  map[string]*service{},
		pods:      map[string]*corev1.Pod{},
		rules:     map[string][]*object[destinationRuleSpec]{},
		clusters:  map[clusterKey]*cluster{},
		endpoints: map[endpointKey]*endpoint{},
		loads:     map[string]*load{},
		tcpRoutes: map[string][]*object[virtualServiceSpec]{},
	}
	d.out = &snapshot{
		hosts:    map[string]*virtualHost{},
		tcp:      map[string]*tcpRule{},
		pods:     map[netip.Addr]*target{},
		unrouted: d.target(hostIdentity("unknown")),
	}
	for _, s := range w.services {
		fqdn := d.qualify(s.Name, s.Namespace)
		d.services[fqdn] = &service{Service: s, fqdn: fqdn}
	}
	for _, slice := range w.slices {
		if s := d.services[d.qualify(slice.Labels[discoveryv1.LabelServiceName], slice.Namespace)]; s != nil {
			s.slices = append(s.slices, slice)
		}
	}
	for _, p := range w.pods {
		d.pods[p.Namespace+"/"+p.Name] = p
		if ip, err := netip.ParseAddr(p.Status.PodIP); err == nil {
			d.out.pods[ip] = d.target(podIdentity(p, identity{service: "PassthroughCluster", serviceName: "PassthroughCluster"}))
		}
	}
	for _, rule := range oldestFirst(w.destinationRules) {
		d.unknownFields(rule.String(), rule.unknown)
		host := d.qualify(rule.spec.Host, rule.namespace)
		d.rules[host] = append(d.rules[host], rule)
	}
	return d
}

// qualify completes a short host name; as in Istio, a name with a dot is taken
// to be complete.
func (d *draft) qualify(host, namespace string) string {
	host = strings.ToLower(host)
	if host == "*" || strings.Contains(host, ".") {
		return host
	}
	return host + "." + namespace + ".svc." + d.domain
}

// splitService takes a Service's full name apart.
func (d *draft) splitService(fqdn string) (name, namespace string, ok bool) {
	short, ok := strings.CutSuffix(fqdn, ".svc."+d.domain)
	if !ok {
		return "", "", false
	}
	return strings.Cut(short, ".")
}

func (d *draft) problem(object fmt.Stringer, field, format string, arguments ...any) {
	d.out.problems = append(d.out.problems, Problem{object.String(), field, fmt.Sprintf(format, arguments...)})
}

func (d *draft) unknownFields(object string, fields []string) {
	for _, field := range fields {
		d.out.problems = append(d.out.problems, Problem{object, field, "the lab's router does not honour this field"})
	}
}

// port finds a port of the Service by number.
func (s *service) port(number int32) *corev1.ServicePort {
	for i := range s.Spec.Ports {
		if s.Spec.Ports[i].Port == number {
			return &s.Spec.Ports[i]
		}
	}
	return nil
}

// defaultPort is the one that a destination means when it names none.
func (s *service) defaultPort() int32 {
	if len(s.Spec.Ports) == 0 {
		return 0
	}
	return s.Spec.Ports[0].Port
}

// cluster returns the endpoints behind a port of a Service, all or one subset
// of them. With port 0 it is the Service's first.
func (d *draft) cluster(host string, port int32, subset string) *cluster {
	s := d.services[host]
	if port == 0 && s != nil {
		port = s.defaultPort()
	}
	key := clusterKey{host, port, subset}
	if c := d.clusters[key]; c != nil {
		return c
	}
	name := fmt.Sprintf("outbound|%d|%s|%s", port, subset, host)
	c := &cluster{name: name, load: d.load(name)}
	d.clusters[key] = c
	if s == nil {
		c.nowhere = d.target(hostIdentity(host))
		c.missing = fmt.Sprintf("there is no Service %s", host)
		return c
	}
	c.nowhere = d.target(s.identity())
	policy, selector := d.subset(c, s, subset)
	servicePort := s.port(port)
	switch {
	case c.missing != "":
	case servicePort == nil:
		c.missing = fmt.Sprintf("Service %s/%s has no port %d", s.Namespace, s.Name, port)
	default:
		c.protocol, c.balance, c.maxRequests = protocolOf(servicePort), policy.balance(), policy.maxRequests()
		c.endpoints = d.ready(s, servicePort, selector)
	}
	return c
}

// subset finds what DestinationRules say about a subset of a Service.
func (d *draft) subset(c *cluster, s *service, name string) (trafficPolicy, labels.Selector) {
	var policy trafficPolicy
	for _, rule := range d.rules[s.fqdn] {
		policy = trafficPolicy{}.override(rule.spec.TrafficPolicy).override(&policy)
		for _, candidate := range rule.spec.Subsets {
			if name != "" && candidate.Name == name {
				return policy.override(candidate.TrafficPolicy), labels.SelectorFromSet(candidate.Labels)
			}
		}
	}
	if name != "" {
		c.missing = fmt.Sprintf("no DestinationRule has a subset %q for %s", name, s.fqdn)
	}
	return policy, labels.Everything()
}

// ready lists the ready endpoints whose Pods the selector matches.
func (d *draft) ready(s *service, port *corev1.ServicePort, selector labels.Selector) []*endpoint {
	var found []*endpoint
	for _, slice := range s.slices {
		number := slicePort(slice, port.Name)
		if number == 0 {
			continue
		}
		for _, e := range slice.Endpoints {
			if e.Conditions.Ready != nil && !*e.Conditions.Ready || len(e.Addresses) == 0 {
				continue
			}
			identity, carried := s.identity(), labels.Set{}
			if ref := e.TargetRef; ref != nil {
				if pod := d.pods[cmp.Or(ref.Namespace, s.Namespace)+"/"+ref.Name]; pod != nil {
					identity, carried = podIdentity(pod, identity), pod.Labels
				}
			}
			if selector.Matches(carried) {
				address := net.JoinHostPort(e.Addresses[0], strconv.Itoa(int(number)))
				found = append(found, d.endpoint(address, d.target(identity)))
			}
		}
	}
	return found
}

func slicePort(slice *discoveryv1.EndpointSlice, name string) int32 {
	for _, p := range slice.Ports {
		if p.Port != nil && (p.Name == nil && name == "" || p.Name != nil && *p.Name == name) {
			return *p.Port
		}
	}
	return 0
}

// endpoint returns the one of the last snapshot, if it was there.
func (d *draft) endpoint(address string, t *target) *endpoint {
	key := endpointKey{address, t}
	e := d.endpoints[key]
	if e == nil {
		e = d.builder.endpoints[key]
	}
	if e == nil {
		e = &endpoint{address: address, target: t, unanswered: d.target(t.identity.unanswered())}
	}
	d.endpoints[key] = e
	return e
}

// load returns the one of the last snapshot, if the cluster was there.
func (d *draft) load(cluster string) *load {
	l := d.builder.loads[cluster]
	if l == nil {
		l = &load{}
	}
	d.loads[cluster] = l
	return l
}

func (d *draft) target(i identity) *target {
	t := d.targets[i]
	if t == nil {
		t = &target{telemetry: d.telemetry, identity: i}
		d.targets[i] = t
	}
	return t
}

func (s *service) identity() identity {
	i := hostIdentity(s.fqdn)
	i.serviceName, i.serviceNamespace = s.Name, s.Namespace
	return i
}

// hostIdentity is what is known of a request before a Pod is chosen for it.
// Istio calls a revision that it does not know the latest:
// https://github.com/istio/proxy/blob/master/source/extensions/filters/http/istio_stats/istio_stats.cc
func hostIdentity(host string) identity {
	const none = "unknown"
	return identity{
		workload: none, namespace: none, app: none, version: none, revision: "latest",
		service: host, serviceName: host, serviceNamespace: none,
	}
}

// podIdentity adds what Istio's telemetry says of a Pod.
func podIdentity(p *corev1.Pod, i identity) identity {
	i.workload, i.namespace = workload(p), p.Namespace
	i.app = unknown(p.Labels["app"])
	i.version = unknown(p.Labels["version"])
	i.revision = cmp.Or(p.Labels["service.istio.io/canonical-revision"],
		p.Labels["app.kubernetes.io/version"], p.Labels["version"], "latest")
	i.serviceNamespace = cmp.Or(i.serviceNamespace, "unknown")
	return i
}

// unanswered is what the client's side knows of a Pod that has not answered. What
// istiod tells of an endpoint has no app and no version; only an answer's headers do.
func (i identity) unanswered() identity {
	i.app, i.version = unknown(""), unknown("")
	return i
}

// workload names what made the Pod: its Deployment, where there is one.
func workload(p *corev1.Pod) string {
	at := slices.IndexFunc(p.OwnerReferences, func(o metav1.OwnerReference) bool { return o.Controller != nil && *o.Controller })
	if at < 0 {
		return p.Name
	}
	owner := p.OwnerReferences[at]
	return strings.TrimSuffix(owner.Name, "-"+p.Labels["pod-template-hash"])
}
