package router

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
)

// nginx is the prefix of ingress-nginx's annotations; see
// https://kubernetes.github.io/ingress-nginx/user-guide/nginx-configuration/annotations/#canary
const nginx = "nginx.ingress.kubernetes.io/"

// location is one path of a host: the Service it leads to, and the canary that
// another Ingress with the same host and path adds.
type location struct {
	path    string
	kind    networkingv1.PathType
	backend *cluster
	canary  *cluster
	policy  canaryPolicy
}

// canaryPolicy is the annotations of a canary Ingress.
type canaryPolicy struct {
	header, headerValue, headerPattern, cookie string
	weight, total                              uint64
}

type ingressName struct{ *networkingv1.Ingress }

func (i ingressName) String() string { return "Ingress " + i.Namespace + "/" + i.Name }

// claimIngresses makes rules for the hosts of Ingresses, canaries last, because
// they only add to the locations of others.
func (d *draft) claimIngresses(objects []*networkingv1.Ingress, claims map[string]claim) {
	sorted := slices.Clone(objects)
	slices.SortStableFunc(sorted, func(a, b *networkingv1.Ingress) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Namespace+a.Name, b.Namespace+b.Name))
	})
	hosts := map[string][]*location{}
	for _, canaries := range []bool{false, true} {
		for _, ingress := range sorted {
			if (ingress.Annotations[nginx+"canary"] == "true") != canaries || !d.accepts(ingress) {
				continue
			}
			if canaries {
				d.addCanary(hosts, ingress)
			} else {
				d.addLocations(hosts, ingress)
			}
		}
	}
	for host, locations := range hosts {
		if claims[host] != nil {
			continue // a VirtualService or HTTPRoute of that name goes first
		}
		compiled := ingressRules(locations)
		claims[host] = func(int32) []*rule { return compiled }
	}
}

// accepts says whether the Ingress is for us, and reports what we do not honour.
func (d *draft) accepts(ingress *networkingv1.Ingress) bool {
	name := ingressName{ingress}
	class := cmp.Or(value(ingress.Spec.IngressClassName), ingress.Annotations["kubernetes.io/ingress.class"])
	if class != "" && class != "nginx" {
		d.problem(name, "spec.ingressClassName", "the lab's router is no %q, only nginx", class)
		return false
	}
	for _, key := range slices.Sorted(maps.Keys(ingress.Annotations)) {
		short, ours := strings.CutPrefix(key, nginx)
		switch short {
		case "canary", "canary-by-header", "canary-by-header-value", "canary-by-header-pattern",
			"canary-by-cookie", "canary-weight", "canary-weight-total":
		default:
			if ours {
				d.problem(name, "metadata.annotations["+key+"]", "the lab's router does not honour this annotation")
			}
		}
	}
	if len(ingress.Spec.TLS) > 0 {
		d.problem(name, "spec.tls", "the lab's router speaks plain HTTP only")
	}
	return true
}

// backends calls add for every path of the Ingress.
func (d *draft) backends(ingress *networkingv1.Ingress, add func(host string, l *location)) {
	if b := ingress.Spec.DefaultBackend; b != nil && b.Service != nil {
		add("*", &location{path: "/", kind: networkingv1.PathTypePrefix, backend: d.ingressBackend(ingress, b.Service)})
	}
	for i, rule := range ingress.Spec.Rules {
		if rule.HTTP == nil {
			continue
		}
		for j, p := range rule.HTTP.Paths {
			if p.Backend.Service == nil {
				d.problem(ingressName{ingress}, fmt.Sprintf("spec.rules[%d].http.paths[%d].backend", i, j), "only a Service can be a backend here")
				continue
			}
			kind := networkingv1.PathTypeImplementationSpecific
			if p.PathType != nil {
				kind = *p.PathType
			}
			host := strings.ToLower(cmp.Or(rule.Host, "*"))
			add(host, &location{path: cmp.Or(p.Path, "/"), kind: kind, backend: d.ingressBackend(ingress, p.Backend.Service)})
		}
	}
}

func (d *draft) ingressBackend(ingress *networkingv1.Ingress, b *networkingv1.IngressServiceBackend) *cluster {
	host := d.qualify(b.Name, ingress.Namespace)
	port := b.Port.Number
	if s := d.services[host]; s != nil && b.Port.Name != "" {
		for _, p := range s.Spec.Ports {
			if p.Name == b.Port.Name {
				port = p.Port
			}
		}
	}
	return d.cluster(host, port, "")
}

