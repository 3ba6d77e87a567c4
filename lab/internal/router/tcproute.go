package router

import (
	"fmt"
	"strconv"

	corev1 "k8s.io/api/core/v1"
)

// claimTCP notes a VirtualService that has tcp routes. They count for ports that
// speak TCP; where several objects have one for a port it is the oldest's.
func (d *draft) claimTCP(vs *object[virtualServiceSpec]) {
	for i, host := range vs.spec.Hosts {
		fqdn := d.qualify(host, vs.namespace)
		d.tcpRoutes[fqdn] = append(d.tcpRoutes[fqdn], vs)
		s := d.services[fqdn]
		speaks := false
		for j := range servicePorts(s) {
			speaks = speaks || protocolOf(&s.Spec.Ports[j]).carriesTCP()
		}
		if !speaks {
			d.problem(vs, "spec.tcp", "spec.hosts[%d], %s, is no Service with a port that speaks TCP: name one tcp, or set its appProtocol", i, fqdn)
		}
	}
}

func servicePorts(s *service) []corev1.ServicePort {
	if s == nil {
		return nil
	}
	return s.Spec.Ports
}

// carriesTCP says whether connections through a port are taken as they are: not
// where it is declared to speak HTTP.
func (p protocol) carriesTCP() bool { return p == tcp || p == detected }

// addTCP makes the rule for connections to a port of a Service.
func (d *draft) addTCP(s *service, port *corev1.ServicePort, names []string) {
	if !protocolOf(port).carriesTCP() {
		return
	}
	rule := &tcpRule{nowhere: d.target(s.identity())}
	if !d.splitTCP(rule, s, port.Port) {
		rule.split.add(destination{weight: 1, cluster: d.cluster(s.fqdn, port.Port, "")})
	}
	for _, name := range names {
		d.out.tcp[name+":"+strconv.Itoa(int(port.Port))] = rule
	}
}

// splitTCP finds the first route for a port, and says whether there is one.
func (d *draft) splitTCP(rule *tcpRule, s *service, port int32) bool {
	for _, vs := range d.tcpRoutes[s.fqdn] {
		compiler := istioCompiler{draft: d, vs: vs}
		for i := range vs.spec.TCP {
			route := &vs.spec.TCP[i]
			if !compiler.matchesTCP(route, fmt.Sprintf("spec.tcp[%d]", i), port) {
				continue
			}
			for j := range route.Route {
				to := &route.Route[j]
				weight := uint64(max(to.Weight, 0))
				if len(route.Route) == 1 {
					weight = 100
				}
				rule.split.add(destination{weight: weight, cluster: compiler.destination(&to.Destination, port)})
			}
			return true
		}
	}
	return false
}

// matchesTCP says whether a route is for a port.
func (c *istioCompiler) matchesTCP(route *tcpRoute, field string, port int32) bool {
	if len(route.Match) == 0 {
		return true
	}
	for i := range route.Match {
		m := &route.Match[i]
		if len(m.SourceLabels) > 0 || m.SourceNamespace != "" && m.SourceNamespace != c.namespace {
			c.complainOfSources(fmt.Sprintf("%s.match[%d]", field, i))
			continue
		}
		if m.Port == 0 || int32(m.Port) == port {
			return true
		}
	}
	return false
}
