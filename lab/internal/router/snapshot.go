package router

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// snapshot is all that the router knows at one moment; it never changes.
type snapshot struct {
	// hosts has every spelling of a host, in lower case, with its port and, for
	// the port that a client means when it names none, without.
	hosts     map[string]*virtualHost
	wildcards []wildcard          // the longest first
	tcp       map[string]*tcpRule // by every spelling of a host, with its port
	pods      map[netip.Addr]*target
	known     string // the hosts, for messages
	problems  []Problem
	clusters  []*cluster // all that there are, by name
	unrouted  *target    // what metrics say of hosts that are not known
	// passthrough is the load of requests to Pods by their own address.
	passthrough load
}

// wildcard is a host such as *.example.com, or * with an empty suffix.
type wildcard struct {
	suffix string
	host   *virtualHost
}

// builder makes snapshots. It keeps what has to outlive them: the metrics'
// handles, and the counts of requests in flight.
type builder struct {
	namespace string // of the clients
	domain    string
	telemetry *telemetry
	targets   map[identity]*target
	endpoints map[endpointKey]*endpoint
	loads     map[string]*load // by cluster
}

type endpointKey struct {
	address string
	target  *target
}

func newBuilder(namespace, domain string, t *telemetry) *builder {
	return &builder{namespace: namespace, domain: domain, telemetry: t, targets: map[identity]*target{}}
}

// snapshot compiles the world: plain Services first, then what routes say about
// them and about hosts of their own.
func (b *builder) snapshot(w world) *snapshot {
	d := newDraft(b, w)
	claims := d.claims(w)
	for _, fqdn := range slices.Sorted(maps.Keys(d.services)) {
		d.addService(d.services[fqdn], claims[fqdn])
		delete(claims, fqdn)
	}
	for _, host := range slices.Sorted(maps.Keys(claims)) {
		d.addHost(host, claims[host])
	}
	d.out.clusters = d.knownClusters()
	for key, e := range b.endpoints {
		if d.endpoints[key] == nil {
			e.withdrawn.Store(true)
		}
	}
	b.endpoints, b.loads = d.endpoints, d.loads
	b.forget(d.services)
	slices.SortFunc(d.out.problems, func(a, b Problem) int { return cmp.Compare(a.String(), b.String()) })
	d.out.problems = slices.Compact(d.out.problems)
	slices.SortFunc(d.out.wildcards, func(a, b wildcard) int { return cmp.Compare(len(b.suffix), len(a.suffix)) })
	slices.Sort(d.known)
	d.out.known = strings.Join(slices.Compact(d.known), ", ")
	if d.out.known == "" {
		d.out.known = "none yet"
	}
	return d.out
}

// forget ends the metrics of Services that are gone, as those of a mesh end with the
// Pods that kept them.
func (b *builder) forget(services map[string]*service) {
	for i := range b.targets {
		if i.serviceNamespace != unknown("") && services[i.service] == nil {
			delete(b.targets, i)
			b.telemetry.forget(i.service)
		}
	}
}

// claim is what makes the rules of a host: for a port of its Service, or for 0
// where the host is not a Service.
type claim func(port int32) []*rule

// claims finds who speaks for which host. Where several kinds do, the order is
// VirtualService, HTTPRoute, Ingress.
func (d *draft) claims(w world) map[string]claim {
	claims := map[string]claim{}
	d.claimVirtualServices(w.virtualServices, claims)
	d.claimHTTPRoutes(w.httpRoutes, claims)
	d.claimIngresses(w.ingresses, claims)
	return claims
}

func (d *draft) addService(s *service, c claim) {
	standard := int32(80)
	if len(s.Spec.Ports) == 1 || s.port(standard) == nil {
		standard = s.defaultPort()
	}
	names := d.spellings(s.fqdn)
	if ip := s.Spec.ClusterIP; ip != "" && ip != "None" {
		names = append(names, ip)
	}
	for i := range s.Spec.Ports {
		port := s.Spec.Ports[i].Port
		d.addTCP(s, &s.Spec.Ports[i], names)
		host := &virtualHost{nowhere: d.target(s.identity())}
		if c != nil {
			host.rules = c(port)
		} else {
			plain := &rule{retry: defaultRetry(), unresolved: 503}
			plain.split.add(destination{weight: 1, cluster: d.cluster(s.fqdn, port, "")})
			host.rules = []*rule{plain}
		}
		for _, name := range names {
			d.out.hosts[name+":"+strconv.Itoa(int(port))] = host
			if port == standard {
				d.out.hosts[name] = host
			}
		}
	}
	d.known = append(d.known, s.Name+"."+s.Namespace)
}

// addHost adds a host that is not a Service, or not one that exists.
func (d *draft) addHost(name string, c claim) {
	host := &virtualHost{rules: c(0), anyPort: true}
	if suffix, ok := strings.CutPrefix(name, "*"); ok {
		host.nowhere = d.target(hostIdentity(name))
		d.out.wildcards = append(d.out.wildcards, wildcard{suffix, host})
		d.known = append(d.known, name)
		return
	}
	host.nowhere = d.target(hostIdentity(name))
	for _, spelling := range d.spellings(name) {
		d.out.hosts[spelling] = host
	}
	d.known = append(d.known, name)
}

// spellings are the names by which clients may call a host.
func (d *draft) spellings(fqdn string) []string {
	name, namespace, ok := d.splitService(fqdn)
	if !ok {
		return []string{fqdn}
	}
	qualified := name + "." + namespace
	names := []string{qualified, qualified + ".svc", fqdn}
	if namespace == d.namespace {
		names = append(names, name)
	}
	return names
}
