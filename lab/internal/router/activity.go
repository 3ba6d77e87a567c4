package router

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
)

// activity exports what is in flight of every cluster that there is, by the name
// that an Envoy's /stats/prometheus gives it. It is the only one of the metrics
// that shows a request before its end.
type activity struct {
	router *Router
	active *prometheus.Desc
}

func newActivity(r *Router) *activity {
	return &activity{router: r, active: prometheus.NewDesc("envoy_cluster_upstream_rq_active",
		"Requests and streams in flight to the Pods of a cluster.", []string{"cluster_name"}, nil)}
}

// Describe implements prometheus.Collector.
func (a *activity) Describe(descriptions chan<- *prometheus.Desc) { descriptions <- a.active }

// Collect implements prometheus.Collector.
func (a *activity) Collect(metrics chan<- prometheus.Metric) {
	for _, c := range a.router.snapshot.Load().clusters {
		metrics <- prometheus.MustNewConstMetric(a.active, prometheus.GaugeValue, float64(c.load.active.Load()), c.name)
	}
}

// knownClusters are those that istiod tells of: one for each port of each Service,
// and one for each subset of it. They are there whether a route names them or not.
func (d *draft) knownClusters() []*cluster {
	for fqdn, s := range d.services {
		for i := range s.Spec.Ports {
			port := s.Spec.Ports[i].Port
			d.cluster(fqdn, port, "")
			for _, rule := range d.rules[fqdn] {
				for _, subset := range rule.spec.Subsets {
					d.cluster(fqdn, port, subset.Name)
				}
			}
		}
	}
	var known []*cluster
	for _, c := range d.clusters {
		if c.missing == "" {
			known = append(known, c)
		}
	}
	slices.SortFunc(known, func(a, b *cluster) int { return cmp.Compare(a.name, b.name) })
	return known
}

// Status lists the problems of the routes in force, and those that requests have
// shown.
func (r *Router) Status() []Problem {
	s := r.snapshot.Load()
	problems := slices.Clone(s.problems)
	for _, c := range s.clusters {
		if c.protocol == http1 && c.load.called.Load() {
			problems = append(problems, c.misdeclared())
		}
	}
	return problems
}

// misdeclared says that gRPC calls came to a port for HTTP/1.1. The router sends
// them on; a mesh would not, and nobody should learn that there.
func (c *cluster) misdeclared() Problem {
	i := &c.nowhere.identity
	return Problem{fmt.Sprintf("Service %s/%s", i.serviceNamespace, i.serviceName), "spec.ports",
		fmt.Sprintf("gRPC calls came to %s, whose port is declared as http: Envoy would speak HTTP/1.1 to the Pods, and each call would fail. "+
			"Set appProtocol: grpc, or name the port so", c.name)}
}