func (d *draft) addLocations(hosts map[string][]*location, ingress *networkingv1.Ingress) {
	d.backends(ingress, func(host string, l *location) {
		if find(hosts[host], l) == nil { // the oldest Ingress has the path
			hosts[host] = append(hosts[host], l)
		}
	})
}

func (d *draft) addCanary(hosts map[string][]*location, ingress *networkingv1.Ingress) {
	policy, err := parseCanary(ingress.Annotations)
	if err != nil {
		d.problem(ingressName{ingress}, "metadata.annotations", "%v", err)
		return
	}
	d.backends(ingress, func(host string, l *location) {
		main := find(hosts[host], l)
		switch {
		case main == nil:
			d.problem(ingressName{ingress}, "spec.rules", "no Ingress without the canary annotation has host %s and path %s", host, l.path)
		case main.canary != nil:
			d.problem(ingressName{ingress}, "spec.rules", "host %s and path %s already have a canary; there can be one", host, l.path)
		default:
			main.canary, main.policy = l.backend, policy
		}
	})
}

func find(locations []*location, like *location) *location {
	for _, l := range locations {
		if l.path == like.path {
			return l
		}
	}
	return nil
}

func parseCanary(annotations map[string]string) (canaryPolicy, error) {
	p := canaryPolicy{
		header:        annotations[nginx+"canary-by-header"],
		headerValue:   annotations[nginx+"canary-by-header-value"],
		headerPattern: annotations[nginx+"canary-by-header-pattern"],
		cookie:        annotations[nginx+"canary-by-cookie"],
		total:         100,
	}
	number := func(key string, into *uint64) error {
		text := annotations[nginx+key]
		if text == "" {
			return nil
		}
		n, err := strconv.ParseUint(text, 10, 31)
		if err != nil {
			return fmt.Errorf("%s%s %q is not a whole number", nginx, key, text)
		}
		*into = n
		return nil
	}
	err := cmp.Or(number("canary-weight", &p.weight), number("canary-weight-total", &p.total))
	p.total = max(p.total, 100)
	p.weight = min(p.weight, p.total)
	if err == nil {
		_, err = regexp.Compile(p.headerPattern)
	}
	return p, err
}

// ingressRules orders the locations as nginx does: exact ones, then the longest
// prefix.
func ingressRules(locations []*location) []*rule {
	exact := func(l *location) int {
		if l.kind == networkingv1.PathTypeExact {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(locations, func(a, b *location) int {
		return cmp.Or(cmp.Compare(exact(b), exact(a)), cmp.Compare(len(b.path), len(a.path)))
	})
	var rules []*rule
	for _, l := range locations {
		rules = append(rules, l.rules()...)
	}
	return rules
}

// rules spells the precedence of ingress-nginx out: header, cookie, weight.
func (l *location) rules() []*rule {
	here := l.condition()
	to := func(c *cluster, also ...condition) *rule {
		r := &rule{retry: defaultRetry(), unresolved: http.StatusServiceUnavailable, conditions: []condition{all(append(also, here))}}
		r.split.add(destination{weight: 1, cluster: c})
		return r
	}
	if l.canary == nil {
		return []*rule{to(l.backend)}
	}
	var rules []*rule
	p := &l.policy
	switch {
	case p.header == "":
	case p.headerValue != "":
		rules = append(rules, to(l.canary, headerIs(p.header, equals(p.headerValue))))
	case p.headerPattern != "":
		found := regexp.MustCompile(p.headerPattern).MatchString
		rules = append(rules, to(l.canary, headerIs(p.header, found)))
	default:
		rules = append(rules,
			to(l.canary, headerIs(p.header, equals("always"))),
			to(l.backend, headerIs(p.header, equals("never"))))
	}
	if p.cookie != "" {
		rules = append(rules,
			to(l.canary, cookieIs(p.cookie, equals("always"))),
			to(l.backend, cookieIs(p.cookie, equals("never"))))
	}
	weighted := to(l.backend)
	weighted.split = split{}
	weighted.split.add(destination{weight: p.total - p.weight, cluster: l.backend})
	weighted.split.add(destination{weight: p.weight, cluster: l.canary})
	return append(rules, weighted)
}

// condition is the location's path. ImplementationSpecific is nginx's plain
// prefix, which does not stop at path elements.
func (l *location) condition() condition {
	switch l.kind {
	case networkingv1.PathTypeExact:
		return pathIs(equals(l.path))
	case networkingv1.PathTypePrefix:
		return pathUnder(l.path)
	}
	return func(c *call) bool { return strings.HasPrefix(c.URL.Path, l.path) }
}
